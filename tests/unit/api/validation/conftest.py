"""Causes of a change, as text."""

from collections.abc import Callable
from typing import Any

import pytest

from roost.api.groups import ALL_KINDS
from roost.api.kind import Change

KINDS = {(kind.group, kind.version, kind.name): kind for kind in ALL_KINDS}
META = {"name": "x", "namespace": "ns"}

Refused = Callable[..., list[str]]


@pytest.fixture
def refused() -> Refused:
    """Return what refuses an object (or a change of it), each cause as "field: message"."""

    def check(
        group: str,
        name: str,
        body: dict[str, Any],
        old: dict[str, Any] | None = None,
        warnings: list[str] | None = None,
    ) -> list[str]:
        kind = KINDS[group, "v1", name]
        found = [_whole(kind.namespaced, value) for value in (body, old) if value is not None]
        new, before = found[0], found[1] if old is not None else None
        change = Change(new, before, now="2026-01-01T00:00:00Z")
        if warnings is not None:
            change.warnings = warnings
        earlier = [] if before is None else [Change(before)]
        for each in (*earlier, change):
            if kind.default is not None:
                kind.default(each)
            if kind.prepare is not None:
                kind.prepare(each)
        assert kind.validate is not None
        return [f"{cause.field}: {cause.message}" for cause in kind.validate(change)]

    return check


def _whole(namespaced: bool, value: dict[str, Any]) -> dict[str, Any]:
    meta = {**META, "uid": "u", "resourceVersion": "1", **value.get("metadata", {})}
    if not namespaced:
        del meta["namespace"]
    return {**value, "metadata": meta}
