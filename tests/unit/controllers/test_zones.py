"""How fast nodes of a zone are given up."""

from __future__ import annotations

import pytest

from roost.api.values import Object
from roost.controllers.nodelifecycle import interval_in


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
    assert interval_in(("", "a"), [*nodes("a", *own), *nodes("b", *other)]) == expected
