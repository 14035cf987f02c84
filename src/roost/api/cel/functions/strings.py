"""The strings extension (version 2) without format, and find and findAll of Kubernetes."""

from __future__ import annotations

from itertools import islice
from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.patterns import pattern_of
from roost.api.cel.values import EvaluationError
from roost.api.regex.patterns import Pattern, found_in

declarations = Declarations()
_add = declarations.add
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def _index(place: int, size: int) -> int:
    if not 0 <= place <= size:
        raise EvaluationError(f"index out of range: {place}")
    return place


@_add("string . charAt(int) string")
def char_at(text: str, place: int) -> str:
    return text[_index(place, len(text)) : place + 1]


@_add("string . indexOf(string) int", "string . indexOf(string, int) int", cost="product")
def index_of(text: str, part: str, start: int = 0) -> int:
    return text.find(part, _index(start, len(text)))


@_add("string . lastIndexOf(string) int", "string . lastIndexOf(string, int) int", cost="product")
def last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    return text.rfind(part, 0, _index(last, len(text)) + len(part))


@_add("string . lowerAscii() string", cost="scan")
def lower_ascii(text: str) -> str:
    return text.translate(_LOWER)


@_add("string . upperAscii() string", cost="scan")
def upper_ascii(text: str) -> str:
    return text.translate(_UPPER)


@_add(
    "string . replace(string, string) string",
    "string . replace(string, string, int) string",
    cost="rebuilt",
)
def replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


@_add(
    "string . split(string) list(string)",
    "string . split(string, int) list(string)",
    cost="rebuilt",
)
def split(text: str, by: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if by == "":
        letters = list(text)
        return (
            letters
            if count < 0 or len(letters) <= count
            else [*letters[: count - 1], text[count - 1 :]]
        )
    return text.split(by, count - 1 if count > 0 else -1)


@_add("string . substring(int) string", "string . substring(int, int) string", cost="scan")
def substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if end is not None and start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    return text[_index(start, len(text)) : _index(last, len(text))]


@_add("string . trim() string", cost="scan")
def trim(text: str) -> str:
    return text.strip()


@_add("list(string) . join() string", "list(string) . join(string) string", cost="each")
def join(parts: Any, by: str = "") -> str:
    try:
        return by.join(parts)
    except TypeError:
        raise EvaluationError("no such overload") from None


@_add("strings.quote(string) string", cost="scan")
def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_QUOTED.get(letter, letter) for letter in escaped) + '"'


def _sought(pattern: str) -> Pattern:
    try:
        return pattern_of(pattern)
    except EvaluationError as error:
        raise EvaluationError(f"Illegal regex: {error}") from None


@_add("string . find(string) string", cost="match")
def find(text: str, pattern: str) -> str:
    found = _sought(pattern).search(text)
    return "" if found is None else found[0] or ""


@_add(
    "string . findAll(string) list(string)",
    "string . findAll(string, int) list(string)",
    cost="match",
)
def find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found = found_in(_sought(pattern), text)
    return list(found if count < 0 else islice(found, count))
