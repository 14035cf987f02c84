"""Rules for quotas and limit ranges."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import compare, parse
from roost.api.validation import goform, resources
from roost.api.validation.causes import IMMUTABLE, Causes
from roost.api.validation.rules import Rules
from roost.api.values import Object

_SCOPES = (
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass",
    "CrossNamespacePodAffinity", "VolumeAttributesClass",
)  # fmt: skip
_WITHOUT_VALUES = (
    "BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity",
)  # fmt: skip
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_POD_COMPUTE = (
    "cpu", "memory", "ephemeral-storage", "pods", "requests.cpu", "requests.memory",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
)  # fmt: skip
_NOT_FOR_POD = "may not be specified when `type` is 'Pod'"
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
    "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
    "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _amounts(values: Object | None, path: str, causes: Causes) -> None:
    for name, value in sorted((values or {}).items()):
        resources.quota_resource_name(name, f"{path}[{name}]", causes)
        resources.quantity(name, value, f"{path}[{name}]", causes)


def _fits(scope: str, name: str) -> bool:
    """Tell whether a quota of this scope can limit a resource (one of Kubernetes' own)."""
    if not resources.is_quota_name(name):
        return True
    if scope == "BestEffort":
        return name == "pods"
    if scope == "VolumeAttributesClass":
        return name in ("persistentvolumeclaims", "requests.storage")
    if scope in _SCOPES:
        return name in _POD_COMPUTE or name.startswith(("hugepages-", "requests.hugepages-"))
    return True


def _quota(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    hard = spec.get("hard") or {}
    _amounts(hard, "spec.hard", causes)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.invalid("spec.scopes", scopes, "unsupported scope")
        for name in sorted(hard):
            if not _fits(scope, name):
                causes.invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    _conflicts(scopes, scopes, causes)
    if spec.get("scopeSelector") is not None:
        _selector(spec, hard, causes)


def _conflicts(found: list[str], shown: list[str], causes: Causes) -> None:
    for pair in _CONFLICTS:
        if all(scope in found for scope in pair):
            causes.invalid("spec.scopes", shown or None, "conflicting scopes")


def _selector(spec: Object, hard: Object, causes: Causes) -> None:
    path, seen = "spec.scopeSelector.matchExpressions", []
    for requirement in spec["scopeSelector"].get("matchExpressions") or ():
        scope, operator = requirement.get("scopeName") or "", requirement.get("operator") or ""
        values = requirement.get("values") or []
        seen.append(scope)
        if scope not in _SCOPES:
            causes.invalid(f"{path}.scopeName", scope, "unsupported scope")
        for name in sorted(hard):
            if not _fits(scope, name):
                text = "unsupported scope applied to resource"
                causes.invalid(path, goform.SCOPE_SELECTOR.show(spec["scopeSelector"]), text)
        if scope in _WITHOUT_VALUES and operator != "Exists":
            causes.invalid(f"{path}.operator", operator, _ONLY_EXISTS)
        if operator in ("In", "NotIn"):
            if not values:
                text = (
                    "must be at least one value when `operator` is 'In' or 'NotIn' "
                    "for scope selector"
                )
                causes.required(f"{path}.values", text)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = (
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' "
                    "for scope selector"
                )
                causes.invalid(f"{path}.values", values, text)
        else:
            causes.invalid(f"{path}.operator", operator, "not a valid selector operator")
    _conflicts(seen, spec.get("scopes") or [], causes)


def _quota_update(change: Change, causes: Causes) -> None:
    new = (change.object.get("spec") or {}).get("scopes") or []
    old = ((change.old or {}).get("spec") or {}).get("scopes") or []
    if set(new) != set(old):
        causes.invalid("spec.scopes", new or None, IMMUTABLE)


def _quota_status(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    _amounts(status.get("hard"), "status.hard", causes)
    _amounts(status.get("used"), "status.used", causes)


def _limit_range(change: Change, causes: Causes) -> None:
    seen: set[str] = set()
    for index, limit in enumerate((change.object.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type") or ""
        faults = names.check_qualified_name(kind)
        causes.faults(f"{path}.type", kind, faults)
        known = ("Pod", "Container", "PersistentVolumeClaim")
        if not faults and "/" not in kind and kind not in known:
            text = "must be a standard limit type or fully qualified"
            causes.invalid(f"{path}.type", kind, text)
        if kind in seen:
            causes.duplicate(f"{path}.type", kind)
        seen.add(kind)
        _limit(limit, kind, path, causes)


def _limit(limit: Object, kind: str, path: str, causes: Causes) -> None:
    rule = resources.resource_name
    if kind in ("Pod", "Container"):
        rule = resources.container_resource_name
    used: set[str] = set()

    def check(key: str) -> None:
        for name in sorted(limit.get(key) or ()):
            rule(name, f"{path}.{key}[{name}]", causes)
            used.add(name)

    check("max")
    check("min")
    if kind == "Pod":
        for key in ("default", "defaultRequest"):
            if limit.get(key):
                causes.forbidden(f"{path}.{key}", _NOT_FOR_POD)
    else:
        check("default")
        check("defaultRequest")
    stored = {*(limit.get("min") or ()), *(limit.get("max") or ())}
    if kind == "PersistentVolumeClaim" and "storage" not in stored:
        text = "either minimum or maximum storage value is required, but neither was provided"
        causes.required(f"{path}.limits", text)
    check("maxLimitRequestRatio")
    for name in sorted(used):
        _order(limit, kind, name, path, causes)


def _order(limit: Object, kind: str, name: str, path: str, causes: Causes) -> None:
    def amount(key: str) -> str | None:
        if kind == "Pod" and key in ("default", "defaultRequest"):
            return None
        found: str | None = (limit.get(key) or {}).get(name)
        return found

    low, high = amount("min"), amount("max")
    default, request, ratio = (
        amount("default"),
        amount("defaultRequest"),
        amount("maxLimitRequestRatio"),
    )

    def over(key: str, shown: str, a: tuple[str, str | None], b: tuple[str, str | None]) -> None:
        if a[1] is not None and b[1] is not None and compare(a[1], b[1]) > 0:
            text = f"{a[0]} value {a[1]} is greater than {b[0]} value {b[1]}"
            causes.invalid(f"{path}.{key}[{name}]", shown, text)

    over("min", low or "", ("min", low), ("max", high))
    over("defaultRequest", request or "", ("min", low), ("default request", request))
    over("defaultRequest", request or "", ("default request", request), ("max", high))
    over("defaultRequest", request or "", ("default request", request), ("default limit", default))
    over("default", low or "", ("min", low), ("default", default))
    over("default", high or "", ("default", default), ("max", high))
    if ratio is not None:
        where = f"{path}.maxLimitRequestRatio[{name}]"
        if compare(ratio, "1") < 0:
            causes.invalid(where, ratio, f"ratio {ratio} is less than 1")
        if low is not None and high is not None and parse(low) > 0:
            most = float(parse(high)) / float(parse(low))
            if float(parse(ratio)) > most:
                text = f"ratio {ratio} is greater than max/min = {most:f}"
                causes.invalid(where, ratio, text)
    same = default is None or request is None or not compare(default, request)
    if not resources.may_overcommit(name) and not same:
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        causes.invalid(f"{path}.defaultRequest[{name}]", request, text)


RESOURCE_QUOTA = Rules(
    always=_quota, update=_quota_update, status=_quota_status, whole=False, before=True
)
LIMIT_RANGE = Rules(always=_limit_range)
