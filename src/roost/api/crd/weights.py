"""How much of a value a schema looked at: of alternatives that all refuse a value, the real server
complains in the words of the one that looked at the most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.crd.formats import check_of
from roost.api.values import Object

#: (schema, value) -> whether the value passes.
Judge = Callable[[Object, Any], bool]


def weight(schema: Object, value: Any, passes: Judge) -> int:
    """Return how many judgements a schema takes to judge a value, right or wrong."""
    typed = bool(schema.get("type") or schema.get("x-kubernetes-int-or-string"))
    fits = passes(_of_type(schema), value) if typed else True
    if value is None:
        return int(fits)
    #: The value as a whole, what is nested, the choices of an enum.
    found = 3 + _nested(schema, value, passes)
    if typed or schema.get("format"):
        found += 1 + int(fits)
    if isinstance(value, str):
        found += 1 + int(check_of(schema) is not None)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found += 2
    elif isinstance(value, list):
        each = schema.get("items")
        found += 2
        if isinstance(each, dict):
            found += sum(weight(each, part, passes) for part in value)
    elif isinstance(value, dict):
        found += 1 + _fields(schema, value, passes)
    return found


def _of_type(schema: Object) -> Object:
    named = ("type", "format", "nullable", "x-kubernetes-int-or-string")
    return {key: schema[key] for key in named if key in schema}


def _fields(schema: Object, value: Object, passes: Judge) -> int:
    fewest, most = schema.get("minProperties"), schema.get("maxProperties")
    if (fewest is not None and len(value) < fewest) or (most is not None and len(value) > most):
        return 0
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    found = 0
    for name, part in value.items():
        each = properties.get(name, extra)
        found += weight(each, part, passes) if isinstance(each, dict) else 0
    return found


def _nested(schema: Object, value: Any, passes: Judge) -> int:
    """Count what allOf, anyOf and oneOf add: all, the first to pass, or else the best that fail."""
    found = 1 + sum(weight(one, value, passes) for one in schema.get("allOf") or ())
    for key in ("anyOf", "oneOf"):
        tried = schema.get(key) or ()
        good = [one for one in tried if passes(one, value)]
        if good and (key == "anyOf" or len(good) == 1):
            found += weight(good[0], value, passes)
        elif tried and not good:
            found += max(weight(one, value, passes) for one in tried)
    return found
