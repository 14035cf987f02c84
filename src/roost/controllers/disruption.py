"""PodDisruptionBudgets: how many of their pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from roost.api.errors import NotFound, StatusError
from roost.api.kind import Resource
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.asking import Ask, Inquiry, Told
from roost.decisions.controller import Caches, Controller, Key, Watch, controller_of, own_key
from roost.decisions.gotext import go_selector
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
    CUSTOM_RESOURCE_DEFINITIONS,
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
    """A budget, its pods, and how many pods their owners want: `scale` or why it is not known.

    `others` are owners whose scale the server has to be asked for, by uid; `unmanaged` says whether
    some pods have no owner.
    """

    budget: Object
    pods: tuple[Object, ...]
    scale: int
    fault: str
    now: float
    unmanaged: bool = False
    others: Mapping[str, Ask] = field(default_factory=dict)


#: Owners that have no scale, as the message names them.
_WITHOUT_SCALE = {("batch", "Job"): "jobs.batch", ("apps", "DaemonSet"): "daemonsets.apps"}


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
    others: dict[str, Ask] = {}
    fault, unmanaged = "", False
    for pod in pods:
        reference = controller_of(pod)
        owner = _owner(caches, pod)
        if reference is None:
            unmanaged = True
        elif owner is not None:
            scales[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 1)
        elif reference["uid"] not in others:
            found = _scale_of(caches, reference, key.namespace)
            if isinstance(found, Ask):
                others[reference["uid"]] = found
            else:
                fault = fault or found or f'found no controllers for pod "{name_of(pod)}"'
    return View(budget, pods, sum(scales.values()), fault, now, unmanaged, others)


def _scale_of(caches: Caches, reference: Object, namespace: str) -> Ask | str:
    """Return where the scale of a custom resource is; else why it has none, "" if nobody knows it."""
    group, _, version = reference["apiVersion"].rpartition("/")
    kind = reference["kind"]
    if (group, kind) in _WITHOUT_SCALE:
        return f"{_WITHOUT_SCALE[group, kind]} does not implement the scale subresource"
    for definition in caches[CUSTOM_RESOURCE_DEFINITIONS].all():
        spec = definition["spec"]
        if (spec["group"], spec["names"]["kind"]) != (group, kind):
            continue
        plural = spec["names"]["plural"]
        served = [v for v in spec["versions"] if v["name"] == version and v.get("served")]
        if not any("scale" in (v.get("subresources") or {}) for v in served):
            return f"{plural}.{group} does not implement the scale subresource"
        base = f"/apis/{group}/{version}/namespaces/{namespace}/{plural}"
        return Ask(f"{base}/{reference['name']}/scale")
    return ""


def _told(view: View, told: Told) -> View:
    """Add the scales that were asked for."""
    if not all(ask in told.answers for ask in view.others.values()):
        return view
    scale, fault = view.scale, view.fault
    for uid, ask in view.others.items():
        answer = told.answers[ask]
        if isinstance(answer, StatusError) and not isinstance(answer, NotFound):
            fault = fault or answer.message
        elif isinstance(answer, StatusError) or answer["metadata"].get("uid") != uid:
            pods = (p for p in view.pods if (controller_of(p) or {}).get("uid") == uid)
            fault = fault or f'found no controllers for pod "{name_of(next(pods))}"'
        else:
            scale += (answer.get("spec") or {}).get("replicas", 0)
    return replace(view, scale=scale, fault=fault, others={})


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


def _counts_owners(budget: Object) -> bool:
    """Say whether what is expected follows from what the owners want."""
    spec = budget["spec"]
    return "maxUnavailable" in spec or isinstance(spec.get("minAvailable"), str)


def _unmanaged(budget: Object) -> str:
    selector = go_selector(budget["spec"].get("selector"))
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be "
        "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may "
        'result in undefined behavior. To account for these pods please set ".spec.minAvailable" '
        "field of the PDB to an integer value."
    )


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
    if view.unmanaged and _counts_owners(budget):
        events.append(warning(regarding, "UnmanagedPods", _unmanaged(budget)))
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


def _no_keys(_definition: Object, _caches: Caches) -> Iterable[Key]:
    return ()


CONTROLLER = Controller(
    name="disruption-controller",
    watches=(
        Watch(POD_DISRUPTION_BUDGETS, own_key),
        Watch(PODS, _pod_keys),
        *(Watch(resource, _owner_keys) for resource in _OWNERS.values()),
        Watch(CUSTOM_RESOURCE_DEFINITIONS, _no_keys),
    ),
    inquiry=Inquiry(lambda view: view.others.values(), _told),
    view=view,
    reconcile=reconcile,
    component="controllermanager",
)
