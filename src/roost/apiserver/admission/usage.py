"""What an object costs in the resources that quotas count, and which quotas count it.

Pure: the numbers behind the ResourceQuota plugin, and what a controller that recounts needs too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from roost.api.quantity import Written, is_zero
from roost.api.values import Object
from roost.apiserver.admission.base import spec_of
from roost.apiserver.admission.podresources import Amounts, pod_limits, pod_requests

_COUNTED_BY_NAME = frozenset(
    (
        "configmaps",
        "persistentvolumeclaims",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    )
)
#: Resources of a pod that each of its containers must state if a quota limits them.
_STATED = (
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
)
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
_NATIVE = ("cpu", "memory", "ephemeral-storage")


def usage_of(group: str, plural: str, obj: Object) -> Amounts:
    """Return what one object uses: resource name of quotas -> amount."""
    count = f"count/{plural}.{group}" if group else f"count/{plural}"
    usage: Amounts = {count: 1}
    if not group and plural in _COUNTED_BY_NAME:
        usage[plural] = 1
    reader = _READERS.get((group, plural))
    if reader is not None:
        usage |= reader(obj)
    return usage


def _pod_usage(pod: Object) -> Amounts:
    # What has ended costs nothing but its entry.
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return {}
    return {"pods": 1, **_compute(pod_requests(spec_of(pod)), pod_limits(spec_of(pod)))}


def _compute(requests: Mapping[str, Written], limits: Mapping[str, Written]) -> Amounts:
    found: Amounts = {}
    for name, value in requests.items():
        if name in _NATIVE or name.startswith("hugepages-"):
            found[name] = value
            found[f"requests.{name}"] = value
        elif "/" in name:
            found[f"requests.{name}"] = value
    for name, value in limits.items():
        if name in _NATIVE:
            found[f"limits.{name}"] = value
    return found


def _service_usage(service: Object) -> Amounts:
    spec = service.get("spec") or {}
    kind, ports = spec.get("type"), len(spec.get("ports") or ())
    if kind == "NodePort":
        return {"services.nodeports": ports}
    if kind != "LoadBalancer":
        return {}
    if spec.get("allocateLoadBalancerNodePorts") is False:
        ports = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
    return {"services.nodeports": ports, "services.loadbalancers": 1}


def _claim_usage(claim: Object) -> Amounts:
    spec = claim.get("spec") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    usage: Amounts = {}
    if asked is not None:
        usage["requests.storage"] = asked
    annotations = claim["metadata"].get("annotations") or {}
    name = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get(
        "storageClassName"
    )
    if name:
        usage[f"{name}{_CLASS_SUFFIX}persistentvolumeclaims"] = 1
        if asked is not None:
            usage[f"{name}{_CLASS_SUFFIX}requests.storage"] = asked
    return usage


_READERS: Mapping[tuple[str, str], Callable[[Object], Amounts]] = {
    ("", "pods"): _pod_usage,
    ("", "services"): _service_usage,
    ("", "persistentvolumeclaims"): _claim_usage,
}


def constraint_fault(group: str, plural: str, obj: Object, hard: Iterable[str]) -> str | None:
    """Return which containers of a pod leave out what a quota limits: `must specify ...`."""
    if (group, plural) != ("", "pods"):
        return None
    required = [name for name in _STATED if name in set(hard)]
    lacking: dict[str, list[str]] = {}
    spec = spec_of(obj)
    whole = spec.get("resources") or {}
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            own = container.get("resources") or {}
            stated = _compute(
                {**(whole.get("requests") or {}), **(own.get("requests") or {})},
                {**(whole.get("limits") or {}), **(own.get("limits") or {})},
            )
            for name in required:
                if name not in stated:
                    lacking.setdefault(name, []).append(container.get("name", ""))
    if not lacking:
        return None
    parts = [f"{name} for: {','.join(sorted(who))}" for name, who in sorted(lacking.items())]
    return "must specify " + "; ".join(parts)


# ------------------------------------------------------------------ scopes


def quota_matches(quota_spec: Object, group: str, plural: str, obj: Object) -> bool:
    """Does a quota, by its scopes, count an object?"""
    wanted: list[Object] = [
        {"scopeName": name, "operator": "Exists"} for name in quota_spec.get("scopes") or ()
    ]
    selector = quota_spec.get("scopeSelector") or {}
    wanted += selector.get("matchExpressions") or ()
    return all(_in_scope(item, group, plural, obj) for item in wanted)


def _in_scope(wanted: Object, group: str, plural: str, obj: Object) -> bool:
    name = wanted["scopeName"]
    if (group, plural) == ("", "persistentvolumeclaims") and name == "VolumeAttributesClass":
        return _selects(wanted, spec_of(obj).get("volumeAttributesClassName"))
    if (group, plural) != ("", "pods"):
        return False
    if name == "PriorityClass":
        return _selects(wanted, spec_of(obj).get("priorityClassName"))
    check = _POD_SCOPES.get(name)
    return check is not None and check(spec_of(obj))


def _selects(wanted: Object, value: str | None) -> bool:
    operator, values = wanted.get("operator"), wanted.get("values") or ()
    if operator == "Exists":
        return bool(value)
    if operator == "DoesNotExist":
        return not value
    return (value in values) if operator == "In" else (value not in values)


def _terminates(spec: Object) -> bool:
    return spec.get("activeDeadlineSeconds") is not None


def _is_best_effort(spec: Object) -> bool:
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for holder in holders:
        resources = holder.get("resources") or {}
        for field in ("requests", "limits"):
            asked = resources.get(field) or {}
            if any(not is_zero(asked[name]) for name in ("cpu", "memory") if name in asked):
                return False
    return True


def _crosses_namespaces(spec: Object) -> bool:
    affinity = spec.get("affinity") or {}
    for field in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(field) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        terms += [
            item["podAffinityTerm"]
            for item in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ]
        if any(
            term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms
        ):
            return True
    return False


_POD_SCOPES: Mapping[str, Callable[[Object], bool]] = {
    "Terminating": _terminates,
    "NotTerminating": lambda spec: not _terminates(spec),
    "BestEffort": _is_best_effort,
    "NotBestEffort": lambda spec: not _is_best_effort(spec),
    "CrossNamespacePodAffinity": _crosses_namespaces,
}
