"""format: texts that are filled in with values."""

from __future__ import annotations

import math
from typing import Any, Final

from roost.api.cel.formatting import PRECISION, Clause, Unfit, interpolate
from roost.api.cel.functions.conversions import to_string
from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import Duration, EvaluationError, Timestamp, TypeValue, type_name
from roost.api.validation.causes import quoted

declarations = Declarations()
_add = declarations.add
_BASES: Final = {"b": "b", "o": "o", "x": "x", "X": "X"}
_RAISED: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
#: Texts that count as numbers where a number with digits after the point is asked for.
_SPECIAL: Final = ("NaN", "Infinity", "-Infinity")
#: A multiplication sign between narrow spaces.
_TIMES: Final = "\u202f\u00d7\u202f"


@_add("string . format(list(dyn)) string", cost="scan")
def format_values(text: str, values: Any) -> str:
    """The verbs %s %d %f %e %b %x %X %o. Raises EvaluationError for others and for too few values."""
    try:
        return interpolate(text, len(values), lambda at, c: _written(c, values[at]), running=True)[
            0
        ]
    except Unfit as error:
        raise EvaluationError(str(error)) from None


def _written(clause: Clause, value: Any) -> str:
    kind, verb = type_name(value), clause.verb
    if verb == "s":
        return _plain(clause, value)
    if verb == "d" and kind in ("int", "uint"):
        return str(int(value))
    if verb in "fe" and (kind == "double" or value in _SPECIAL):
        return _point(clause, float(value))
    if verb in _BASES and kind in ("int", "uint"):
        return format(int(value), _BASES[verb])
    if verb == "b" and kind == "bool":
        return "1" if value else "0"
    if verb in "xX" and kind in ("string", "bytes"):
        digits: str = (value.encode() if isinstance(value, str) else value).hex()
        return digits if verb == "x" else digits.upper()
    raise Unfit(clause.refusal(kind))


def _point(clause: Clause, value: float) -> str:
    """Write a number as people in the United States do."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if clause.verb == "f":
        return f"{value:,.{clause.precision}f}"
    # What is given as precision of %e is taken for its width: no number is too short for it.
    digits, _, exponent = f"{value:.{PRECISION}e}".partition("e")
    power = exponent.removeprefix("+").translate(_RAISED)
    return f"{digits}{_TIMES}10{power}"


def _plain(clause: Clause, value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(clause, one) for one in value) + "]"
    if isinstance(value, dict):
        pairs = sorted((_key(one), _literal(clause, of)) for one, of in value.items())
        return "{" + ", ".join(f"{one}:{of}" for one, of in pairs) + "}"
    if value is None:
        return "null"
    if isinstance(value, TypeValue):
        return value.name
    if isinstance(value, bool | int | float | str | bytes | Duration | Timestamp):
        return str(to_string(value))
    raise Unfit(clause.refusal(type_name(value)))


def _key(key: Any) -> str:
    return quoted(key) if isinstance(key, str) else str(to_string(key))


def _literal(clause: Clause, value: Any) -> str:
    """Write what is within a list or a map as expressions write it."""
    if isinstance(value, Duration | Timestamp):
        return f'{"duration" if isinstance(value, Duration) else "timestamp"}("{value}")'
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return f"b{quoted(to_string(value))}"
    if isinstance(value, float):
        return f"{value:.{PRECISION}f}" if math.isfinite(value) else quoted(to_string(value))
    if isinstance(value, bool | int | list | tuple | dict | TypeValue) or value is None:
        return _plain(clause, value)
    raise Unfit(f"no formatting function for {type_name(value)}")
