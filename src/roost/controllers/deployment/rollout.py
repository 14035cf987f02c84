"""The working state of one decision on a Deployment: ReplicaSets as they will be, and actions.

It is made afresh for each decision and never leaves it. ReplicaSets in it are private copies of the
levels that change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from roost.api.values import Object
from roost.decisions.meta import (
    annotations_of,
    created_at,
    name_of,
    normal,
    object_reference,
)
from roost.decisions.plan import Action, Create, Update
from roost.decisions.resources import DEPLOYMENTS, REPLICA_SETS

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"


def size_of(replica_set: Object) -> int:
    """Return spec.replicas."""
    size: int = replica_set["spec"].get("replicas", 1)
    return size


def count_of(replica_set: Object, field: str) -> int:
    """Return a count of the status."""
    count: int = (replica_set.get("status") or {}).get(field, 0)
    return count


def total(replica_sets: Iterable[Object]) -> int:
    return sum(size_of(rs) for rs in replica_sets)


def with_size(replica_sets: Iterable[Object]) -> list[Object]:
    """Return those that are not scaled to nothing."""
    return [rs for rs in replica_sets if size_of(rs) > 0]


def by_age(replica_sets: Iterable[Object]) -> list[Object]:
    """Return the oldest first."""
    return sorted(replica_sets, key=lambda rs: (created_at(rs), name_of(rs)))


def resolved(value: int | str | None, whole: int, *, up: bool) -> int:
    """Return an int-or-percent as a number of `whole`."""
    if isinstance(value, str):
        scaled = int(value.rstrip("%")) * whole
        return -(-scaled // 100) if up else scaled // 100
    return value or 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The resolved maxSurge and maxUnavailable of a deployment."""

    surge: int
    unavailable: int

    @classmethod
    def of(cls, deployment: Object) -> Budget:
        spec = deployment["spec"]
        strategy = spec.get("strategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return cls(0, 0)
        replicas = spec.get("replicas", 1)
        rolling = strategy.get("rollingUpdate") or {}
        surge = resolved(rolling.get("maxSurge", "25%"), replicas, up=True)
        unavailable = resolved(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        if surge == 0 and unavailable == 0:
            unavailable = 1  # it must be able to move at all
        return cls(surge, min(unavailable, replicas))


@dataclass(slots=True)
class Rollout:
    """See the module."""

    deployment: Object
    old: list[Object]
    new: Object | None
    status: Object
    annotations: dict[str, str]
    now: float
    actions: list[Action] = field(default_factory=list)
    wake_at: float | None = None

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new is not None else [])]

    @property
    def replicas(self) -> int:
        replicas: int = self.deployment["spec"].get("replicas", 1)
        return replicas

    @property
    def regarding(self) -> Object:
        return object_reference(DEPLOYMENTS, "Deployment", self.deployment)

    def scale(self, replica_set: Object, size: int) -> bool:
        """Set the size of a ReplicaSet and its bookkeeping; say whether the size changes."""
        before = size_of(replica_set)
        desired = self.replicas
        notes = {DESIRED: str(desired), MAXIMUM: str(desired + Budget.of(self.deployment).surge)}
        known = annotations_of(replica_set)
        if before == size and all(known.get(key) == value for key, value in notes.items()):
            return False
        changed = {
            **replica_set,
            "metadata": {**replica_set["metadata"], "annotations": {**known, **notes}},
            "spec": {**replica_set["spec"], "replicas": size},
        }
        self.change(replica_set, changed)
        if before == size:
            return False
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {name_of(changed)} from {before} to {size}"
        self.actions.append(normal(self.regarding, "ScalingReplicaSet", message))
        return True

    def change(self, before: Object, after: Object) -> None:
        """Replace a ReplicaSet by what it will be; writes to one object are folded into one."""
        self.old = [after if rs is before else rs for rs in self.old]
        if self.new is before:
            self.new = after
        for at, action in enumerate(self.actions):
            if isinstance(action, Update | Create) and action.object is before:
                self.actions[at] = type(action)(REPLICA_SETS, after)
                return
        self.actions.append(Update(REPLICA_SETS, after))

    def wake(self, at: float) -> None:
        """Look again at `at` at the latest."""
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)
