"""The two verbs in which defaults are written."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object


def part(owner: Object, key: str) -> Object:
    """Return the object under `key`, made if it is absent or null."""
    found: Object | None = owner.get(key)
    if found is None:
        found = owner[key] = {}
    return found


def fill(owner: Object, **defaults: Any) -> None:
    """Set what is absent or null."""
    for key, value in defaults.items():
        if owner.get(key) is None:
            owner[key] = value


def untimed(conditions: list[Object] | None, *keys: str) -> None:
    """Write the times of conditions also where they are not known."""
    for condition in conditions or ():
        for key in keys:
            condition.setdefault(key, None)
