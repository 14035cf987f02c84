"""Facts about pods that controllers, the scheduler and the node agent share. Pure.

Words as in Kubernetes: a pod is *ready* when its Ready condition is true, *available* when it has been
ready for minReadySeconds, *active* while it has not finished and is not being deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _restarts(pod: Object) -> int:
    status = pod.get("status") or {}
    counts = [c.get("restartCount", 0) for c in status.get("containerStatuses") or ()]
    counts += [
        c.get("restartCount", 0)
        for c, spec in zip(
            status.get("initContainerStatuses") or (),
            pod["spec"].get("initContainers") or (),
            strict=False,
        )
        if spec.get("restartPolicy") == "Always"
    ]
    return max(counts, default=0)


_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def _age_bucket(since: float, now: float) -> int:
    """Return the binary logarithm of an age in nanoseconds: close ages count as equal."""
    return int(max(now - since, 0.0) * 1e9).bit_length()


def victim_rank(pod: Object, related: int, now: float) -> tuple[Any, ...]:
    """Return a key that sorts the pods that a replica set gives up first to the front.

    In turn: not bound, Pending before Unknown before Running, not ready, lower deletion cost, more
    related pods on its node (`related`), ready for a shorter time, more restarts, younger, uid.
    """
    is_ready = ready(pod)
    condition = ready_condition(pod)
    since = seconds_of((condition or {}).get("lastTransitionTime")) if is_ready else 0.0
    return (
        bool(node_of(pod)),
        _PHASE_RANK.get(phase_of(pod), 2),
        is_ready,
        _deletion_cost(pod),
        -related,
        _age_bucket(since, now) if is_ready else 0,
        -_restarts(pod),
        _age_bucket(created_at(pod), now),
        pod["metadata"].get("uid", ""),
    )
