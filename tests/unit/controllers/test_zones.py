"""How fast nodes of a zone are given up."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.values import Object
from roost.controllers.nodelifecycle import Memory, interval_in, zones_of


def nodes(zone: str, ready: int, missing: int) -> list[Object]:
    labels = {"topology.kubernetes.io/zone": zone}
    return [
        {
            "metadata": {"name": f"{zone}{at}", "labels": labels},
            "status": {"conditions": [{"type": "Ready", "status": str(at < ready)}]},
        }
        for at in range(ready + missing)
    ]


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ((5, 1), (0, 0), 10.0),
        ((2, 3), (5, 0), None),  # most of a small zone
        ((20, 40), (5, 0), 100.0),  # most of a large one
        ((1, 2), (5, 0), 10.0),  # two are never most
        ((0, 4), (5, 0), 10.0),  # all of it, but not of the others
        ((0, 4), (0, 3), None),  # nobody is ready: it is not the nodes
    ],
)
def test_the_pace_depends_on_how_much_of_a_zone_is_left(
    own: tuple[int, int], other: tuple[int, int], expected: float | None
) -> None:
    zones = zones_of([*nodes("a", *own), *nodes("b", *other)])
    assert interval_in(("", "a"), zones) == expected


def test_zones_are_counted_once_a_second_whoever_asks() -> None:
    class Counted:
        asked = 0

        def __getitem__(self, _resource: Any) -> Counted:
            return self

        def all(self) -> list[Object]:
            self.asked += 1
            return nodes("a", 1, self.asked)

    caches: Any = Counted()
    memory = Memory()
    found = [memory.survey(caches, now)["", "a"] for now in (5.0, 5.5, 5.9, 6.0, 3.0)]
    assert found == [(1, 1), (1, 1), (1, 1), (1, 2), (1, 3)]
