"""JSON as Go writes and reads it, where that differs from what Python would do.

Numbers that are written without a fraction are read as integers of 64 bits, all others as floats; a
float without a fraction is written like an integer, so that it comes back as one.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final

import msgspec

from roost.api.values import Value

_encode: Final = msgspec.json.Encoder().encode
_INT64: Final = 1 << 63
#: Numbers below and from here on are written with an exponent.
_TINY, _HUGE = 1e-6, 1e21
#: What a writer escapes for the sake of pages that embed JSON.
_ESCAPED: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def escaped(text: str) -> str:
    """Return JSON as a writer leaves it that fears pages which embed JSON."""
    return text.translate(_ESCAPED)


def float_text(value: float) -> str:
    """Return a float as it is written: the shortest digits that mean it."""
    if value and not _TINY <= abs(value) < _HUGE:
        digits, _, power = repr(value).partition("e")
        return f"{digits.removesuffix('.0')}e{power[0]}{power[1:].lstrip('0')}"
    plain = format(Decimal(repr(value)), "f")
    return plain.removesuffix(".0")


def scalar_text(value: Value) -> bytes:
    """Return a text, number, bool or null as it is written."""
    if isinstance(value, float):
        return float_text(value).encode()
    written = _encode(value)
    return escaped(written.decode()).encode() if isinstance(value, str) else written


class TooLarge(ValueError):
    """A number is larger than any float; the text is what Go's reader says."""


def read_number(value: Any) -> Any:
    """Return a number as it is read: an integer that has no 64 bits becomes a float.

    Raises TooLarge.
    """
    if -_INT64 <= value < _INT64:
        return value
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        raise TooLarge(f"json: cannot unmarshal number {value} into Go value of type float64")
    return found


def read_numbers(value: Value) -> Value:
    """Return a value with all its numbers as they are read; it is the same where nothing changes.

    Raises TooLarge.
    """
    return _mapped(value, read_number)


def written_numbers(value: Value) -> Value:
    """Return a value with all its numbers as they are read from what was written."""
    return _mapped(value, _rewritten)


def _rewritten(number: float) -> int | float:
    if not isinstance(number, float) or not number.is_integer() or abs(number) >= _HUGE:
        return number
    if not number and math.copysign(1, number) < 0:
        return number
    return int(Decimal(repr(number)))


def _mapped(value: Value, change: Any) -> Value:
    if value.__class__ is str or value is None or value.__class__ is bool:
        return value
    if isinstance(value, dict):
        changed = {}
        for key, item in value.items():
            new = _mapped(item, change)
            if new is not item:
                changed[key] = new
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        items = [_mapped(item, change) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    return change(value)
