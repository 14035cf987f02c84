"""The strings extension (version 2), and find and findAll of Kubernetes."""

from __future__ import annotations

from itertools import islice
from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.operators import double_text
from roost.api.cel.functions.patterns import pattern_of
from roost.api.cel.values import Duration, EvaluationError, Timestamp, TypeValue, Uint, type_name
from roost.api.numerals import natural
from roost.api.regex.patterns import found_in

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
    cost="scan",
)
def replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


@_add(
    "string . split(string) list(string)", "string . split(string, int) list(string)", cost="scan"
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


@_add("string . reverse() string", cost="scan")
def reverse(text: str) -> str:
    return text[::-1]


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


@_add("string . find(string) string", cost="match")
def find(text: str, pattern: str) -> str:
    found = pattern_of(pattern).search(text)
    return "" if found is None else found[0] or ""


@_add(
    "string . findAll(string) list(string)",
    "string . findAll(string, int) list(string)",
    cost="match",
)
def find_all(text: str, pattern: str, count: int = -1) -> list[str]:
    found = found_in(pattern_of(pattern), text)
    return list(found if count < 0 else islice(found, count))


@_add("string . format(list(dyn)) string", cost="scan")
def format_values(text: str, values: Any) -> str:
    """The verbs %s %d %f %e %b %x %X %o. Raises EvaluationError for others and for too few values."""
    out: list[str] = []
    at = used = 0
    while at < len(text):
        if text[at] != "%":
            out.append(text[at])
            at += 1
            continue
        at += 1
        if text[at : at + 1] == "%":
            out.append("%")
            at += 1
            continue
        start = at
        if text[at : at + 1] == ".":
            at += 1
            while natural(text[at : at + 1]) is not None:
                at += 1
        if at >= len(text):
            raise EvaluationError("unexpected end of string")
        if used >= len(values):
            raise EvaluationError(f"index {used} out of range")
        precision = natural(text[start + 1 : at] or "6") or 0 if at > start else 6
        if precision > _MAX_PRECISION:
            raise EvaluationError(f"error during formatting: precision {precision} is too large")
        out.append(_formatted(text[at], values[used], precision))
        used += 1
        at += 1
    return "".join(out)


#: Digits after the point that %f and %e write at most.
_MAX_PRECISION = 1000
_BASES = {"b": "b", "o": "o", "x": "x", "X": "X"}


def _formatted(verb: str, value: Any, precision: int) -> str:
    kind = type_name(value)
    if verb == "s":
        return _plain(value)
    if verb == "d":
        if kind in ("int", "uint"):
            return str(int(value))
        if (kind == "double" and value in (float("inf"), float("-inf"))) or (
            kind == "double" and value != value
        ):
            return _plain(value)
        raise EvaluationError(
            f"error during formatting: decimal clause can only be used on integers, was given {kind}"
        )
    if verb in ("f", "e"):
        if kind not in ("double", "int", "uint"):
            name = "fixed-point" if verb == "f" else "scientific"
            raise EvaluationError(
                f"error during formatting: {name} clause can only be used on doubles, was given {kind}"
            )
        return format(float(value), f".{precision}{verb}")
    if verb in _BASES:
        if kind in ("int", "uint"):
            return format(int(value), _BASES[verb])
        if kind == "bool" and verb == "b":
            return "1" if value else "0"
        if kind in ("string", "bytes") and verb in "xX":
            digits = (value.encode() if isinstance(value, str) else value).hex()
            return digits if verb == "x" else digits.upper()
        raise EvaluationError(
            "error during formatting: only integers, byte buffers, and strings can "
            f"be formatted as hex, was given {kind}"
        )
    raise EvaluationError(
        f'could not parse formatting clause: unrecognized formatting clause "{verb}"'
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        return double_text(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_plain(k)}: {_plain(v)}" for k, v in value.items())) + "}"
    if isinstance(value, str | Uint | int | Duration | Timestamp):
        return str(value)
    if isinstance(value, TypeValue):
        return value.name
    raise EvaluationError(
        "error during formatting: string clause can only be used on strings, "
        f"was given {type_name(value)}"
    )
