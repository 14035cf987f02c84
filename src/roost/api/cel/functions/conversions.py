"""Conversions: a value of one type as a value of another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import (
    INT_MAX,
    INT_MIN,
    NS,
    OVERFLOWN,
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
    timestamp_of,
    type_name,
)
from roost.api.numerals import natural, whole

declarations = Declarations()
_add = declarations.add
_Read = TypeVar("_Read")


def _unconverted(wanted: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from 'string' to '{wanted}'")


def _read(read: Callable[[str], _Read], text: str, wanted: str) -> _Read:
    try:
        return read(text)
    except EvaluationError as error:
        if str(error) == OVERFLOWN:
            raise
        raise _unconverted(f"google.protobuf.{wanted}") from None


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
            raise _unconverted("int")
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
            raise _unconverted("uint")
        return Uint(number)
    if isinstance(value, float) and not (math.isfinite(value) and 0 <= value <= UINT_MAX):
        raise EvaluationError("unsigned integer overflow")
    return checked_uint(int(value))


@_add("double(double) double", "double(int) double", "double(uint) double", "double(string) double")
def to_double(value: Any) -> float:
    if not isinstance(value, str):
        return float(value)
    try:
        number = (
            float(value)
            if value.isascii() and "_" not in value and value.strip() == value
            else None
        )
    except ValueError:
        number = None
    if number is None or (math.isinf(number) and "inf" not in value.lower()):
        raise _unconverted("double")
    return number


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
    raise _unconverted("bool")


@_add("timestamp(string) timestamp", "timestamp(timestamp) timestamp", "timestamp(int) timestamp")
def to_timestamp(value: Any) -> Timestamp:
    if isinstance(value, int):
        return checked_timestamp(value * NS)
    moment: Timestamp = value
    return _read(timestamp_of, value, "Timestamp") if isinstance(value, str) else moment


@_add("duration(string) duration", "duration(duration) duration", "duration(int) duration")
def to_duration(value: Any) -> Duration:
    if isinstance(value, int):
        return checked_duration(value)
    length: Duration = value
    return _read(duration_of, value, "Duration") if isinstance(value, str) else length


@_add("dyn(A) dyn")
def to_dyn(value: Any) -> Any:
    return value


@_add("type(A) type(A)")
def to_type(value: Any) -> TypeValue:
    return TypeValue(type_name(value))
