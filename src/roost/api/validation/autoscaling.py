"""Rules for HorizontalPodAutoscalers."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import parse
from roost.api.validation.causes import NEGATIVE, NOT_POSITIVE, Causes
from roost.api.validation.rules import Rules
from roost.api.values import Object

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_SOURCES = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = ("Utilization", "Value", "AverageValue")
_AT_LEAST_ONE = "must be greater than or equal to 1"
_WINDOW_MAX_S = 3600
_PERIOD_MAX_S = 1800
_TO_ZERO = "must specify at least one Object or External metric to support scaling to zero replicas"
_EITHER = "must set either a target value for metric or a per-pod target"
_OF_OBJECT = "must set either a target value or averageValue"
_RAW_OR_USE = "must set either a target raw value or a target utilization"


def _autoscaler(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 1:
        causes.invalid("spec.minReplicas", low, _AT_LEAST_ONE)
    if high < 1:
        causes.invalid("spec.maxReplicas", high, _AT_LEAST_ONE)
    if low is not None and high < low:
        text = "must be greater than or equal to `minReplicas`"
        causes.invalid("spec.maxReplicas", high, text)
    target = spec.get("scaleTargetRef") or {}
    same = target == ((change.old or {}).get("spec") or {}).get("scaleTargetRef")
    _reference(target, "spec.scaleTargetRef", causes, group=not same)
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        _metric(metric, f"spec.metrics[{index}]", causes)
    if low == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        causes.forbidden("spec.metrics", _TO_ZERO)
    for key in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(key)
        if rules is not None:
            _scaling(rules, f"spec.behavior.{key}", causes)


def _reference(value: Object, path: str, causes: Causes, *, group: bool = False) -> None:
    for key in ("kind", "name"):
        text = value.get(key)
        if not text:
            causes.required(f"{path}.{key}")
        else:
            causes.faults(f"{path}.{key}", text, names.check_path_segment(text))
    version = value.get("apiVersion") or ""
    if version.count("/") > 1:
        text = f"unexpected GroupVersion string: {version}"
        causes.invalid(f"{path}.apiVersion", version, text)
    elif group and "/" not in version and value.get("kind") != "ReplicationController":
        causes.invalid(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _metric(metric: Object, path: str, causes: Causes) -> None:
    kind = metric.get("type") or ""
    if not kind:
        causes.required(f"{path}.type", "must specify a metric source type")
    if kind not in _TYPES:
        causes.not_supported(f"{path}.type", kind, _TYPES)
    given = [key for key in _SOURCES if metric.get(key) is not None]
    if given:
        _source(given[0], metric[given[0]], f"{path}.{given[0]}", causes)
    expected = kind[:1].lower() + kind[1:]
    if kind not in _TYPES:
        causes.not_supported(f"{path}.type", kind, _TYPES)
    elif expected not in given:
        text = "must populate information for the given metric source"
        causes.required(f"{path}.{expected}", text)
    if len(given) != 1:
        for key in sorted(given):
            if key != expected:
                causes.forbidden(f"{path}.{key}", "must populate the given metric source only")


def _source(key: str, value: Object, path: str, causes: Causes) -> None:
    target = value.get("target") or {}
    if key == "object":
        _reference(value.get("describedObject") or {}, f"{path}.describedObject", causes)
    if key in ("object", "external", "pods"):
        _identifier(value.get("metric") or {}, f"{path}.metric", causes)
    else:
        if not value.get("name"):
            causes.required(f"{path}.name", "must specify a resource name")
        if key == "containerResource":
            _container(value.get("container") or "", f"{path}.container", causes)
    _target(target, f"{path}.target", causes)
    _needed_target(key, target, f"{path}.target", causes)


def _container(name: str, path: str, causes: Causes) -> None:
    if not name:
        causes.required(path, "must specify a container")
    else:
        causes.faults(path, name, names.check_label(name))


def _needed_target(key: str, target: Object, path: str, causes: Causes) -> None:
    raw, average = target.get("value"), target.get("averageValue")
    use = target.get("averageUtilization")
    if key == "pods":
        if average is None or parse(average) <= 0:
            text = "must specify a positive target averageValue"
            causes.required(f"{path}.averageValue", text)
    elif key in ("object", "external"):
        if raw is None and average is None:
            causes.required(f"{path}.averageValue", _OF_OBJECT if key == "object" else _EITHER)
        if key == "external" and raw is not None and average is not None:
            text = "may not set both a target value for metric and a per-pod target"
            causes.forbidden(f"{path}.value", text)
    else:
        if use is None and average is None:
            causes.required(f"{path}.averageUtilization", _RAW_OR_USE)
        if use is not None and average is not None:
            text = "may not set both a target raw value and a target utilization"
            causes.forbidden(f"{path}.averageValue", text)


def _identifier(metric: Object, path: str, causes: Causes) -> None:
    name = metric.get("name")
    if not name:
        causes.required(f"{path}.name", "must specify a metric name")
    else:
        causes.faults(f"{path}.name", name, names.check_path_segment(name))


def _target(target: Object, path: str, causes: Causes) -> None:
    kind = target.get("type") or ""
    if not kind:
        causes.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        causes.invalid(f"{path}.type", kind, text)
    for key in ("value", "averageValue"):
        amount = target.get(key)
        if amount is not None and parse(amount) <= 0:
            causes.invalid(f"{path}.{key}", amount, "must be positive")
    use = target.get("averageUtilization")
    if use is not None and use < 1:
        causes.invalid(f"{path}.averageUtilization", use, "must be greater than 0")


def _scaling(rules: Object, path: str, causes: Causes) -> None:
    window, choice = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None:
        where = f"{path}.stabilizationWindowSeconds"
        if window < 0:
            causes.invalid(where, window, "must be greater than or equal to zero")
        if window > _WINDOW_MAX_S:
            causes.invalid(where, window, f"must be less than or equal to {_WINDOW_MAX_S}")
    choices = ("Disabled", "Max", "Min")
    if choice is not None and choice not in choices:
        causes.not_supported(f"{path}.selectPolicy", choice, choices)
    policies = rules.get("policies") or []
    if not policies:
        causes.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        here = f"{path}.policies[{index}]"
        if policy.get("type") not in ("Percent", "Pods"):
            causes.not_supported(f"{here}.type", policy.get("type") or "", ("Percent", "Pods"))
        value, period = policy.get("value") or 0, policy.get("periodSeconds") or 0
        if value <= 0:
            causes.invalid(f"{here}.value", value, NOT_POSITIVE)
        if period <= 0:
            causes.invalid(f"{here}.periodSeconds", period, NOT_POSITIVE)
        if period > _PERIOD_MAX_S:
            text = f"must be less than or equal to {_PERIOD_MAX_S}"
            causes.invalid(f"{here}.periodSeconds", period, text)
    tolerance = rules.get("tolerance")
    if tolerance is not None and parse(tolerance) < 0:
        causes.invalid(f"{path}.tolerance", tolerance, NEGATIVE)


def _status(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    causes.not_negative("status.currentReplicas", status.get("currentReplicas"))
    causes.not_negative("status.desiredReplicas", status.get("desiredReplicas"))


def _first_version(change: Change, causes: Causes) -> None:
    """Check the older form: what it says of the CPU is a metric of the newer."""
    spec = dict(change.object.get("spec") or {})
    use = spec.pop("targetCPUUtilizationPercentage", None)
    if use is not None:
        target = {"type": "Utilization", "averageUtilization": use}
        metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        spec["metrics"] = [metric]
    _autoscaler(Change({**change.object, "spec": spec}, change.old), causes)


AUTOSCALER = Rules(always=_autoscaler, status=_status, whole=False)
AUTOSCALER_V1 = Rules(always=_first_version, status=_status, whole=False)
