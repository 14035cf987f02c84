"""Rules for amounts of resources: names, quantities, requests and limits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from typing import TypeAlias

from roost.api import names
from roost.api.quantity import compare, parse, to_int
from roost.api.validation.causes import NEGATIVE, Causes
from roost.api.values import Object

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
)  # fmt: skip
_FOR_QUOTA = frozenset(
    (
        *_COMPUTE,
        *(f"{which}.{name}" for which in ("requests", "limits") for name in _COMPUTE),
        *_COUNTED,
        "requests.storage",
    )
)
_STANDARD = _FOR_QUOTA | {"storage"}
_HUGE = "hugepages-"
NOT_AN_INTEGER = "must be an integer"

NameRule: TypeAlias = Callable[[str, str, Causes], None]


def is_huge_page(name: str) -> bool:
    """Tell whether a resource is huge pages of one size."""
    return name.startswith(_HUGE)


def _is_quota_huge_page(name: str) -> bool:
    return name.startswith((_HUGE, f"requests.{_HUGE}"))


def is_native(name: str) -> bool:
    """Tell whether a resource is Kubernetes' own: without a domain, or in kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def may_overcommit(name: str) -> bool:
    """Tell whether requests may be lower than limits."""
    return is_native(name) and not is_huge_page(name)


def is_extended(name: str) -> bool:
    """Tell whether a resource is a device or the like that somebody else counts."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.check_qualified_name(f"requests.{name}")


def is_quota_name(name: str) -> bool:
    """Tell whether a quota can be set for a resource without a domain."""
    return name in _FOR_QUOTA or _is_quota_huge_page(name)


def resource_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of any resource."""
    faults = names.check_qualified_name(name)
    causes.faults(path, name, faults)
    if faults or "/" in name or name in _STANDARD or _is_quota_huge_page(name):
        return
    causes.invalid(path, name, "must be a standard resource type or fully qualified")


def container_resource_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of a resource that a container uses."""
    if name in _COMPUTE:
        return
    resource_name(name, path, causes)
    if "/" not in name:
        if not is_huge_page(name):
            causes.invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        causes.invalid(path, name, "doesn't follow extended resource name standard")


def pod_resource_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of a resource that is set for a pod as a whole."""
    before = len(causes)
    resource_name(name, path, causes)
    if len(causes) == before and name not in ("cpu", "memory") and not is_huge_page(name):
        causes.not_supported(path, name, ("cpu", "hugepages-", "memory"))


def quota_resource_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of a resource that a quota limits."""
    resource_name(name, path, causes)
    if "/" not in name and not is_quota_name(name):
        causes.invalid(path, name, "must be a standard resource for quota")


def quantity(name: str, value: str, path: str, causes: Causes) -> None:
    """Check an amount: not negative, and whole where the resource is counted."""
    exact = parse(value)
    if exact < 0:
        causes.invalid(path, value, NEGATIVE)
    if not isinstance(exact, int) and (name in _COUNTED or is_extended(name)):
        causes.invalid(path, value, NOT_AN_INTEGER)


def _whole_pages(name: str, value: str, path: str, causes: Causes) -> None:
    try:
        page = to_int(name.removeprefix(_HUGE))
    except ValueError:
        page = 0
    if page <= 0 or Fraction(parse(value)) % page:
        causes.invalid(path, value, f"{value} is not positive integer multiple of {name}")


def requirements(
    value: Object | None,
    path: str,
    causes: Causes,
    *,
    claims: Collection[str] = (),
    name_rule: NameRule = container_resource_name,
) -> None:
    """Check requests and limits; `claims` are the names of the pod's resource claims."""
    if not value:
        return
    limits, requests = value.get("limits") or {}, value.get("requests") or {}
    for name in sorted(limits):
        _one(name, limits[name], f"{path}.limits[{name}]", causes, name_rule)
        if is_huge_page(name):
            _whole_pages(name, limits[name], f"{path}.limits[{name}]", causes)
    for name in sorted(requests):
        amount = requests[name]
        _one(name, amount, f"{path}.requests[{name}]", causes, name_rule)
        _within_limit(name, amount, limits.get(name), path, causes)
        if is_huge_page(name):
            _whole_pages(name, amount, f"{path}.requests[{name}]", causes)
    used = {*limits, *requests}
    if any(map(is_huge_page, used)) and not used & {"cpu", "memory"}:
        causes.forbidden(path, "HugePages require cpu or memory")
    if value.get("claims"):
        claim_names(value["claims"], claims, f"{path}.claims", causes)


def _one(name: str, value: str, path: str, causes: Causes, name_rule: NameRule) -> None:
    name_rule(name, path, causes)
    quantity(name, value, path, causes)


def _within_limit(name: str, value: str, limit: str | None, path: str, causes: Causes) -> None:
    if limit is None:
        if not may_overcommit(name):
            text = "Limit must be set for non overcommitable resources"
            causes.required(f"{path}.limits", text)
        return
    order = compare(value, limit)
    if order and not may_overcommit(name):
        causes.invalid(f"{path}.requests", value, f"must be equal to {name} limit of {limit}")
    elif order > 0:
        text = f"must be less than or equal to {name} limit of {limit}"
        causes.invalid(f"{path}.requests", value, text)


def claim_names(entries: list[Object], claims: Collection[str], path: str, causes: Causes) -> None:
    """Check which claims of the pod a container uses."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        here, name, request = f"{path}[{index}]", entry.get("name") or "", entry.get("request")
        if not name:
            causes.required(here)
            continue
        if name in seen:
            causes.duplicate(here, name)
        else:
            key = f"{name}/{request}" if request else name
            if request:
                causes.faults(f"{here}.request", request, names.check_label(request))
            if key in seen:
                causes.duplicate(here, key)
            elif not request:
                for other in seen:
                    if other.partition("/")[0] == name and "/" in other:
                        causes.duplicate(here, name)
            seen.add(key)
        if name not in claims:
            listed = ": " + ", ".join(sorted(claims)) if claims else " which is empty"
            detail = f"must be one of the names in pod.spec.resourceClaims{listed}"
            causes.not_found(here, name, detail)
