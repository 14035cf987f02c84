"""What a schema says of numbers: bounds, steps and formats, in the words of the real server.

Rules: a whole number is compared with a whole limit, so the fraction of the limit is left out. A limit
that the format of a schema has no number for is complained of with every value, and compared as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.validation.causes import Causes, written
from roost.api.values import Object

#: (value, the value before, path, causes)
Check = Callable[[Any, Any, str, Causes], None]
#: Formats of integers that are checked -> how many bits there are.
_BITS = {"int32": 32, "int64": 64}
#: Formats that have not all numbers, by the types that they are checked with.
_FORMATS = {"integer": tuple(_BITS), "number": ("float",)}
#: Up to here a float can be every integer.
_SAFE_MAX = 2.0**53 - 1
_HAIR = 1e-9
_FLOAT_MAX = 3.4028234663852886e38


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


def is_whole(value: float) -> bool:
    """Does a float count as an integer? Only where floats have all of them; a hair more does, too."""
    if not abs(value) <= _SAFE_MAX:
        return False
    nearest = round(value)
    return value == nearest or abs(value - nearest) < _HAIR * abs(nearest)


def _has(form: str, value: float) -> bool:
    """Has a format a number?"""
    if form == "float":
        return abs(value) <= _FLOAT_MAX
    most = 1 << (_BITS[form] - 1)
    return value == int(value) and -most <= value < most


def _format(schema: Object) -> str:
    form = str(schema.get("format") or "")
    return form if form in _FORMATS.get(schema.get("type") or "", ()) else ""


def _unfit(schema: Object, what: str, path: str, causes: Causes) -> None:
    text = f"{what} value must be of type {schema['type']} with format {schema['format']} in {path}"
    causes.invalid("<nil>", "", text)


def _bound(schema: Object, key: str, exclusive: str, *, less: bool) -> Check | None:
    stated = schema.get(key)
    if stated is None:
        return None
    strict, form = bool(schema.get(exclusive)), _format(schema)
    words = ("less" if less else "greater") + " than" + ("" if strict else " or equal to")
    unfit = bool(form) and not _has(form, stated)

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        if unfit:
            _unfit(schema, f"{key.capitalize()} boundary", path, causes)
        limit = int(stated) if isinstance(value, int) and not unfit else float(stated)
        beyond = value > limit if less else value < limit
        if beyond or (strict and value == limit):
            causes.invalid(path, value, f"{path} in body should be {words} {written(limit)}")

    return check


def _range(schema: Object) -> Check | None:
    form = _format(schema)
    if not form:
        return None

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if _is_number(value) and not _has(form, value):
            _unfit(schema, "Checked", path, causes)

    return check


def _multiple(schema: Object) -> Check | None:
    step = schema.get("multipleOf")
    if not step:
        return None
    form = _format(schema)
    unfit = bool(form) and not _has(form, step)

    def check(value: Any, _old: Any, path: str, causes: Causes) -> None:
        if not _is_number(value):
            return
        if unfit:
            _unfit(schema, "MultipleOf", path, causes)
        exact = isinstance(value, int) and int(step) and not unfit
        shown = int(step) if exact else float(step)
        times = 1 / shown * value if 0 < shown < 1 else value / shown
        if not (value % shown == 0 if exact else is_whole(times)):
            causes.invalid(path, value, f"{path} in body should be a multiple of {written(shown)}")

    return check
