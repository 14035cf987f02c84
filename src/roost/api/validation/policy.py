"""Rules for disruption budgets, priorities, runtime classes and leases."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import resources, scheduling
from roost.api.validation.causes import Causes, Structure
from roost.api.validation.conditions import conditions
from roost.api.validation.numbers import at_most_all, count_or_percent
from roost.api.validation.podwarnings import NODE_LABELS
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector, shown_selector

_ELECTION = "OldestEmulationVersion"
#: What makes tolerations of a class the same.
_TOLERATION_KEYS = ("key", "operator", "value", "effect")
_EVICTION = ("AlwaysAllow", "IfHealthyBudget")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_HIGHEST = 1_000_000_000
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def _budget(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        shown = Structure(
            MinAvailable=low,
            Selector=shown_selector(spec.get("selector")),
            MaxUnavailable=high,
            UnhealthyPodEvictionPolicy=spec.get("unhealthyPodEvictionPolicy"),
        )
        causes.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            count_or_percent(value, f"spec.{key}", causes)
            at_most_all(value, f"spec.{key}", causes)
    label_selector(spec.get("selector"), "spec.selector", causes)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION:
        causes.not_supported("spec.unhealthyPodEvictionPolicy", policy, _EVICTION)


def _budget_status(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    conditions(status.get("conditions") or [], "status.conditions", causes)
    for key in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        causes.not_negative(f"status.{key}", status.get(key))


def _priority(change: Change, causes: Causes) -> None:
    value = change.object
    name, number = value["metadata"].get("name") or "", value.get("value") or 0
    if name.startswith("system-"):
        known = _SYSTEM.get(name)
        fault = ""
        if known is None:
            fault = f"{name} is not a known system priority class"
        elif known != number:
            fault = f"value of {name} PriorityClass must be {known}"
        elif value.get("globalDefault"):
            fault = f"globalDefault of {name} PriorityClass must be false"
        if fault:
            rule = "priority class names with 'system-' prefix are reserved for system use only."
            causes.forbidden("metadata.name", f"{rule} error: {fault}")
    elif number > _HIGHEST:
        text = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        causes.forbidden("value", text)
    policy = value.get("preemptionPolicy")
    if policy is not None:
        causes.one_of("preemptionPolicy", policy, _PREEMPTION)


def _priority_update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    if (new.get("value") or 0) != (old.get("value") or 0):
        causes.forbidden("value", "may not be changed in an update.")
    policy = new.get("preemptionPolicy")
    causes.unchanged("preemptionPolicy", policy, old.get("preemptionPolicy"))


def _runtime_class(change: Change, causes: Causes) -> None:
    value = change.object
    handler = value.get("handler") or ""
    if not handler:
        causes.required("handler")
    else:
        causes.faults("handler", handler, names.check_label(handler))
    overhead = (value.get("overhead") or {}).get("podFixed")
    if overhead:
        resources.requirements({"limits": overhead}, "overhead", causes)
    where = value.get("scheduling") or {}
    if where.get("nodeSelector"):
        causes.extend(names.check_labels(where["nodeSelector"], "scheduling.nodeSelector"))
    tolerations = where.get("tolerations") or []
    scheduling.tolerations(tolerations, "scheduling.tolerations", causes)
    seen: set[tuple[str, ...]] = set()
    for index, toleration in enumerate(tolerations):
        same = tuple(toleration.get(key) or "" for key in _TOLERATION_KEYS)
        if same in seen:
            shown = Structure(zip(("Key", "Operator", "Value", "Effect"), same, strict=True))
            shown["TolerationSeconds"] = toleration.get("tolerationSeconds")
            causes.duplicate(f"scheduling.tolerations[{index}]", shown)
        seen.add(same)


def _runtime_class_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("handler") or "", (change.old or {}).get("handler") or ""
    causes.unchanged("handler", new, old)


def _runtime_class_warnings(change: Change) -> None:
    selector = (change.object.get("scheduling") or {}).get("nodeSelector") or {}
    advice = [NODE_LABELS[key] for key in sorted(selector) if key in NODE_LABELS]
    change.warnings.extend(f"scheduling.nodeSelector: {text}" for text in advice)


def _lease(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    causes.not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
    strategy, preferred = spec.get("strategy"), spec.get("preferredHolder")
    if strategy is not None and "/" in strategy:
        causes.faults("spec.strategy", strategy, names.check_qualified_name(strategy))
    elif strategy is not None and strategy != _ELECTION:
        causes.not_supported("spec.strategy", strategy, (_ELECTION,))
    if preferred and not strategy:
        text = "may only be specified if `strategy` is defined"
        causes.forbidden("spec.preferredHolder", text)


POD_DISRUPTION_BUDGET = Rules(always=_budget, status=_budget_status, whole=False)
PRIORITY_CLASS = Rules(create=_priority, update=_priority_update, namespaced=False, whole=False)
RUNTIME_CLASS = Rules(
    create=_runtime_class,
    update=_runtime_class_update,
    warn=_runtime_class_warnings,
    namespaced=False,
    whole=False,
)
LEASE = Rules(always=_lease, whole=False)
