"""Simple JSON paths into a schema: fieldPath of rules and selectable fields."""

from __future__ import annotations

import re
from typing import Any

from roost.api.values import Object

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+")


class BadPath(Exception):
    """A path that leads nowhere; the text says why."""


def steps_of(path: str, *, brackets: bool = True) -> list[str]:
    """Return the names that a path walks over; `brackets`: may it say `['name']`? Raises BadPath."""
    tokens = [found[0] for found in _TOKEN.finditer(path)]
    names: list[str] = []
    at = 0
    while at < len(tokens):
        piece, rest = tokens[at], tokens[at + 1 :]
        if piece == ".":
            if not rest:
                raise BadPath("unexpected end of JSON path")
            names.append(rest[0])
            at += 2
        elif piece == "[":
            if not brackets:
                raise BadPath("array notation is not allowed")
            names.append(_quoted_step(rest))
            at += 3
        else:
            raise BadPath(f"expected [ or . but got: {piece}")
    return names


def _quoted_step(rest: list[str]) -> str:
    """Return the name between brackets, from the tokens after the first of them."""
    if not rest:
        raise BadPath("unexpected end of JSON path")
    text = rest[0]
    if len(text) < 2 or text[0] != "'" or text[-1] != "'":
        raise BadPath(f"expected single quoted string but got {text}")
    if len(rest) < 2:
        raise BadPath("unexpected end of JSON path")
    if rest[1] != "]":
        raise BadPath(f"expected ] but got {rest[1]}")
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def schema_at(schema: Object, path: str, *, brackets: bool = True) -> Object:
    """Return the schema that a path leads to. Raises BadPath."""
    found: Any = schema
    for name in steps_of(path, brackets=brackets):
        properties = found.get("properties")
        extra = found.get("additionalProperties")
        if properties and name in properties:
            found = properties[name]
        elif not properties and isinstance(extra, dict):
            found = extra
        else:
            raise BadPath("does not refer to a valid field")
    return dict(found)


def shown_path(schema: Object, path: str) -> str:
    """Return a path as complaints show it: keys of maps in brackets, without a dot in front.

    "" for a path that leads nowhere.
    """
    found: Any = schema
    shown = ""
    try:
        for name in steps_of(path):
            properties = found.get("properties")
            if properties:
                shown += f".{name}" if shown else name
                found = properties[name]
            else:
                shown += f"[{name}]"
                found = found["additionalProperties"]
    except (BadPath, KeyError, AttributeError):
        return ""
    return shown


def value_at(value: Any, names: list[str]) -> Any:
    """Return what lies at the end of the names in an object, None for nothing."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
