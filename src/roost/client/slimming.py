"""Makes objects small before a cache keeps them for long.

Two rules: `metadata.managedFields`, often the larger half of an object, is left out, as nobody who
decides looks at it (and a write without it keeps what the server has); and parts that are equal, as in
all pods of one template, are one part in memory. So a slim object shares with others, and is as
unchangeable as any cached one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from roost.api.values import Object, Value

_encode = msgspec.json.Encoder().encode

#: What is shared is remembered in two halves of so many parts; the older half is dropped.
_REMEMBERED: Final = 8192
#: Longer texts are seldom equal.
_TEXT_MAX: Final = 64
#: So many levels are looked into for equal parts: down to the fields of a container.
_DEPTH: Final = 3


class Slimmer:
    """Slims the objects of one cache."""

    def __init__(self) -> None:
        self._known: dict[Any, Value] = {}
        self._older: dict[Any, Value] = {}

    def slim(self, obj: Object, old: Object | None = None) -> Object:
        """Return the object without managed fields; what is equal to earlier ones is shared.

        `old` is the slim object that this one replaces, of which most is unchanged as a rule.
        """
        slim: Object = {}
        before = old or {}
        for key, item in obj.items():
            if key == "metadata":
                item = {name: value for name, value in item.items() if name != "managedFields"}
            have = before.get(key)
            slim[key] = have if have == item and have is not None else self._shared(item, _DEPTH)
        return slim

    def _shared(self, value: Value, depth: int) -> Value:
        """Return an equal value, whole or in parts one that others have too; `depth` levels are looked
        into."""
        kind = value.__class__
        if kind is str:
            return self._one(value, value) if len(value) <= _TEXT_MAX else value
        if kind is not dict and kind is not list:
            return value
        if depth == _DEPTH:  # no two objects have the same metadata
            return self._parts(value, depth)
        # Not the encoded value itself: keys would take more memory than what is shared.
        key = hash(_encode(value))
        known = self._find(key)
        if known is not None and known == value:
            return known
        return self._keep(key, self._parts(value, depth) if depth else value)

    def _parts(self, value: Value, depth: int) -> Value:
        if value.__class__ is dict:
            return {key: self._shared(item, depth - 1) for key, item in value.items()}
        return [self._shared(item, depth - 1) for item in value]

    def _one(self, key: Any, value: Value) -> Value:
        """Return the value that is kept for all equal ones."""
        known = self._find(key)
        return self._keep(key, value) if known is None else known

    def _find(self, key: Any) -> Value:
        known = self._known.get(key)
        if known is None:
            known = self._older.get(key)
            if known is not None:
                self._keep(key, known)
        return known

    def _keep(self, key: Any, value: Value) -> Value:
        if len(self._known) >= _REMEMBERED:
            self._older, self._known = self._known, {}
        self._known[key] = value
        return value
