"""Which commands need no particular image: those that run only programs that all simulated images have.

Only what is certain counts: a script that the shell cannot read, a program whose name is made at run
time and a file that is run may be anything. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from roost.simulation.workloads.builtins import BUILTINS
from roost.simulation.workloads.commands import COMMANDS
from roost.simulation.workloads.script import Function, Simple, Text, Unknown, Word
from roost.simulation.workloads.syntax import parse

_SHELLS: Final = frozenset({"sh", "ash", "bash"})
#: Where such programs lie.
_FOLDERS: Final = frozenset({"", "/", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"})
#: What these run is known only when they do.
_OPAQUE: Final = frozenset({"eval", ".", "source"})
#: These run the words after so many of their own.
_WRAPPERS: Final = {"exec": 1, "command": 1, "xargs": 1, "busybox": 1, "timeout": 2}

#: None: a word that is made at run time.
_Words = Sequence[str | None]


def is_plain(argv: _Words, functions: Collection[str] = ()) -> bool:
    """Say whether a command is known without its image; none at all is the image's own."""
    if not argv or argv[0] is None:
        return False
    folder, slash, name = argv[0].rpartition("/")
    if argv[0] in functions:
        return True
    if name in _OPAQUE or (folder or slash) not in _FOLDERS:
        return False
    if name in _SHELLS:
        return _is_plain_shell(argv[1:])
    if name == "env" or name in _WRAPPERS:
        rest = list(argv[_WRAPPERS.get(name, 1) :])
        while name == "env" and rest and rest[0] is not None and "=" in rest[0]:
            rest.pop(0)
        asks = name == "command" and rest[:1] == ["-v"]
        return not rest or asks or is_plain(rest, functions)
    return name in COMMANDS or (not slash and name in BUILTINS)


def _is_plain_shell(words: _Words) -> bool:
    """Say so of `sh -c text`; a shell that reads a file or its input is not."""
    options = ""
    rest = list(words)
    while rest and rest[0] is not None and rest[0][:1] in ("-", "+") and "c" not in options:
        options += str(rest.pop(0))
    text = rest[0] if rest else None
    if "c" not in options or text is None:
        return False
    try:
        parts = list(_parts(parse(text)))
    except Unknown:
        return False
    functions = {part.name for part in parts if isinstance(part, Function)}
    commands = [part.words for part in parts if isinstance(part, Simple) and part.words]
    return all(is_plain([_literal(word) for word in words], functions) for words in commands)


def _parts(value: object) -> Iterator[object]:
    """Yield everything that a script is made of."""
    yield value
    if isinstance(value, tuple):
        for item in value:
            yield from _parts(item)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name))


def _literal(word: Word) -> str | None:
    """Return the text of a word; None if some of it is made at run time."""
    texts = [part.text for part in word if isinstance(part, Text)]
    return "".join(texts) if len(texts) == len(word) else None
