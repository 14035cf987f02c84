"""What the simulated shell does itself, as it changes the shell: cd, exit, trap, wait and so on."""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from roost.simulation.workloads.context import Exited
from roost.simulation.workloads.script import Unknown

if TYPE_CHECKING:
    from roost.simulation.workloads.shell import Shell
    from roost.simulation.workloads.streams import Streams

Builtin = Callable[["Shell", "Streams", list[str]], Awaitable[int]]
_SIGNALS: Final = {"1": "HUP", "2": "INT", "3": "QUIT", "15": "TERM", "0": "EXIT", "10": "USR1"}


class Jump(Exception):
    """Leaves one or more loops."""

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.levels = levels

    def leave(self) -> None:
        """Leave one loop; goes on if there are more to leave."""
        self.levels -= 1
        if self.levels > 0:
            raise self


class Break(Jump):
    """break"""


class Continue(Jump):
    """continue"""


class Return(Exception):
    """return, out of a function."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def signal_name(word: str) -> str:
    """Return TERM for 15, TERM, SIGTERM or -TERM."""
    name = word.lstrip("-").upper().removeprefix("SIG")
    return _SIGNALS.get(name, name)


def _code(shell: Shell, argv: list[str]) -> int:
    if not argv[1:]:
        return shell.code
    if not argv[1].isdigit():
        raise Unknown(f"{argv[0]}: Illegal number: {argv[1]}")
    return int(argv[1]) & 0xFF


async def _exit(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    raise Exited(_code(shell, argv))


async def _return(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    raise Return(_code(shell, argv))


async def _break(_shell: Shell, _streams: Streams, argv: list[str]) -> int:
    raise (Break if argv[0] == "break" else Continue)(int(argv[1]) if argv[1:] else 1)


async def _cd(shell: Shell, streams: Streams, argv: list[str]) -> int:
    path = argv[1] if argv[1:] else shell.ctx.env.get("HOME", "/")
    if not shell.ctx.files.exists(path):
        streams.err(f"sh: cd: can't cd to {path}: No such file or directory\n")
        return 2
    files = shell.ctx.files
    shell.ctx.files = files.at(posixpath.normpath(posixpath.join(files.folder, path)))
    return 0


async def _pwd(shell: Shell, streams: Streams, _argv: list[str]) -> int:
    streams.out(f"{shell.ctx.files.folder}\n")
    return 0


async def _eval(shell: Shell, streams: Streams, argv: list[str]) -> int:
    from roost.simulation.workloads.syntax import parse

    return await shell.run(parse(" ".join(argv[1:])), streams)


async def _source(shell: Shell, streams: Streams, argv: list[str]) -> int:
    from roost.simulation.workloads.syntax import parse

    try:
        text = shell.ctx.files.text(argv[1])
    except OSError:
        streams.err(f"sh: .: can't open '{argv[1]}': No such file or directory\n")
        return 2
    return await shell.run(parse(text), streams)


async def _exec(shell: Shell, streams: Streams, argv: list[str]) -> int:
    if len(argv) == 1:
        return 0
    if shell.ctx.pid == 1 and not shell.is_sub:
        shell.ctx.on_signal("SIGTERM", None)
    child = shell.child(argv[1:], streams)
    child.pid = shell.ctx.pid
    raise Exited(await shell.run_program(child, argv[1:]))


async def _export(shell: Shell, streams: Streams, argv: list[str]) -> int:
    for word in [one for one in argv[1:] if not one.startswith("-")]:
        name, equals, value = word.partition("=")
        known = shell.variables.pop(name, shell.ctx.env.get(name, ""))
        shell.ctx.env[name] = value if equals else known
    del streams
    return 0


async def _local(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    for word in argv[1:]:
        name, _, value = word.partition("=")
        shell.assign(name, value)
    return 0


async def _unset(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    for name in argv[1:]:
        shell.variables.pop(name, None)
        shell.ctx.env.pop(name, None)
        shell.functions.pop(name, None)
    return 0


async def _read(shell: Shell, streams: Streams, argv: list[str]) -> int:
    names = [one for one in argv[1:] if not one.startswith("-")] or ["REPLY"]
    line = streams.input.line()
    words = (line or "").split(None, len(names) - 1)
    for index, name in enumerate(names):
        shell.assign(name, words[index].rstrip() if index < len(words) else "")
    return int(line is None)


async def _set(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    words = argv[1:]
    while words:
        word = words.pop(0)
        if word == "--":
            shell.positional[1:] = words
            return 0
        if word in ("-o", "+o") and words[:1] == ["pipefail"]:
            words.pop(0)
        elif word[:1] in "-+" and set(word[1:]) <= set("eux"):
            if "e" in word:
                shell.stop_at_error = word[0] == "-"
            if "u" in word:
                shell.stop_at_unset = word[0] == "-"
        else:
            raise Unknown(f"set {word}")
    return 0


async def _shift(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    count = int(argv[1]) if argv[1:] else 1
    if count >= len(shell.positional):
        return 1
    del shell.positional[1 : 1 + count]
    return 0


async def _trap(shell: Shell, streams: Streams, argv: list[str]) -> int:
    if len(argv) < 3:
        return 0
    for word in argv[2:]:
        name = signal_name(word)
        if argv[1] == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = argv[1]
        if name != "EXIT" and shell.ctx.pid == 1 and not shell.is_sub:
            ignored = argv[1] == "-"
            handler = None if ignored else (lambda name=name: shell.signalled(name))
            shell.ctx.on_signal(f"SIG{name}", handler)
    del streams
    return 0


async def _wait(shell: Shell, _streams: Streams, argv: list[str]) -> int:
    numbers = [int(word) for word in argv[1:] if word.isdigit()]
    unknown = [number for number in numbers if number not in shell.jobs]
    if unknown:
        return 127
    chosen = [shell.jobs[number] for number in numbers] or list(shell.jobs.values())
    code = await shell.wait_for(chosen)
    return code if numbers or code == 143 else 0


async def _kill(shell: Shell, streams: Streams, argv: list[str]) -> int:
    words = argv[1:]
    name = "TERM"
    if words[:1] == ["-s"]:
        name, words = signal_name(words[1]), words[2:]
    elif words and words[0].startswith("-"):
        name, words = signal_name(words[0]), words[1:]
    code = 0
    for word in words:
        if word.isdigit() and int(word) in shell.jobs:
            shell.jobs[int(word)].cancel()
        elif word == "1":
            # The kernel keeps signals that it does not handle from the first process.
            await shell.ctx.signal(f"SIG{name}")
        else:
            streams.err(f"sh: can't kill pid {word}: No such process\n")
            code = 1
    return code


async def _command(shell: Shell, streams: Streams, argv: list[str]) -> int:
    from roost.simulation.workloads.commands import COMMANDS

    if argv[1:2] not in (["-v"], ["-V"]):
        raise Unknown(argv[0])
    name = argv[2] if argv[2:] else ""
    if name in shell.functions or name in BUILTINS:
        streams.out(f"{name}\n")
    elif name in COMMANDS:
        streams.out(f"/bin/{name}\n")
    else:
        return 127
    return 0


async def _umask(_shell: Shell, _streams: Streams, _argv: list[str]) -> int:
    return 0


BUILTINS: Final[Mapping[str, Builtin]] = {
    ".": _source, "break": _break, "cd": _cd, "command": _command, "continue": _break,
    "eval": _eval, "exec": _exec, "exit": _exit, "export": _export, "kill": _kill,
    "local": _local, "pwd": _pwd, "read": _read, "readonly": _export, "return": _return,
    "set": _set, "shift": _shift, "source": _source, "trap": _trap, "umask": _umask,
    "unset": _unset, "wait": _wait,
}  # fmt: skip
