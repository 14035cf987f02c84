"""The operators, conversions and the functions that are part of the language."""

from __future__ import annotations

import math
from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.patterns import pattern_of
from roost.api.cel.values import (
    INT_MAX,
    INT_MIN,
    NS,
    UINT_MAX,
    Duration,
    EvaluationError,
    Timestamp,
    TypeValue,
    Uint,
    checked_duration,
    checked_int,
    checked_timestamp,
    checked_uint,
    duration_of,
    equal,
    map_key,
    timestamp_of,
    type_name,
)  # fmt: skip
from roost.api.numerals import natural, whole

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
            raise EvaluationError(f"unsupported index value: {index}")
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


@_add("string . startsWith(string) bool", cost="scan")
def starts_with(text: str, part: str) -> bool:
    return text.startswith(part)


@_add("string . endsWith(string) bool", cost="scan")
def ends_with(text: str, part: str) -> bool:
    return text.endswith(part)


@_add("matches(string, string) bool", "string . matches(string) bool", cost="match")
def matches(text: str, pattern: str) -> bool:
    return pattern_of(pattern).search(text) is not None


@_add(
    "int(int) int",
    "int(uint) int",
    "int(double) int",
    "int(string) int",
    "int(timestamp) int",
    "int(duration) int",
)
def to_int(value: Any) -> int:
    if isinstance(value, str):
        number = whole(value)
        if number is None or not INT_MIN <= number <= INT_MAX:
            problem = "invalid syntax" if number is None else "value out of range"
            raise EvaluationError(f'strconv.ParseInt: parsing "{value}": {problem}')
        return number
    if isinstance(value, Timestamp):
        return value.ns // NS
    if isinstance(value, Duration):
        return value.ns
    if isinstance(value, float) and not (math.isfinite(value) and INT_MIN <= value < INT_MAX):
        raise EvaluationError("integer overflow")
    return checked_int(int(value))


@_add("uint(uint) uint", "uint(int) uint", "uint(double) uint", "uint(string) uint")
def to_uint(value: Any) -> Uint:
    if isinstance(value, str):
        number = natural(value)
        if number is None or number > UINT_MAX:
            problem = "invalid syntax" if number is None else "value out of range"
            raise EvaluationError(f'strconv.ParseUint: parsing "{value}": {problem}')
        return Uint(number)
    if isinstance(value, float) and not (math.isfinite(value) and 0 <= value <= UINT_MAX):
        raise EvaluationError("unsigned integer overflow")
    return checked_uint(int(value))


@_add("double(double) double", "double(int) double", "double(uint) double", "double(string) double")
def to_double(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise EvaluationError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


@_add(
    *(
        f"string({a}) string"
        for a in ("string", "bool", "int", "uint", "double", "bytes", "timestamp", "duration")
    )
)
def to_string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    return str(value)


def double_text(value: float) -> str:
    """A double as Go's %g writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        digits, exponent = text.split("e")
        number = int(exponent)
        if -5 < number < 21:
            return f"{value:.0f}" if number > 0 else f"{value:f}".rstrip("0")
        return f"{digits}e{'-' if number < 0 else '+'}{abs(number):02d}"
    return text.removesuffix(".0")


@_add("bytes(bytes) bytes", "bytes(string) bytes", cost="scan")
def to_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


@_add("bool(bool) bool", "bool(string) bool")
def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise EvaluationError(f'strconv.ParseBool: parsing "{value}": invalid syntax')


@_add("timestamp(string) timestamp", "timestamp(timestamp) timestamp", "timestamp(int) timestamp")
def to_timestamp(value: Any) -> Timestamp:
    if isinstance(value, int):
        return checked_timestamp(value * NS)
    return timestamp_of(value) if isinstance(value, str) else value


@_add("duration(string) duration", "duration(duration) duration", "duration(int) duration")
def to_duration(value: Any) -> Duration:
    if isinstance(value, int):
        return checked_duration(value)
    return duration_of(value) if isinstance(value, str) else value


@_add("dyn(A) dyn")
def to_dyn(value: Any) -> Any:
    return value


@_add("type(A) type(A)")
def to_type(value: Any) -> TypeValue:
    return TypeValue(type_name(value))
