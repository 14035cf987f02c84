"""Strategy of pods: phase, quality of service, and what each subresource may write."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.quantity import compare, is_zero
from roost.api.strategies.disabled import drop_of_pod
from roost.api.strategies.podcreation import app_armor_fields, match_label_keys
from roost.api.strategies.strategy import STATUS_META, Strategy, next_generation, take
from roost.api.values import Object

_COUNTED = ("cpu", "memory")


def quality_of_service(spec: Object) -> str:
    """Return the QoS class of a pod: Guaranteed, Burstable or BestEffort."""
    own = spec.get("resources")
    if own and (own.get("requests") or own.get("limits")):
        return _class_of([own])
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return _class_of([container.get("resources") or {} for container in containers])


def _class_of(all_resources: list[Object]) -> str:
    empty = True
    guaranteed = bool(all_resources)
    for resources in all_resources:
        requests, limits = _positive(resources, "requests"), _positive(resources, "limits")
        empty = empty and not requests and not limits
        guaranteed = guaranteed and len(limits) == len(_COUNTED) and _same(requests, limits)
    if empty:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _same(requests: Object, limits: Object) -> bool:
    """Do the two say the same, even if in other words ("1k" and "1e3")?"""
    if requests == limits:
        return True
    return requests.keys() == limits.keys() and not any(
        compare(requests[name], limits[name]) for name in limits
    )


def _positive(resources: Object, which: str) -> Object:
    values = resources.get(which)
    if not values:
        return {}
    return {name: values[name] for name in _COUNTED if name in values and not is_zero(values[name])}


def _create(change: Change) -> None:
    spec = change.object.get("spec") or {}
    status: Object = {"phase": "Pending", "qosClass": quality_of_service(spec)}
    change.object["status"] = status
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": change.now or None,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    change.object["metadata"]["generation"] = 1
    drop_of_pod(spec, {})
    match_label_keys(change.object)
    app_armor_fields(change)


def _update(change: Change) -> None:
    drop_of_pod(change.object.get("spec") or {}, (change.old or {}).get("spec") or {})
    _count_generation(change)


def _count_generation(change: Change) -> None:
    if change.old is not None and change.object.get("spec") != change.old.get("spec"):
        next_generation(change)


def _status(change: Change) -> None:
    """Keep what a kubelet must not touch: owners, deletion, and the QoS class once given."""
    old = change.old or {}
    meta = change.object["metadata"]
    take(meta, old.get("metadata") or {}, "ownerReferences")
    take(meta, old.get("metadata") or {}, "deletionTimestamp")
    status = change.object.setdefault("status", {})
    before = old.get("status") or {}
    if not status.get("qosClass") and before.get("qosClass"):
        status["qosClass"] = before["qosClass"]
    _keep_observed(status, before)


def _keep_observed(status: Object, before: Object) -> None:
    """Keep the generations that were observed, where a writer does not know of them."""
    key = "observedGeneration"
    if not status.get(key) and before.get(key):
        status[key] = before[key]
    known: dict[str, list[int]] = {}
    for condition in before.get("conditions") or ():
        known.setdefault(condition.get("type") or "", []).append(condition.get(key) or 0)
    for condition in status.get("conditions") or ():
        seen = known.get(condition.get("type") or "")
        number = seen.pop(0) if seen else 0
        if number and not condition.get(key):
            condition[key] = number


_PODS = Strategy(status={}, create=_create, update=_update, status_update=_status)
#: Fields of containers that a resize writes; all else of the spec stays.
_RESIZED = ("resources", "resizePolicy")


def pod(change: Change) -> None:
    """Prepare a write of a pod or of its status, resize or ephemeralcontainers subresource."""
    _PODS(change)
    old = change.old
    if old is None or change.subresource in ("", "status"):
        return
    if change.subresource == "ephemeralcontainers":
        wanted = change.object.get("spec") or {}
        take(change.object, old, "spec")
        take(change.object.setdefault("spec", {}), wanted, "ephemeralContainers")
        take(change.object, old, "status")
        _keep_meta(change.object["metadata"], old.get("metadata") or {})
    elif change.subresource == "resize":
        _resize(change, old)
    _count_generation(change)


def _keep_meta(meta: Object, before: Object) -> None:
    for key in STATUS_META:
        take(meta, before, key)


def _resize(change: Change, old: Object) -> None:
    """Let resources through, and nothing else of the spec, when the containers are the same.

    Others than before are for validation to refuse.
    """
    wanted, before = change.object.get("spec") or {}, old.get("spec") or {}
    merged = {name: wanted.get(name) or [] for name in ("containers", "initContainers")}
    if any(len(merged[name]) != len(before.get(name) or ()) for name in merged):
        return
    take(change.object, old, "spec")
    take(change.object, old, "status")
    _keep_meta(change.object["metadata"], old.get("metadata") or {})
    spec = change.object.setdefault("spec", {})
    take(spec, wanted, "resources")
    for name, containers in merged.items():
        if containers:
            spec[name] = _with_resources(spec[name], containers)


def _with_resources(kept: list[Object], wanted: list[Object]) -> list[Object]:
    if any(one.get("name") != other.get("name") for one, other in zip(kept, wanted, strict=True)):
        return wanted
    for container, found in zip(kept, wanted, strict=True):
        for key in _RESIZED:
            take(container, found, key)
    return kept
