"""The values of CEL at run time, and what may be done to any of them.

Booleans, integers, doubles, strings, bytes, null, lists and maps are Python's own; the rest are
small classes. Python takes True for 1, CEL does not: compare by `equal`, never by ==.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from roost.api.numerals import natural

INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
NS = 1_000_000_000
#: What is said of a moment before the year 1 or after the year 9999.
OVERFLOWN = "timestamp overflow"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP_MIN, _TIMESTAMP_MAX = -62_135_596_800, 253_402_300_799
_DURATION_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": NS,
    "m": 60 * NS,
    "h": 3600 * NS,
}
#: Digits after the point of a duration that can still count: an hour has 3.6e12 ns.
_FINEST = 13
_DURATION = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,}))?([Zz]|[+-]\d\d:\d\d)$"
)


class EvaluationError(Exception):
    """An expression that cannot have a value; the text is what the user reads."""


class CostExceeded(EvaluationError):
    """The evaluation was stopped because it cost too much."""


class Uint(int):
    """An unsigned integer, 0 to 2**64-1."""

    __slots__ = ()


class Wrapped:
    """The base of values that are not Python's own; `type_name` is what CEL calls their type."""

    __slots__ = ()
    type_name = ""


@dataclass(frozen=True, slots=True, order=True)
class Duration(Wrapped):
    """A length of time in nanoseconds."""

    ns: int
    type_name = "google.protobuf.Duration"

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.ns), NS)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return f"{'-' if self.ns < 0 else ''}{whole}{fraction}s"


@dataclass(frozen=True, slots=True, order=True)
class Timestamp(Wrapped):
    """A moment, in nanoseconds since 1970 in UTC."""

    ns: int
    type_name = "google.protobuf.Timestamp"

    def at(self, zone: Any = UTC) -> datetime:
        """As a date of that zone, without its nanoseconds."""
        return (_EPOCH + timedelta(seconds=self.ns // NS)).astimezone(zone)

    def __str__(self) -> str:
        rest = self.ns % NS
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        moment = self.at()
        return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S}{fraction}Z"


@dataclass(frozen=True, slots=True)
class TypeValue(Wrapped):
    """A type as a value: what type(x) answers."""

    name: str
    type_name = "type"


@dataclass(frozen=True, slots=True)
class Optional(Wrapped):
    """A value that may be absent."""

    present: bool
    value: Any = None
    type_name = "optional_type"


NONE = Optional(present=False)


class Struct(dict[str, Any]):
    """A structure that an expression built, of the type `type_name`."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: Iterable[tuple[str, Any]]) -> None:
        super().__init__(fields)
        self.type_name = type_name


def duration_of(text: str) -> Duration:
    """Raises EvaluationError unless the text is a duration as Go writes it."""
    bare = text[1:] if text[:1] in ("-", "+") else text
    total = 0
    at = 0
    for part in _DURATION.finditer(bare):
        if part.start() != at:
            break
        at = part.end()
        number, _, fraction = part[1].partition(".")
        unit = _DURATION_UNITS[part[2]]
        total += (natural(number) or 0) * unit
        fraction = fraction[:_FINEST]
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
    if at != len(bare) or not bare:
        if bare == "0":
            return Duration(0)
        raise EvaluationError(f'time: invalid duration "{text}"')
    total = -total if text[0] == "-" else total
    if not INT_MIN <= total <= INT_MAX:
        raise EvaluationError(f'time: invalid duration "{text}"')
    return Duration(total)


def timestamp_of(text: str) -> Timestamp:
    """Raises EvaluationError unless the text is a moment of RFC 3339."""
    found = _RFC3339.match(text)
    failed = (
        f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
    )
    if found is None:
        raise EvaluationError(failed)
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    zone = found[8]
    offset = 0
    if zone not in "Zz":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * 60 * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise EvaluationError(failed) from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) - offset
    return checked_timestamp(seconds * NS + int((found[7] or "0")[:9].ljust(9, "0")))


def checked_timestamp(ns: int) -> Timestamp:
    if not _TIMESTAMP_MIN <= ns // NS <= _TIMESTAMP_MAX:
        raise EvaluationError(OVERFLOWN)
    return Timestamp(ns)


def checked_duration(ns: int) -> Duration:
    if not INT_MIN <= ns <= INT_MAX:
        raise EvaluationError("integer overflow")
    return Duration(ns)


def checked_int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> Uint:
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"), (Uint, "uint"), (int, "int"), (float, "double"), (str, "string"), (bytes, "bytes"),
    (type(None), "null_type"), (list, "list"), (tuple, "list"),
)  # fmt: skip


def type_name(value: Any) -> str:
    """What CEL calls the type of a value."""
    for cls, name in _NAMES:
        if isinstance(value, cls):
            return name
    if isinstance(value, Wrapped | Struct):
        return value.type_name
    return "map"


_Same = Callable[[Any, Any], bool]


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal for CEL: numbers across their types, everything else only within
    its own.
    """
    kind = type(left)
    if kind is str or kind is bytes or kind is bool or left is None:
        return type(right) is kind and bool(left == right)
    if isinstance(left, int | float):
        return not isinstance(right, bool) and isinstance(right, int | float) and left == right
    if isinstance(left, list | tuple):
        return (
            isinstance(right, list | tuple)
            and len(left) == len(right)
            and all(map(equal, left, right))
        )
    if isinstance(left, dict):
        return isinstance(right, dict) and _equal_maps(left, right)
    if isinstance(left, Optional):
        return (
            isinstance(right, Optional)
            and left.present == right.present
            and equal(left.value, right.value)
        )
    return type(left) is type(right) and bool(left == right)


def _equal_maps(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    if len(left) != len(right):
        return False
    missing = object()
    for key, value in left.items():
        other = right.get(key, missing)
        if other is missing or not equal(value, other):
            return False
    return True


def map_key(key: Any) -> Any:
    """A key as our dictionaries hold it. Raises EvaluationError for what cannot be one."""
    if isinstance(key, str | bool | int):
        return key
    if isinstance(key, float) and key.is_integer():
        return int(key)
    raise EvaluationError(f"unsupported key type: {type_name(key)}")
