"""NoExecute taints of devices: pods whose claims were given such a device, and do not tolerate it, go.

At once or when their tolerance ends, which counts from when the taint was added. Taints are those in
ResourceSlices; the newest generation of a pool counts. A key is a pod.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    deleting,
    namespace_of,
    normal,
    object_reference,
    owned_by,
    ref_of,
    seconds_of,
    stamp,
    uid_of,
)
from roost.decisions.plan import NOTHING, Delete, EmitEvent, Patch, Plan
from roost.decisions.pods import node_of
from roost.decisions.resources import PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from roost.decisions.tolerations import NO_EXECUTE, tolerates

_BY_POOL = "device-pool"
_REASON = "DeviceTaintManagerEviction"


@dataclass(frozen=True, slots=True)
class View:
    """A pod: when it has to go (None: never), and whether that was known before."""

    pod: Object
    at: float | None
    known: bool
    now: float


def ends_at(tolerations: Iterable[Object], taint: Object) -> float | None:
    """Return until when a taint is tolerated; None: for ever."""
    limits = []
    for one in tolerations:
        if one.get("effect") == NO_EXECUTE and tolerates(one, taint):
            if one.get("tolerationSeconds") is None:
                return None
            limits.append(max(one["tolerationSeconds"], 0))
    return seconds_of(taint.get("timeAdded")) + min(limits, default=0)


def claims_of(pod: Object, caches: Caches) -> Iterable[Object]:
    """Yield the claims that a pod uses: its own, or those that are reserved for it."""
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    made = {status["name"]: status.get("resourceClaimName") for status in statuses}
    for wanted in pod["spec"].get("resourceClaims") or ():
        name = wanted.get("resourceClaimName") or made.get(wanted["name"])
        claim = caches[RESOURCE_CLAIMS].get(namespace_of(pod), name) if name else None
        if claim is None:
            continue
        if not wanted.get("resourceClaimName") and not owned_by(claim, uid_of(pod)):
            continue
        reserved = (claim.get("status") or {}).get("reservedFor") or ()
        if any(one.get("uid") == uid_of(pod) for one in reserved):
            yield claim


def taints_of(driver: str, pool: str, device: str, caches: Caches) -> list[Object]:
    """Return the NoExecute taints of a device."""
    slices = list(caches[RESOURCE_SLICES].by(_BY_POOL, f"{driver}/{pool}"))
    newest = max((_generation(one) for one in slices), default=0)
    return [
        taint
        for one in slices
        if _generation(one) == newest
        for found in one["spec"].get("devices") or ()
        if found["name"] == device
        for taint in found.get("taints") or ()
        if taint.get("effect") == NO_EXECUTE
    ]


def _generation(resource_slice: Object) -> int:
    generation: int = resource_slice["spec"]["pool"].get("generation") or 0
    return generation


def _results(claim: Object) -> Iterable[Object]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    found: list[Object] = (allocation.get("devices") or {}).get("results") or []
    return found


def evicted_at(pod: Object, caches: Caches) -> float | None:
    """Return when a pod has to go; None if its devices are fine."""
    ends = [
        ends_at(result.get("tolerations") or (), taint)
        for claim in claims_of(pod, caches)
        for result in _results(claim)
        for taint in taints_of(result["driver"], result["pool"], result["device"], caches)
    ]
    return min((end for end in ends if end is not None), default=None)


def reconcile(view: View) -> Plan:
    """Decide whether the pod goes now, later or never."""
    pod, at = view.pod, view.at
    if at is None:
        return Plan((_told(pod, "Cancelling deletion"),)) if view.known else NOTHING
    if at > view.now:
        return Plan(wake_at=at)
    message = "Device Taint manager: deleting due to NoExecute taint"
    condition = conditions.make(
        "DisruptionTarget", "True", "DeletionByDeviceTaintManager", message, stamp(view.now)
    )
    if pod["metadata"].get("generation"):
        condition["observedGeneration"] = pod["metadata"]["generation"]
    body = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
    return Plan(
        (
            _told(pod, "Marking for deletion"),
            Patch(ref_of(PODS, pod), body, "status", strategic=True),
            Delete(ref_of(PODS, pod)),
        )
    )


def _told(pod: Object, text: str) -> EmitEvent:
    return normal(object_reference(PODS, "Pod", pod), _REASON, text)


class Schedule:
    """Which pods are to go."""

    def __init__(self) -> None:
        self._going: set[Key] = set()

    def view(self, caches: Caches, key: Key, now: float) -> View | None:
        """Return the pod, if there is anything to do about it."""
        pod = caches[PODS].get(*key)
        known = key in self._going
        self._going.discard(key)
        if pod is None or deleting(pod) or not node_of(pod):
            return None
        at = evicted_at(pod, caches)
        if at is not None and at > now:
            self._going.add(key)
        return View(pod, at, known, now) if known or at is not None else None


def by_pool(resource_slice: Object) -> Iterable[str]:
    """Index: driver and pool of a slice."""
    spec = resource_slice["spec"]
    return (f"{spec['driver']}/{spec['pool']['name']}",)


def by_given_pool(claim: Object) -> Iterable[str]:
    """Index: drivers and pools of the devices that a claim was given."""
    return dict.fromkeys(f"{result['driver']}/{result['pool']}" for result in _results(claim))


def _claim_keys(claim: Object, _caches: Caches) -> Iterable[Key]:
    for one in (claim.get("status") or {}).get("reservedFor") or ():
        if one.get("resource") == "pods" and not one.get("apiGroup"):
            yield Key(namespace_of(claim), one["name"])


def _slice_keys(resource_slice: Object, caches: Caches) -> Iterable[Key]:
    (pool,) = by_pool(resource_slice)
    for claim in caches[RESOURCE_CLAIMS].by(_BY_POOL, pool):
        yield from _claim_keys(claim, caches)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    return own_key(pod, caches) if pod["spec"].get("resourceClaims") else ()


def device_taint_eviction() -> Controller[View]:
    """Return the controller, with a memory of its own."""
    return Controller(
        name="device-taint-eviction-controller",
        watches=(
            Watch(PODS, _pod_keys),
            Watch(RESOURCE_CLAIMS, _claim_keys, {_BY_POOL: by_given_pool}),
            Watch(RESOURCE_SLICES, _slice_keys, {_BY_POOL: by_pool}),
        ),
        view=Schedule().view,
        reconcile=reconcile,
    )
