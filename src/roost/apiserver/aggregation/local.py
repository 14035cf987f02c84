"""The APIService objects of what this server serves itself: one for each group version. Pure.

The numbers order discovery, and are those of the real server.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from roost.api.kind import Resource
from roost.api.values import Object

GROUP: Final = "apiregistration.k8s.io"
APISERVICES: Final = Resource(GROUP, "v1", "apiservices")
MANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
#: Values of that label: made at the start, or kept equal to a CustomResourceDefinition.
ON_START: Final = "onstart"
KEPT: Final = "true"

#: group -> (priority of the group, {version: priority})
_PRIORITIES: Final = {
    "": (18000, {"v1": 1}),
    "apps": (17800, {"v1": 15}),
    "events.k8s.io": (17750, {"v1": 15}),
    "authentication.k8s.io": (17700, {"v1": 15}),
    "authorization.k8s.io": (17600, {"v1": 15}),
    "autoscaling": (17500, {"v1": 15, "v2": 30}),
    "batch": (17400, {"v1": 15}),
    "certificates.k8s.io": (17300, {"v1": 15}),
    "networking.k8s.io": (17200, {"v1": 15}),
    "policy": (17100, {"v1": 15}),
    "rbac.authorization.k8s.io": (17000, {"v1": 15}),
    "storage.k8s.io": (16800, {"v1": 15}),
    "apiextensions.k8s.io": (16700, {"v1": 15}),
    "admissionregistration.k8s.io": (16700, {"v1": 15}),
    "scheduling.k8s.io": (16600, {"v1": 15}),
    "coordination.k8s.io": (16500, {"v1": 15}),
    "node.k8s.io": (16300, {"v1": 15}),
    "discovery.k8s.io": (16200, {"v1": 15}),
    "resource.k8s.io": (16200, {"v1": 20}),
    "flowcontrol.apiserver.k8s.io": (16100, {"v1": 21}),
    "metrics.k8s.io": (100, {"v1beta1": 100}),
}
_CUSTOM: Final = (1000, 100)


def name_of(group: str, version: str) -> str:
    return f"{version}.{group}"


def service_of(group: str, version: str) -> Object | None:
    """Return the APIService of a group version that is served here; its own group has none."""
    if group == GROUP:
        return None
    known = _PRIORITIES.get(group)
    if known is not None and version in known[1]:
        priority, rank, managed = known[0], known[1][version], ON_START
    else:
        (priority, rank), managed = _CUSTOM, KEPT
    spec: Object = {"version": version, "groupPriorityMinimum": priority, "versionPriority": rank}
    if group:
        spec["group"] = group
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "APIService",
        "metadata": {"name": name_of(group, version), "labels": {MANAGED: managed}},
        "spec": spec,
    }


def wanted(served: Iterable[tuple[str, str]]) -> dict[str, Object]:
    """Return the APIServices of group versions, by name."""
    found = (service_of(group, version) for group, version in served)
    return {service["metadata"]["name"]: service for service in found if service is not None}


def is_local(service: Object) -> bool:
    return not (service.get("spec") or {}).get("service")


def is_managed(service: Object) -> bool:
    """Does the server make and remove this object by itself?"""
    return (service["metadata"].get("labels") or {}).get(MANAGED) in (ON_START, KEPT)


def local_condition() -> Object:
    """Return the condition of what is served here, without its time."""
    return condition("Local", "Local APIServices are always available")


def condition(reason: str, message: str, *, available: bool = True) -> Object:
    """Return an Available condition, without its time."""
    status = "True" if available else "False"
    return {"type": "Available", "status": status, "reason": reason, "message": message}
