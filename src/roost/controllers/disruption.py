"""PodDisruptionBudgets: how many of their pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch, controller_of, own_key
from roost.decisions.meta import (
    deleting,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    seconds_of,
    stamp,
    warning,
)
from roost.decisions.plan import Action, Plan, Update
from roost.decisions.pods import ready
from roost.decisions.resources import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)

#: For how long an eviction that was allowed counts although its pod is still there.
DELETION_TIMEOUT_S = 120.0

_OWNERS: dict[tuple[str, str], Resource] = {
    ("", "ReplicationController"): REPLICATION_CONTROLLERS,
    ("apps", "ReplicaSet"): REPLICA_SETS,
    ("apps", "StatefulSet"): STATEFUL_SETS,
    ("apps", "Deployment"): DEPLOYMENTS,
}


@dataclass(frozen=True, slots=True)
class View:
    """A budget, its pods, and how many pods their owners want: `scale` or why it is not known."""

    budget: Object
    pods: tuple[Object, ...]
    scale: int
    fault: str
    now: float


def _owner(caches: Caches, obj: Object) -> Object | None:
    reference = controller_of(obj)
    if reference is None:
        return None
    group = reference["apiVersion"].rpartition("/")[0]
    resource = _OWNERS.get((group, reference["kind"]))
    found = caches[resource].get(namespace_of(obj), reference["name"]) if resource else None
    if found is None or found["metadata"].get("uid") != reference["uid"]:
        return None
    return _owner(caches, found) or found  # a ReplicaSet's Deployment knows better


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on one budget rests on."""
    budget = caches[POD_DISRUPTION_BUDGETS].get(*key)
    if budget is None:
        return None
    selector = label_selector(budget["spec"].get("selector"))
    pods = tuple(p for p in caches[PODS].all(key.namespace) if selector.matches(labels_of(p)))
    scales: dict[str, int] = {}
    fault = ""
    for pod in pods:
        owner = _owner(caches, pod)
        if owner is None:
            fault = fault or f'found no controllers for pod "{name_of(pod)}"'
        else:
            scales[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 1)
    return View(budget, pods, sum(scales.values()), fault, now)


def _share(value: int | str, whole: int) -> int:
    return -(-int(value.rstrip("%")) * whole // 100) if isinstance(value, str) else value


def _expected(view: View) -> tuple[int, int, str]:
    """Return (expected pods, healthy pods needed, fault)."""
    spec = view.budget["spec"]
    if "maxUnavailable" in spec:
        needed = max(view.scale - _share(spec["maxUnavailable"], view.scale), 0)
        return view.scale, needed, view.fault
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return view.scale, _share(least, view.scale), view.fault
    return len(view.pods), least or 0, ""


def reconcile(view: View) -> Plan:
    """Decide how many disruptions are allowed."""
    budget = view.budget
    regarding = object_reference(POD_DISRUPTION_BUDGETS, "PodDisruptionBudget", budget)
    events: list[Action] = []
    if not view.pods:
        events.append(normal(regarding, "NoPods", "No matching pods found"))
    disrupted, recheck = _disrupted(view)
    expected, needed, fault = _expected(view)
    healthy = sum(
        ready(pod) and not deleting(pod) and name_of(pod) not in disrupted for pod in view.pods
    )
    allowed = max(healthy - needed, 0) if expected > 0 and not fault else 0
    if fault:
        text = f"Failed to calculate the number of expected pods: {fault}"
        events.append(warning(regarding, "CalculateExpectedPodCountFailed", text))
    generation = budget["metadata"].get("generation", 0)
    old = budget.get("status") or {}
    counts: Object = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": needed,
        "expectedPods": expected,
        "observedGeneration": generation,
    }
    if fault:
        counts = {**{k: v for k, v in old.items() if k in counts}, "disruptionsAllowed": 0}
        for name in ("currentHealthy", "desiredHealthy", "expectedPods"):
            counts.setdefault(name, 0)
    if disrupted:
        counts["disruptedPods"] = disrupted
    condition = _condition(view, allowed, fault, generation)
    status = {**counts, "conditions": conditions.put(old.get("conditions"), condition)}
    if status == old:
        return Plan(wake_at=recheck)
    body = {**budget, "status": status}
    return Plan((*events, Update(POD_DISRUPTION_BUDGETS, body, "status")), recheck)


def _condition(view: View, allowed: int, fault: str, generation: int) -> Object:
    reason = "SyncFailed" if fault else "SufficientPods" if allowed else "InsufficientPods"
    condition: Object = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "lastTransitionTime": stamp(view.now),
        "reason": reason,
        "message": fault,
    }
    if generation:
        condition["observedGeneration"] = generation
    return condition


def _disrupted(view: View) -> tuple[dict[str, str], float | None]:
    """Return the pods whose eviction was allowed and is not seen yet, and when to give that up."""
    known = (view.budget.get("status") or {}).get("disruptedPods") or {}
    names = {name_of(pod) for pod in view.pods if not deleting(pod)}
    kept = {
        name: at
        for name, at in known.items()
        if name in names and seconds_of(at) + DELETION_TIMEOUT_S > view.now
    }
    ends = [seconds_of(at) + DELETION_TIMEOUT_S for at in kept.values()]
    return kept, min(ends, default=None)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    namespace = namespace_of(pod)
    for budget in caches[POD_DISRUPTION_BUDGETS].all(namespace):
        if label_selector(budget["spec"].get("selector")).matches(labels_of(pod)):
            yield Key(namespace, name_of(budget))


def _owner_keys(owner: Object, caches: Caches) -> Iterable[Key]:
    namespace = namespace_of(owner)
    return [Key(namespace, name_of(b)) for b in caches[POD_DISRUPTION_BUDGETS].all(namespace)]


CONTROLLER = Controller(
    name="disruption-controller",
    watches=(
        Watch(POD_DISRUPTION_BUDGETS, own_key),
        Watch(PODS, _pod_keys),
        *(Watch(resource, _owner_keys) for resource in _OWNERS.values()),
    ),
    view=view,
    reconcile=reconcile,
    component="controllermanager",
)
