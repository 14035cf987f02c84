"""Simple JSON paths into a schema: fieldPath of rules and selectable fields."""

from __future__ import annotations

import re
from typing import Any

from roost.api.values import Object

_STEP = re.compile(r"\.([A-Za-z_$][A-Za-z0-9_$-]*)|\['((?:[^'\\]|\\.)*)'\]")


class BadPath(Exception):
    """A path that leads nowhere; the text says why."""


def steps_of(path: str) -> list[str]:
    """Return the names that a path walks over. Raises BadPath."""
    names: list[str] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            if path[at] not in ".[":
                raise BadPath(f"expected [ or . but got: {path[at:]}")
            raise BadPath("does not refer to a valid field")
        names.append(found[1] if found[1] is not None else found[2])
        at = found.end()
    return names


def schema_at(schema: Object, path: str) -> Object:
    """Return the schema that a path leads to. Raises BadPath."""
    found: Any = schema
    for name in steps_of(path):
        properties = found.get("properties") or {}
        extra = found.get("additionalProperties")
        if name in properties:
            found = properties[name]
        elif isinstance(extra, dict):
            found = extra
        else:
            raise BadPath("does not refer to a valid field")
    return dict(found)


def value_at(value: Any, names: list[str]) -> Any:
    """Return what lies at the end of the names in an object, None for nothing."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
