"""Rules for the counts in the statuses of workloads.

Rules: no count is negative, no part is more than the whole, and a collision is never forgotten. The
order of the names is that in which the real server looks at them.
"""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.values import Object

_OVER = "cannot be greater than status.replicas"
_DEPLOYMENT = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
    "unavailableReplicas", "terminatingReplicas", "collisionCount",
)  # fmt: skip
_REPLICA_SET = (
    "replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
    "terminatingReplicas", "observedGeneration",
)  # fmt: skip
_STATEFUL_SET = (
    "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
    "observedGeneration", "collisionCount",
)  # fmt: skip
_DAEMON_SET = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
    "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
    "collisionCount",
)  # fmt: skip


def _status(change: Change, names: tuple[str, ...], causes: Causes) -> Object:
    status: Object = change.object.get("status") or {}
    for name in names:
        causes.not_negative(f"status.{name}", status.get(name))
    return status


def _parts(status: Object, names: tuple[str, ...], causes: Causes) -> None:
    """Check that no part is more than all replicas."""
    for name in names:
        count = status.get(name) or 0
        if count > (status.get("replicas") or 0):
            causes.invalid(f"status.{name}", count, _OVER)


def _available_are_ready(status: Object, ready: str, causes: Causes) -> None:
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        causes.invalid("status.availableReplicas", available, f"cannot be greater than {ready}")


def _collisions(change: Change, status: Object, causes: Causes) -> None:
    before = ((change.old or {}).get("status") or {}).get("collisionCount")
    number = status.get("collisionCount")
    if before is not None and (number is None or number < before):
        causes.invalid("status.collisionCount", number or 0, "cannot be decremented")


def deployment(change: Change, causes: Causes) -> None:
    """Check the status of a Deployment."""
    status = _status(change, _DEPLOYMENT, causes)
    _parts(status, ("updatedReplicas", "readyReplicas", "availableReplicas"), causes)
    _available_are_ready(status, "readyReplicas", causes)
    _collisions(change, status, causes)


def replica_set(change: Change, causes: Causes) -> None:
    """Check the status of a ReplicaSet or ReplicationController."""
    status = _status(change, _REPLICA_SET, causes)
    _parts(status, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"), causes)
    _available_are_ready(status, "readyReplicas", causes)


def stateful_set(change: Change, causes: Causes) -> None:
    """Check the status of a StatefulSet."""
    status = _status(change, _STATEFUL_SET, causes)
    parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    _parts(status, parts, causes)
    _available_are_ready(status, "status.readyReplicas", causes)
    _collisions(change, status, causes)


def daemon_set(change: Change, causes: Causes) -> None:
    """Check the status of a DaemonSet."""
    _collisions(change, _status(change, _DAEMON_SET, causes), causes)
