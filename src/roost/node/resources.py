"""What a pod and its containers ask for and may use, and the quality of service that follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api import quantity
from roost.api.values import Object
from roost.node import podspec
from roost.node.podspec import Role
from roost.runtimes.port import Limits

_QOS_RESOURCES = ("cpu", "memory")
_GUARANTEED_SCORE = -997
_CRITICAL_PRIORITY = 2_000_000_000


def of_container(container: Object, field: str) -> dict[str, quantity.Exact]:
    """Return `requests` or `limits` of a container as exact numbers; requests default to limits."""
    resources = container.get("resources") or {}
    found = dict(resources.get("limits") or {}) if field == "requests" else {}
    found.update(resources.get(field) or {})
    return {name: quantity.parse(written) for name, written in found.items()}


def _add(total: dict[str, quantity.Exact], more: dict[str, quantity.Exact]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _max(total: dict[str, quantity.Exact], other: dict[str, quantity.Exact]) -> None:
    for name, amount in other.items():
        total[name] = max(total.get(name, 0), amount)


def of_pod(pod: Object, field: str = "requests") -> dict[str, quantity.Exact]:
    """Return what the whole pod requests (or is limited to), as the scheduler counts it.

    The larger of: main containers and sidecars together; any init container together with the
    sidecars before it. Pod-level resources replace the sum; the overhead comes on top.
    """
    total: dict[str, quantity.Exact] = {}
    for container in podspec.main_containers(pod):
        _add(total, of_container(container, field))
    sidecars: dict[str, quantity.Exact] = {}
    peak: dict[str, quantity.Exact] = {}
    for container in podspec.init_containers(pod):
        own = of_container(container, field)
        if podspec.init_role(container) is Role.SIDECAR:
            _add(sidecars, own)
            _max(peak, sidecars)
        else:
            _add(own, sidecars)
            _max(peak, own)
    _add(total, sidecars)
    _max(total, peak)
    total.update(of_container(pod["spec"], field))
    for name, written in (pod["spec"].get("overhead") or {}).items():
        if field == "requests" or name in total:
            total[name] = total.get(name, 0) + quantity.parse(written)
    return total


def _all_containers(pod: Object) -> Iterable[Object]:
    yield from podspec.init_containers(pod)
    yield from podspec.main_containers(pod)


def qos_class(pod: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort: what the API says, for it never changes."""
    known: str = (pod.get("status") or {}).get("qosClass") or ""
    if known:
        return known
    owners = [pod["spec"]] if pod["spec"].get("resources") else list(_all_containers(pod))
    mentioned = False
    guaranteed = True
    for owner in owners:
        limits = of_container(owner, "limits")
        requests = of_container(owner, "requests")
        for name in _QOS_RESOURCES:
            limit, request = limits.get(name, 0), requests.get(name, 0)
            mentioned = mentioned or limit > 0 or request > 0
            guaranteed = guaranteed and limit > 0 and limit == request
    if not mentioned:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def is_critical(pod: Object) -> bool:
    """Tell whether the cluster cannot do without the pod, so that the node never gives it up."""
    return bool((pod["spec"].get("priority") or 0) >= _CRITICAL_PRIORITY)


def oom_score_adj(pod: Object, container: Object, memory_bytes: int) -> int:
    """Return how ready the kernel is to kill the container, on a node with that much memory."""
    if is_critical(pod):
        return _GUARANTEED_SCORE
    qos = qos_class(pod)
    if qos == "Guaranteed":
        return _GUARANTEED_SCORE
    if qos == "BestEffort":
        return 1000
    request = of_container(container, "requests").get("memory", 0)
    score = 1000 - int(1000 * request / memory_bytes) if memory_bytes else 999
    return min(999, max(1000 + _GUARANTEED_SCORE, score))


def _limits(
    limits: dict[str, quantity.Exact], requests: dict[str, quantity.Exact], score: int
) -> Limits:
    cpu, memory, request = limits.get("cpu"), limits.get("memory"), requests.get("cpu")
    return Limits(
        cpu_millis=None if not cpu else -int(-cpu * 1000 // 1),
        cpu_request_millis=None if not request else -int(-request * 1000 // 1),
        memory_bytes=None if not memory else int(memory),
        oom_score_adj=score,
    )


def container_limits(pod: Object, container: Object, memory_bytes: int) -> Limits:
    """Return the limits of one container on a node with that much memory."""
    limits, requests = of_container(container, "limits"), of_container(container, "requests")
    return _limits(limits, requests, oom_score_adj(pod, container, memory_bytes))


def pod_limits(pod: Object) -> Limits:
    """Return the limits of the whole pod: the sum, where every container has that limit."""
    limits = of_pod(pod, "limits")
    if not (pod["spec"].get("resources") or {}).get("limits"):
        for name in _QOS_RESOURCES:
            if any(name not in of_container(one, "limits") for one in _all_containers(pod)):
                limits.pop(name, None)
    return _limits(limits, of_pod(pod), 0)
