"""ReplicaSet and ReplicationController: keep as many pods as `spec.replicas` says.

Pods that match the selector and have no controller are adopted; surplus pods go in the order of
`victim_order`; at most BURST pods are made or deleted per decision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from roost.api.errors import NAMESPACE_ENDS, StatusError
from roost.api.kind import Resource
from roost.api.selectors import LabelSelector, label_selector, labels_equal
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.claims import (
    BY_CONTROLLER,
    Claim,
    Owner,
    claim,
    matching_owners,
    orphans,
    owned,
)
from roost.decisions.controller import (
    Caches,
    Controller,
    Key,
    Watch,
    controller_of,
    own_key,
    owner_keys,
)
from roost.decisions.meta import (
    by_controller,
    controller_reference,
    delete,
    deleting,
    labels_of,
    namespace_of,
    normal,
    object_reference,
    stamp,
    warning,
)
from roost.decisions.plan import Action, Create, Delete, Plan, Update
from roost.decisions.pods import (
    active,
    available,
    finished,
    next_available,
    node_of,
    ready,
    victim_order,
)
from roost.decisions.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from roost.decisions.templates import pod_from

BURST = 500


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which of the two kinds it is about."""

    resource: Resource
    kind: str

    def selector(self, replica_set: Object) -> LabelSelector:
        """Return the selector of the pods."""
        selector = replica_set["spec"].get("selector")
        if self.resource == REPLICATION_CONTROLLERS:
            return labels_equal(selector)
        return label_selector(selector)

    def reference(self, replica_set: Object) -> Object:
        return object_reference(self.resource, self.kind, replica_set)


REPLICA_SET = Flavour(REPLICA_SETS, "ReplicaSet")
REPLICATION_CONTROLLER = Flavour(REPLICATION_CONTROLLERS, "ReplicationController")


@dataclass(frozen=True, slots=True)
class View:
    """A ReplicaSet, its pods, pods it may adopt, and the pods of sets with the same owner."""

    replica_set: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    related: tuple[Object, ...]
    now: float
    flavour: Flavour = REPLICA_SET


