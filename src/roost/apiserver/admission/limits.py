"""LimitRanger: limits of a namespace fill in what pods leave out, and bound what they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from roost.api.kind import Resource
from roost.api.quantity import Written, compare, is_zero, parse
from roost.api.values import Object
from roost.apiserver.admission.base import (
    CLAIMS,
    PODS,
    Base,
    is_creation,
    refuse,
    resource_of,
    spec_of,
)
from roost.apiserver.admission.podresources import pod_limits, pod_requests
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

LIMITS = Resource("", "v1", "limitranges")
ANNOTATION = "kubernetes.io/limit-ranger"

_Amounts = Mapping[str, Written]


class LimitRanger(Base):
    """Applies every LimitRange of the namespace."""

    name = "LimitRanger"
    resources = frozenset({PODS, CLAIMS})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, PODS):
            return
        pod = request.object
        assert pod is not None
        for limits in await lookup.list(LIMITS, request.namespace):
            _fill(pod, limits)

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if not _concerns(request):
            return
        obj = request.object
        assert obj is not None
        if obj["metadata"].get("deletionTimestamp"):
            return
        faults_of = _pod_faults if resource_of(request) == PODS else _claim_faults
        for limits in await lookup.list(LIMITS, request.namespace):
            items = limits["spec"].get("limits") or ()
            told = dict.fromkeys(fault for item in items for fault in faults_of(item, obj))
            faults = list(told)  # what several containers do wrong is said once
            if faults:
                raise refuse(
                    request, faults[0] if len(faults) == 1 else "[" + ", ".join(faults) + "]"
                )


def _concerns(request: Admission) -> bool:
    """Pods when they are made or resized; claims whenever they are written."""
    if resource_of(request) == CLAIMS:
        return request.operation in ("CREATE", "UPDATE") and not request.subresource
    resized = request.operation == "UPDATE" and request.subresource == "resize"
    return resized or is_creation(request, PODS)


# ------------------------------------------------------------------ filling in


def _fill(pod: Object, limits: Object) -> None:
    default_limits: dict[str, str] = {}
    default_requests: dict[str, str] = {}
    for item in limits["spec"].get("limits") or ():
        if item.get("type") == "Container":
            default_limits |= item.get("default") or {}
            default_requests |= item.get("defaultRequest") or {}
    if not default_limits and not default_requests:
        return
    notes: list[str] = []
    spec = spec_of(pod)
    for field, what in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(field) or ():
            resources = container.setdefault("resources", {})
            for name, key, defaults in (
                ("request", "requests", default_requests),
                ("limit", "limits", default_limits),
            ):
                added = _merge(resources, key, defaults)
                if added:
                    notes.append(
                        f"{', '.join(added)} {name} for {what} {container.get('name', '')}"
                    )
    if notes:
        annotations = pod["metadata"].get("annotations") or {}
        text = "LimitRanger plugin set: " + "; ".join(notes)
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: text}


def _merge(resources: Object, key: str, defaults: Mapping[str, str]) -> list[str]:
    own = resources.get(key) or {}
    added = sorted(name for name in defaults if name not in own)
    if added:
        resources[key] = {**own, **{name: defaults[name] for name in added}}
    return added


# ------------------------------------------------------------------ bounds


def _pod_faults(item: Object, pod: Object) -> Iterator[str]:
    kind = item.get("type", "")
    if kind == "Container":
        spec = spec_of(pod)
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            yield from _bounds(item, resources.get("requests") or {}, resources.get("limits") or {})
    elif kind == "Pod":
        yield from _bounds(item, pod_requests(spec_of(pod)), pod_limits(spec_of(pod)))


def _claim_faults(item: Object, claim: Object) -> Iterator[str]:
    if item.get("type") != "PersistentVolumeClaim":
        return
    asked = (spec_of(claim).get("resources") or {}).get("requests") or {}
    for resource, bound in _sorted(item.get("min")):
        if fault := _too_small("PersistentVolumeClaim", resource, bound, asked, {}):
            yield fault
    for resource, bound in _sorted(item.get("max")):
        text = f"maximum {resource} usage per PersistentVolumeClaim is {bound}"
        if resource not in asked:
            yield f"{text}.  No request is specified"
        elif compare(asked[resource], bound) > 0:
            yield f"{text}, but request is {asked[resource]}"


def _bounds(item: Object, requests: _Amounts, limits: _Amounts) -> Iterator[str]:
    kind = item["type"]
    for check, bounds in (
        (_too_small, item.get("min")),
        (_too_large, item.get("max")),
        (_too_uneven, item.get("maxLimitRequestRatio")),
    ):
        for resource, bound in _sorted(bounds):
            if fault := check(kind, resource, bound, requests, limits):
                yield fault


def _sorted(bounds: _Amounts | None) -> Iterable[tuple[str, Written]]:
    return sorted((bounds or {}).items())


def _too_small(
    kind: str, resource: str, bound: Written, requests: _Amounts, limits: _Amounts
) -> str | None:
    text = f"minimum {resource} usage per {kind} is {bound}"
    if resource not in requests:
        return f"{text}.  No request is specified"
    if compare(requests[resource], bound) < 0:
        return f"{text}, but request is {requests[resource]}"
    if resource in limits and compare(limits[resource], bound) < 0:
        return f"{text}, but limit is {limits[resource]}"
    return None


def _too_large(
    kind: str, resource: str, bound: Written, requests: _Amounts, limits: _Amounts
) -> str | None:
    text = f"maximum {resource} usage per {kind} is {bound}"
    if resource not in limits:
        return f"{text}.  No limit is specified"
    if compare(limits[resource], bound) > 0:
        return f"{text}, but limit is {limits[resource]}"
    if resource in requests and compare(requests[resource], bound) > 0:
        return f"{text}, but request is {requests[resource]}"
    return None


def _too_uneven(
    kind: str, resource: str, bound: Written, requests: _Amounts, limits: _Amounts
) -> str | None:
    text = f"{resource} max limit to request ratio per {kind} is {bound}"
    if resource not in requests or is_zero(requests[resource]):
        return f"{text}, but no request is specified or request is 0"
    if resource not in limits or is_zero(limits[resource]):
        return f"{text}, but no limit is specified or limit is 0"
    ratio = parse(limits[resource]) / parse(requests[resource])
    return f"{text}, but provided ratio is {float(ratio):f}" if ratio > parse(bound) else None
