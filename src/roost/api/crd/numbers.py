"""What a schema says of numbers: bounds, steps and formats, in the words of the real server.

Rule: a whole number is compared with a whole limit, so the fraction of the limit is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.validation.causes import Causes
from roost.api.values import Object

#: (value, the value before, path, causes)
Check = Callable[[Any, Any, str, Causes], None]
#: Formats of integers that are checked -> how many bits there are.
_BITS = {"int32": 32, "int64": 64}
_FLOAT_MAX = 3.4028234663852886e38
_PLAIN_MAX, _PLAIN_MIN = 1e6, 1e-4


def written(value: Any) -> str:
    """Return a number as Go's %v writes it."""
    if not isinstance(value, float):
        return str(value)
    if not value or _PLAIN_MIN <= abs(value) < _PLAIN_MAX:
        return str(int(value)) if value.is_integer() else repr(value)
    digits = next(
        text for text in (f"{value:.{places}e}" for places in range(18)) if float(text) == value
    )
    mantissa, _, power = digits.partition("e")
    return f"{mantissa}e{power[0]}{int(power[1:]):02d}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_checks(schema: Object) -> tuple[Check, ...]:
    """Return what a schema asks of numbers, in the order in which it is complained about."""
    made = (
        _range(schema),
        _multiple(schema),
        _bound(schema, "minimum", "exclusiveMinimum", less=False),
        _bound(schema, "maximum", "exclusiveMaximum", less=True),
    )
    return tuple(one for one in made if one is not None)


def _bound(schema: Object, key: str, exclusive: str, *, less: bool) -> Check | None:
    stated = schema.get(key)
    if stated is None:
        return None
    strict = bool(schema.get(exclusive))
    words = ("less" if less else "greater") + " than" + ("" if strict else " or equal to")

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        limit = int(stated) if isinstance(value, int) else float(stated)
        beyond = value > limit if less else value < limit
        if beyond or (strict and value == limit):
            causes.invalid(path, value, f"{path} in body should be {words} {written(limit)}")

    return check


def _range(schema: Object) -> Check | None:
    form, kind = schema.get("format") or "", schema.get("type")
    bits = _BITS.get(form) if kind == "integer" else None
    is_float = kind == "number" and form == "float"
    if bits is None and not is_float:
        return None
    most = 1 << (bits - 1) if bits else 0

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        fits = -most <= value < most if bits else abs(value) <= _FLOAT_MAX
        if not fits:
            text = f"Checked value must be of type {kind} with format {form} in {path}"
            causes.invalid("<nil>", "", text)

    return check


def _multiple(schema: Object) -> Check | None:
    step = schema.get("multipleOf")
    if not step:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        shown = int(step) if isinstance(value, int) and int(step) else float(step)
        fits = value % shown == 0 if isinstance(shown, int) else float(value / shown).is_integer()
        if not fits:
            causes.invalid(path, value, f"{path} in body should be a multiple of {written(shown)}")

    return check
