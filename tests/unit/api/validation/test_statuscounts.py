"""Counts in the statuses of workloads."""

from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.validation import workloads

OVER = "cannot be greater than"


@pytest.mark.parametrize(
    ("rules", "new", "old", "causes"),
    [
        (
            workloads.STATEFUL_SET,
            {"replicas": 2, "readyReplicas": 1, "availableReplicas": 2},
            {},
            [f"status.availableReplicas: Invalid value: 2: {OVER} status.readyReplicas"],
        ),
        (
            workloads.DEPLOYMENT,
            {"replicas": 2, "readyReplicas": 1, "availableReplicas": 2},
            {},
            [f"status.availableReplicas: Invalid value: 2: {OVER} readyReplicas"],
        ),
        (
            workloads.REPLICA_SET,
            {"fullyLabeledReplicas": 1},
            {},
            [f"status.fullyLabeledReplicas: Invalid value: 1: {OVER} status.replicas"],
        ),
        (
            workloads.DEPLOYMENT,
            {"observedGeneration": -1, "terminatingReplicas": -1},
            {},
            [
                "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0",
                "status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            workloads.DAEMON_SET,
            {},
            {"collisionCount": 2},
            ["status.collisionCount: Invalid value: 0: cannot be decremented"],
        ),
        (workloads.STATEFUL_SET, {"collisionCount": 3}, {"collisionCount": 2}, []),
    ],
)
def test_counts(rules: Any, new: Any, old: Any, causes: list[str]) -> None:
    meta = {"name": "x", "namespace": "ns", "uid": "u", "resourceVersion": "1"}
    before, after = ({"metadata": meta, "status": status} for status in (old, new))
    found = rules(Change(after, before, subresource="status"))
    assert [f"{one.field}: {one.message}" for one in found] == causes
