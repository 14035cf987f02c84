"""Values of selectable fields: what a field selector compares with, as text.

Each function takes the path of a field and returns a reader of it. Rule: what is absent reads as the
zero value of its Go type ("", "false", "0"), because that is what the real server compares with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from roost.api.values import Object, Value

Reader: TypeAlias = Callable[[Object], str]


def _at(obj: Object, path: tuple[str, ...]) -> Value:
    value: Value = obj
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(path: str) -> Reader:
    """Return a reader of the string at `path`."""
    names = tuple(path.split("."))
    return lambda obj: _at(obj, names) or ""


def flag(path: str) -> Reader:
    """Return a reader of the boolean at `path`: "true" or "false"."""
    names = tuple(path.split("."))
    return lambda obj: "true" if _at(obj, names) else "false"


def count(path: str) -> Reader:
    """Return a reader of the integer at `path`."""
    names = tuple(path.split("."))
    return lambda obj: str(_at(obj, names) or 0)