def view(flavour: Flavour, caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the ReplicaSet `key` rests on."""
    sets, pods = caches[flavour.resource], caches[PODS]
    replica_set = sets.get(*key)
    if replica_set is None:
        return None
    mine = owned(pods, replica_set)
    free = orphans(pods, replica_set, flavour.selector(replica_set))
    related: tuple[Object, ...] = ()
    owner = controller_of(replica_set)
    if owner is not None and len(mine) > replica_set["spec"].get("replicas", 1):
        siblings = sets.by(BY_CONTROLLER, owner["uid"])
        related = tuple(pod for sibling in siblings for pod in owned(pods, sibling))
    return View(replica_set, mine, free, related, now, flavour)


def reconcile(view: View) -> Plan:
    """Decide which pods to make, delete, adopt and release, and what the status is."""
    replica_set = view.replica_set
    claimed = _claim(view)
    pods = list(claimed.kept)
    actions: list[Action] = list(claimed.actions)
    if not deleting(replica_set):
        actions += _manage(view, pods)
    status = _status(view, claimed)
    status["conditions"] = conditions.without(status["conditions"], "ReplicaFailure")
    actions += _write(view, status)
    min_ready_s = replica_set["spec"].get("minReadySeconds", 0)
    return Plan(tuple(actions), next_available(pods, min_ready_s, view.now))


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why a pod could not be made or deleted."""
    if not isinstance(action, Create | Delete) or error.has_cause(NAMESPACE_ENDS):
        return Plan()
    what = "creating" if isinstance(action, Create) else "deleting"
    reason = "FailedCreate" if isinstance(action, Create) else "FailedDelete"
    status = _status(view, _claim(view))
    condition = conditions.make("ReplicaFailure", "True", reason, error.message, stamp(view.now))
    if conditions.find(status["conditions"], "ReplicaFailure") is None:
        status["conditions"] = [*status["conditions"], condition]
    regarding = view.flavour.reference(view.replica_set)
    event = warning(regarding, reason, f"Error {what}: {error.message}")
    return Plan((event, *_write(view, status)))


def _claim(view: View) -> Claim:
    """Adopt and release what runs or will run; the rest is nobody's business any more."""
    flavour = view.flavour
    owner = Owner(flavour.resource, flavour.kind, view.replica_set, PODS)
    mine, free = filter(active, view.owned), filter(active, view.orphans)
    return claim(owner, flavour.selector(view.replica_set), mine, free)


def _terminating(view: View) -> int:
    """Return how many of the pods are on their way out, but not there yet."""
    selector = view.flavour.selector(view.replica_set)
    return sum(
        deleting(pod) and not finished(pod) and selector.matches(labels_of(pod))
        for pod in view.owned
    )


def _manage(view: View, pods: list[Object]) -> Iterable[Action]:
    replica_set = view.replica_set
    missing = replica_set["spec"].get("replicas", 1) - len(pods)
    flavour = view.flavour
    regarding = flavour.reference(replica_set)
    if missing > 0:
        owner = controller_reference(flavour.resource, flavour.kind, replica_set)
        pod = pod_from(replica_set["spec"]["template"], replica_set, owner)
        event = normal(regarding, "SuccessfulCreate", "Created pod: {name}")
        return [Create(PODS, pod, announce=event)] * min(missing, BURST)
    victims = _victims(view, pods, -missing)[:BURST]
    return [
        *(delete(PODS, pod) for pod in victims),
        *(
            normal(regarding, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            for pod in victims
        ),
    ]


def _victims(view: View, pods: list[Object], count: int) -> list[Object]:
    if count >= len(pods):
        return pods
    if count <= 0:
        return []
    crowd = Counter(node_of(pod) for pod in (view.related or pods) if active(pod))
    order = victim_order(lambda pod: crowd[node_of(pod)], view.now)
    return sorted(pods, key=order)[:count]


def _status(view: View, claimed: Claim) -> Object:
    replica_set = view.replica_set
    spec = replica_set["spec"]
    old = replica_set.get("status") or {}
    pods = claimed.kept
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready_s = spec.get("minReadySeconds", 0)
    return {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(template_labels.items() <= labels_of(p).items() for p in pods),
        "readyReplicas": sum(ready(pod) for pod in pods),
        "availableReplicas": sum(available(pod, min_ready_s, view.now) for pod in pods),
        "terminatingReplicas": _terminating(view),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
        "conditions": list(old.get("conditions") or ()),
    }


_OPTIONAL = (
    "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration",
    "conditions",
)  # fmt: skip


def _write(view: View, status: Object) -> list[Action]:
    """Return the status update, if it says anything new."""
    replica_set = view.replica_set
    new = {k: v for k, v in status.items() if v or k not in _OPTIONAL}
    if view.flavour.resource == REPLICATION_CONTROLLERS:
        del new["terminatingReplicas"]
    old = replica_set.get("status") or {}
    if new == {k: v for k, v in old.items() if v or k not in _OPTIONAL}:
        return []
    return [Update(view.flavour.resource, {**replica_set, "status": new}, "status")]


def _pod_keys(flavour: Flavour) -> Callable[[Object, Caches], Iterable[Key]]:
    of_owner = owner_keys(flavour.kind, flavour.resource.group)

    def keys(pod: Object, caches: Caches) -> Iterable[Key]:
        if controller_of(pod) is not None:
            return of_owner(pod, caches)
        return matching_owners(caches, flavour.resource, namespace_of(pod), labels_of(pod))

    return keys


def _controller(name: str, flavour: Flavour) -> Controller[View]:
    return Controller(
        name=name,
        watches=(
            Watch(flavour.resource, own_key, {BY_CONTROLLER: by_controller}),
            Watch(PODS, _pod_keys(flavour), {BY_CONTROLLER: by_controller}),
        ),
        view=partial(view, flavour),
        reconcile=reconcile,
        refused=refused,
    )


CONTROLLER = _controller("replicaset-controller", REPLICA_SET)
REPLICATION = _controller("replicationcontroller-controller", REPLICATION_CONTROLLER)
