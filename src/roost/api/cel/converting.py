"""Values of JSON to values of CEL, where a schema says that a string is a moment, a length of time
or bytes, or which kind of number there is.

Most values are the same in both; a converter exists only for those that are not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from roost.api.cel.types import Type
from roost.api.cel.values import EvaluationError, duration_of, timestamp_of

Converter = Callable[[Any], Any]


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return timestamp_of(value if "T" in value or "t" in value else f"{value}T00:00:00Z")


def _length(value: Any) -> Any:
    return duration_of(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise EvaluationError(f"failed to decode base64 value: {value}") from None


def _double(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _whole(value: Any) -> Any:
    """A float without a fraction passes for an integer until somebody looks at it."""
    if isinstance(value, float):
        raise EvaluationError("invalid data, expected int, got float64")
    return value


def _whole_or_text(value: Any) -> Any:
    if isinstance(value, float):
        raise EvaluationError(
            "invalid data, expected XIntOrString value to be either a string or integer"
        )
    return value


_BY_FORMAT: dict[str, Converter] = {
    "date-time": _moment, "date": _moment, "duration": _length, "byte": _bytes, "number": _double,
    "integer": _whole, "int-or-string": _whole_or_text,
}  # fmt: skip


def converter(of: Type) -> Converter | None:
    """How values of that type are taken from JSON, or None when they are taken as they are."""
    if of.format:
        return _BY_FORMAT.get(of.format)
    if of.kind not in ("list", "map"):
        return None
    inner = converter(of.params[-1])
    if inner is None:
        return None
    each = inner
    if of.kind == "list":
        return lambda items: [each(item) for item in items] if isinstance(items, list) else items
    return lambda entries: (
        {key: each(value) for key, value in entries.items()}
        if isinstance(entries, dict)
        else entries
    )
