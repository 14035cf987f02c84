"""The texts that `format` fills in: how they are read, both when they are compiled and when they run.

A text has clauses, `%d` or `%.2f`; whoever reads it says what each clause becomes for the value at a
place, and raises Unfit where the value is none for the clause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roost.api.cel.nodes import Node
from roost.api.numerals import natural

#: Digits after the point that a clause may ask for.
PRECISION_MAX: Final = 1000
PRECISION: Final = 6
#: Verb -> what is said of a value that it is not for.
_ONLY: Final = {
    "s": "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, "
    "durations, and timestamps, was given {}",
    "d": "decimal clause can only be used on integers, was given {}",
    "f": "fixed-point clause can only be used on doubles, was given {}",
    "e": "scientific clause can only be used on doubles, was given {}",
    "b": "only integers and bools can be formatted as binary, was given {}",
    "x": "only integers, byte buffers, and strings can be formatted as hex, was given {}",
    "o": "octal clause can only be used on integers, was given {}",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """What a value shall be written as."""

    verb: str
    precision: int = PRECISION

    def refusal(self, given: str) -> str:
        """Return what is said of a value of a type that the clause is not for."""
        return _ONLY[self.verb.lower()].format(given)


class Unfit(Exception):
    """A text with clauses that cannot be filled in; `node` is the value that does not fit."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node


def interpolate(
    text: str, count: int, write: Callable[[int, Clause], str], *, running: bool
) -> tuple[str, int]:
    """Fill in a text, and return it with the number of values it asked for. Raises Unfit.

    A text that runs misses a value before it is read on; one that is compiled, after.
    """
    out: list[str] = []
    at = used = 0
    while at < len(text):
        if text[at] != "%" or text.startswith("%%", at):
            out.append(text[at])
            at += 2 if text[at] == "%" else 1
            continue
        if running and used >= count:
            raise Unfit(f"index {used} out of range")
        if at + 1 >= len(text):
            raise Unfit("unexpected end of string")
        if used >= count:
            raise Unfit(f"index {used} out of range")
        clause, at = _clause(text, at + 1)
        try:
            out.append(write(used, clause))
        except Unfit as error:
            raise Unfit(f"error during formatting: {error}", error.node) from None
        used += 1
    return "".join(out), used


def _clause(text: str, at: int) -> tuple[Clause, int]:
    """Read the clause at a place, and return it with where it ends. Raises Unfit."""
    unread = "could not parse formatting clause: "
    precision = PRECISION
    if text[at] == ".":
        start = at = at + 1
        while at < len(text) and natural(text[at]) is not None:
            at += 1
        precision_fault = f"{unread}error while parsing precision: "
        if at == len(text):
            raise Unfit(f"{precision_fault}could not find end of precision specifier")
        found = natural(text[start:at])
        if found is None or found > PRECISION_MAX:
            why = "invalid syntax" if found is None else "value out of range"
            raise Unfit(
                f"{precision_fault}error while converting precision to integer: "
                f'strconv.Atoi: parsing "{text[start:at]}": {why}'
            )
        precision = found
    if text[at] not in "sdfebxXo":
        raise Unfit(f'{unread}unrecognized formatting clause "{text[at]}"')
    return Clause(text[at], precision), at + 1
