"""Facts about pods that controllers, the scheduler and the node agent share. Pure.

Words as in Kubernetes: a pod is *ready* when its Ready condition is true, *available* when it has been
ready for minReadySeconds, *active* while it has not finished and is not being deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cmp_to_key
from typing import Any

from roost.api.numerals import whole
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import created_at, deleting, seconds_of

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def phase_of(pod: Object) -> str:
    phase: str = (pod.get("status") or {}).get("phase") or "Pending"
    return phase


def finished(pod: Object) -> bool:
    """Say whether the pod has succeeded or failed for good."""
    return phase_of(pod) in {"Succeeded", "Failed"}


def active(pod: Object) -> bool:
    return not finished(pod) and not deleting(pod)


def node_of(pod: Object) -> str:
    """Return the node that the pod is bound to, "" if none."""
    node: str = pod["spec"].get("nodeName") or ""
    return node


def ready_condition(pod: Object) -> Object | None:
    return conditions.find((pod.get("status") or {}).get("conditions"), "Ready")


def ready(pod: Object) -> bool:
    condition = ready_condition(pod)
    return condition is not None and condition.get("status") == "True"


def available_at(pod: Object, min_ready_s: int) -> float | None:
    """Return when the pod is (or will be) available; None while it is not ready."""
    condition = ready_condition(pod)
    if condition is None or condition.get("status") != "True":
        return None
    if min_ready_s == 0:
        return 0.0
    since = seconds_of(condition.get("lastTransitionTime"))
    return since + min_ready_s if since else None


def available(pod: Object, min_ready_s: int, now: float) -> bool:
    at = available_at(pod, min_ready_s)
    return at is not None and at <= now


def next_available(pods: Iterable[Object], min_ready_s: int, now: float) -> float | None:
    """Return when the first pod that is ready but not yet available will be."""
    times = (available_at(pod, min_ready_s) for pod in pods)
    return min((at for at in times if at is not None and at > now), default=None)


def by_node(pod: Object) -> Iterable[str]:
    """Index: the node a pod is bound to ("" while it is not)."""
    return (node_of(pod),)


def by_address(pod: Object) -> Iterable[str]:
    """Index: every address of a pod."""
    return tuple(item["ip"] for item in (pod.get("status") or {}).get("podIPs", ()))


def _deletion_cost(pod: Object) -> int:
    """Return the cost that a pod says, 0 for what is no 32-bit integer as one writes it."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    cost = whole(text)
    if cost is None or str(cost) != text or not -(2**31) <= cost < 2**31:
        return 0
    return cost


def _most_restarts(pod: Object) -> tuple[int, int]:
    """Return the restarts of the container, and of the sidecar, that has the most of them."""
    status = pod.get("status") or {}
    sidecars = {
        one.get("name")
        for one in pod["spec"].get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }
    plain = [one.get("restartCount", 0) for one in status.get("containerStatuses") or ()]
    beside = [
        one.get("restartCount", 0)
        for one in status.get("initContainerStatuses") or ()
        if one.get("name") in sidecars
    ]
    return max(plain, default=0), max(beside, default=0)


_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def _progress(pod: Object) -> tuple[bool, int, bool]:
    """Return a key that sorts pods that came less far to the front."""
    return bool(node_of(pod)), _PHASE_RANK.get(phase_of(pod), 2), ready(pod)


def _ready_since(pod: Object) -> float:
    return seconds_of((ready_condition(pod) or {}).get("lastTransitionTime"))


def _youngest_first(moment_s: float) -> tuple[bool, float]:
    """Return a key that sorts what has no time to the front, and then the latest."""
    return bool(moment_s), -moment_s


def early_rank(pod: Object) -> tuple[Any, ...]:
    """Return a key that sorts the pods that a Job gives up first to the front.

    In turn: not bound, Pending before Unknown before Running, not ready, ready for a shorter time, more
    restarts (of its containers, then of its sidecars), younger.
    """
    plain, beside = _most_restarts(pod)
    since = _ready_since(pod) if ready(pod) else 0.0
    born = _youngest_first(created_at(pod))
    return (*_progress(pod), _youngest_first(since), -plain, -beside, born)


def _age_bucket(since: float, now: float) -> int:
    """Return the binary logarithm of an age in nanoseconds: close ages count as equal."""
    return int(max(now - since, 0.0) * 1e9).bit_length()


def victim_order(related: Callable[[Object], int], now: float) -> Callable[[Object], Any]:
    """Return a sort key that puts the pods that a replica set gives up first to the front.

    In turn: not bound, Pending before Unknown before Running, not ready, lower deletion cost, more
    `related` pods on its node, ready for a shorter time, more restarts, younger. Two times that differ
    by little count as equal, and then the uid decides, whatever would come after.
    """

    def compare(left: Object, right: Object) -> int:
        mine = (*_progress(left), _deletion_cost(left), -related(left))
        other = (*_progress(right), _deletion_cost(right), -related(right))
        if mine != other:
            return -1 if mine < other else 1
        if ready(left) and (by := _by_age(left, right, _ready_since, now)):
            return by
        one, two = _most_restarts(left), _most_restarts(right)
        if one != two:
            return -1 if one > two else 1
        return _by_age(left, right, created_at, now)

    return cmp_to_key(compare)


def _by_age(left: Object, right: Object, moment: Callable[[Object], float], now: float) -> int:
    one, two = moment(left), moment(right)
    if one == two:
        return 0
    if not one or not two:
        return -1 if not one else 1
    fresh = _age_bucket(one, now) - _age_bucket(two, now)
    if fresh:
        return fresh
    return -1 if left["metadata"].get("uid", "") < right["metadata"].get("uid", "") else 1
