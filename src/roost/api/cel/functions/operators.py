"""The operators, conversions and the functions that are part of the language."""

from __future__ import annotations

import math
from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.patterns import pattern_of
from roost.api.cel.values import (
    INT_MAX,
    Duration,
    EvaluationError,
    Timestamp,
    Uint,
    checked_duration,
    checked_int,
    checked_timestamp,
    checked_uint,
    equal,
    map_key,
)  # fmt: skip

declarations = Declarations()
_add = declarations.add
_NUMBERS = ("int", "uint", "double")
_ORDERED = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")


_add("_==_(A, A) bool", cost="pairs")(equal)


@_add("_!=_(A, A) bool", cost="pairs")
def not_equal(left: Any, right: Any) -> bool:
    return not equal(left, right)


def _pairs(operator: str) -> list[str]:
    """The signatures of an order: within a type, and across the kinds of numbers."""
    across = [f"_{operator}_({a}, {b}) bool" for a in _NUMBERS for b in _NUMBERS if a != b]
    return [f"_{operator}_({a}, {a}) bool" for a in _ORDERED] + across


@_add(*_pairs("<"), cost="pairs")
def less(left: Any, right: Any) -> bool:
    return bool(left < right)


@_add(*_pairs("<="), cost="pairs")
def less_or_equal(left: Any, right: Any) -> bool:
    return bool(left <= right)


@_add(*_pairs(">"), cost="pairs")
def greater(left: Any, right: Any) -> bool:
    return bool(left > right)


@_add(*_pairs(">="), cost="pairs")
def greater_or_equal(left: Any, right: Any) -> bool:
    return bool(left >= right)


@_add("_+_(int, int) int")
def add_ints(left: int, right: int) -> int:
    return checked_int(left + right)


@_add("_+_(uint, uint) uint")
def add_uints(left: int, right: int) -> Uint:
    return checked_uint(int(left) + int(right))


@_add(
    "_+_(double, double) double",
    "_+_(string, string) string",
    "_+_(bytes, bytes) bytes",
    cost="join",
)
def add_plain(left: Any, right: Any) -> Any:
    return left + right


@_add("_+_(list(A), list(A)) list(A)")
def add_lists(left: Any, right: Any) -> list[Any]:
    return [*left, *right]


@_add("_+_(timestamp, duration) timestamp")
def add_to_time(left: Timestamp, right: Duration) -> Timestamp:
    return checked_timestamp(left.ns + right.ns)


@_add("_+_(duration, timestamp) timestamp")
def add_time_to(left: Duration, right: Timestamp) -> Timestamp:
    return checked_timestamp(left.ns + right.ns)


@_add("_+_(duration, duration) duration")
def add_durations(left: Duration, right: Duration) -> Duration:
    return checked_duration(left.ns + right.ns)


@_add("_-_(int, int) int")
def subtract_ints(left: int, right: int) -> int:
    return checked_int(left - right)


@_add("_-_(uint, uint) uint")
def subtract_uints(left: int, right: int) -> Uint:
    return checked_uint(int(left) - int(right))


@_add("_-_(double, double) double")
def subtract_doubles(left: float, right: float) -> float:
    return left - right


@_add("_-_(timestamp, timestamp) duration", "_-_(duration, duration) duration")
def difference(left: Any, right: Any) -> Duration:
    return checked_duration(left.ns - right.ns)


@_add("_-_(timestamp, duration) timestamp")
def before(left: Timestamp, right: Duration) -> Timestamp:
    return checked_timestamp(left.ns - right.ns)


@_add("_*_(int, int) int")
def multiply_ints(left: int, right: int) -> int:
    return checked_int(left * right)


@_add("_*_(uint, uint) uint")
def multiply_uints(left: int, right: int) -> Uint:
    return checked_uint(int(left) * int(right))


@_add("_*_(double, double) double")
def multiply_doubles(left: float, right: float) -> float:
    return left * right


@_add("_/_(int, int) int")
def divide_ints(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return checked_int(quotient if (left < 0) == (right < 0) else -quotient)


@_add("_/_(uint, uint) uint")
def divide_uints(left: int, right: int) -> Uint:
    return (
        Uint(divide_ints(int(left), int(right)))
        if left <= INT_MAX
        else checked_uint(int(left) // int(right))
    )


@_add("_/_(double, double) double")
def divide_doubles(left: float, right: float) -> float:
    if right == 0:
        if left == 0 or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


@_add("_%_(int, int) int")
def remainder(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("modulus by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


@_add("_%_(uint, uint) uint")
def remainder_uints(left: int, right: int) -> Uint:
    return Uint(remainder(int(left), int(right)))


@_add("-_(int) int")
def negate(value: int) -> int:
    return checked_int(-value)


@_add("-_(double) double")
def negate_double(value: float) -> float:
    return -value


@_add("!_(bool) bool")
def negated(value: bool) -> bool:
    return not value


@_add("@in(A, list(A)) bool", cost="each")
def in_list(value: Any, items: Any) -> bool:
    if type(value) is str:
        return value in items
    return any(equal(value, item) for item in items)


@_add("@in(A, map(A, B)) bool")
def in_map(key: Any, entries: Any) -> bool:
    try:
        return map_key(key) in entries
    except EvaluationError:
        return False


@_add("_[_](list(A), int) A", "_[_](list(A), uint) A", "_[_](list(A), double) A")
def at_index(items: Any, index: Any) -> Any:
    if isinstance(index, float):
        if not index.is_integer():
            raise EvaluationError(f"unsupported index value {index} in list")
        index = int(index)
    if not 0 <= index < len(items):
        raise EvaluationError(f"index out of bounds: {index}")
    return items[index]


@_add("_[_](map(A, B), A) B")
def at_key(entries: Any, key: Any) -> Any:
    try:
        return entries[map_key(key)]
    except KeyError:
        raise EvaluationError(f"no such key: {_key_text(key)}") from None


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


@_add(*(f"size({a}) int" for a in ("string", "bytes", "list(A)", "map(A, B)")))
@_add(*(f"{a} . size() int" for a in ("string", "bytes", "list(A)", "map(A, B)")))
def size(value: Any) -> int:
    return len(value)


@_add("string . contains(string) bool", cost="product")
def contains(text: str, part: str) -> bool:
    return part in text


@_add("string . startsWith(string) bool", cost="affix")
def starts_with(text: str, part: str) -> bool:
    return text.startswith(part)


@_add("string . endsWith(string) bool", cost="affix")
def ends_with(text: str, part: str) -> bool:
    return text.endswith(part)


@_add("matches(string, string) bool", "string . matches(string) bool", cost="match")
def matches(text: str, pattern: str) -> bool:
    return pattern_of(pattern).search(text) is not None
