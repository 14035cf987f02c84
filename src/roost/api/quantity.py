"""Quantities of resources: `500m`, `1Gi`, `1e3`.

Values are exact: an int where the quantity is whole, else a Fraction with a denominator that divides
10**9 (nothing is finer than nano; what is finer is rounded away from zero). `canonical` writes a
quantity as Go's resource.Quantity does: the largest suffix without a fraction, in the form (decimal,
binary or exponent) in which it was written.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal, TypeAlias

Exact: TypeAlias = int | Fraction
Form: TypeAlias = Literal["DecimalSI", "BinarySI", "DecimalExponent"]
#: What may stand in an object where a quantity is expected.
Written: TypeAlias = str | int | float

WRONG_FORMAT = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"

_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_SUFFIX = ["", *_BINARY]
_BINARY_MAX = 2**63 - 1
#: More digits or a larger exponent than this is no quantity but an attack on big integers.
_MAX_LENGTH = 256
_MAX_EXPONENT = 1000


def _whole(value: Exact) -> Exact:
    return value.numerator if value.denominator == 1 else value


def _up(value: Exact) -> int:
    """Round away from zero."""
    if isinstance(value, int):
        return value
    return -(-value.numerator // value.denominator) if value > 0 else value.__floor__()


def _suffix(suffix: str) -> tuple[Form, int, int]:
    """Return (form, base, exponent) of a suffix; raise ValueError."""
    if suffix in _DECIMAL:
        return "DecimalSI", 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return "BinarySI", 2, _BINARY[suffix]
    if len(suffix) > 1 and suffix[0] in "eE":
        try:
            exponent = int(suffix[1:])
        except ValueError:
            raise ValueError(WRONG_SUFFIX) from None
        if abs(exponent) > _MAX_EXPONENT:
            raise ValueError(WRONG_SUFFIX)
        return "DecimalExponent", 10, exponent
    raise ValueError(WRONG_SUFFIX)


@lru_cache(maxsize=8192)
def _read(text: str) -> tuple[Exact, Form]:
    match = _SHAPE.fullmatch(text)
    if match is None or not text or len(text) > _MAX_LENGTH:
        raise ValueError(WRONG_FORMAT)
    sign, whole, fraction, suffix = match.groups()
    if not whole and fraction is None:
        raise ValueError(WRONG_FORMAT)
    form, base, exponent = _suffix(suffix)
    if base == 10 and not fraction and exponent >= 0:
        value: Exact = int(whole or "0") * 10**exponent
    else:
        digits = int((whole + (fraction or "")) or "0")
        value = Fraction(digits, 10 ** len(fraction or "")) * Fraction(base) ** exponent
        value = _whole(Fraction(_up(value * 10**9), 10**9))
    if form == "BinarySI":
        value = min(value, _BINARY_MAX)
        if 0 < value < 1:
            form = "DecimalSI"
    return (-value if sign == "-" else value), form


def _text_of(written: Written) -> str:
    if isinstance(written, str):
        return written
    if isinstance(written, bool) or not isinstance(written, (int, float)):
        raise ValueError(WRONG_FORMAT)  # noqa: TRY004 - one error for all bad quantities
    return repr(written)


def parse(written: Written) -> Exact:
    """Return the exact value; raise ValueError with the text of the real server."""
    if type(written) is int:
        return written
    return _read(_text_of(written))[0]


def form_of(written: Written) -> Form:
    """Return the form in which the quantity is written, and will be written again."""
    return _read(_text_of(written))[1]


def render(value: Exact, form: Form = "DecimalSI") -> str:
    """Write an exact value in a form, as Go does."""
    if value == 0:
        return "0"
    if form == "BinarySI" and isinstance(value, int) and not -1024 < value < 1024:
        power = 0
        while value % 1024 == 0 and power < 6:
            value //= 1024
            power += 1
        return f"{value}{_BINARY_SUFFIX[power]}"
    number, exponent = _scaled(value)
    if form == "DecimalExponent":
        return f"{number}e{exponent}" if exponent else str(number)
    while exponent > 18:  # there is no suffix beyond E
        number, exponent = number * 1000, exponent - 3
    return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _scaled(value: Exact) -> tuple[int, int]:
    """Return (number, exponent): the largest exponent divisible by three without a fraction."""
    number, exponent = _up(value * 10**9), -9
    while number % 1000 == 0:
        number //= 1000
        exponent += 3
    return number, exponent


@lru_cache(maxsize=8192)
def _canonical(text: str) -> str:
    return render(*_read(text))


def canonical(written: Written) -> str:
    """Return the text under which the real server stores the quantity; raise ValueError."""
    return _canonical(_text_of(written))


def to_int(written: Written) -> int:
    """Return the value rounded up (away from zero), as Quantity.Value()."""
    return _up(parse(written))


def to_millis(written: Written) -> int:
    """Return thousandths rounded up (away from zero), as Quantity.MilliValue()."""
    return _up(parse(written) * 1000)


def compare(left: Written, right: Written) -> int:
    """Return -1, 0 or 1."""
    a, b = parse(left), parse(right)
    return (a > b) - (a < b)


def is_zero(written: Written) -> bool:
    """Tell whether the quantity is zero."""
    return parse(written) == 0


def add(left: Written, right: Written) -> str:
    """Return the sum in the form of `left` (of `right`, where `left` is zero)."""
    return _combined(left, right, 1)


def subtract(left: Written, right: Written) -> str:
    """Return the difference in the form of `left` (of `right`, where `left` is zero)."""
    return _combined(left, right, -1)


def _combined(left: Written, right: Written, sign: int) -> str:
    (a, form), (b, other) = _read(_text_of(left)), _read(_text_of(right))
    return render(_whole(Fraction(a) + sign * b), form if a else other)
