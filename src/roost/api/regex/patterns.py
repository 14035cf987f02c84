"""Regular expressions that come from clients: in CEL, and as patterns in schemas.

Whoever may write a schema may write any expression, so a match must take a time that grows only with the
text: RE2 does that, and is the language that Kubernetes has. Where there is no RE2 (in a browser),
Python's engine stands in, with what RE2 does not know refused (ADR 9).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

try:
    from roost.api.regex.linear import compile_pattern
except ImportError:  # no wheel for this platform
    from roost.api.regex.backtracking import compile_pattern


class Match(Protocol):
    """Where a pattern was found."""

    def __getitem__(self, group: int, /) -> str | None: ...

    def start(self) -> int: ...

    def end(self) -> int: ...


class Pattern(Protocol):
    """A compiled expression."""

    def search(self, text: str, /) -> Match | None: ...

    def finditer(self, text: str, /) -> Iterator[Match]: ...


@lru_cache(maxsize=128)
def compiled(pattern: str) -> Pattern:
    """Raises BadPattern, in Go's words, when the pattern is none."""
    made: Pattern = compile_pattern(pattern)
    return made


def found_in(pattern: Pattern, text: str) -> Iterator[str]:
    """Yield what matches, from left to right; as in Go nothing empty right after a match."""
    end = -1
    for match in pattern.finditer(text):
        if match.end() > match.start() or match.start() != end:
            yield match[0] or ""
        end = match.end()
