"""HorizontalPodAutoscalers of autoscaling/v1, which are stored as autoscaling/v2.

v1 has a CPU target and nothing else; all that v2 can say beside it travels in annotations, as JSON of
the forms and in the order of fields in which the real server writes them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from roost.api.depth import guarded
from roost.api.values import Object, Value

_decode = guarded(msgspec.json.decode)
_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = _PREFIX + "metrics"
CURRENT_METRICS = _PREFIX + "current-metrics"
CONDITIONS = _PREFIX + "conditions"
BEHAVIOR = _PREFIX + "behavior"
_ANNOTATIONS = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)

#: A field of a v1 metric, where v2 has it, and whether v1 always writes it (as "0").
_Field: TypeAlias = tuple[str, tuple[str, ...], bool]
#: Type of a metric -> (its field in v1 and v2, its fields in the order of the v1 type).
_Table: TypeAlias = dict[str, tuple[str, tuple[_Field, ...]]]

_SPECS: _Table = {
    "Object": ("object", (
        ("target", ("describedObject",), False),
        ("metricName", ("metric", "name"), False),
        ("targetValue", ("target", "value"), True),
        ("selector", ("metric", "selector"), False),
        ("averageValue", ("target", "averageValue"), False),
    )),
    "Pods": ("pods", (
        ("metricName", ("metric", "name"), False),
        ("targetAverageValue", ("target", "averageValue"), True),
        ("selector", ("metric", "selector"), False),
    )),
    "Resource": ("resource", (
        ("name", ("name",), False),
        ("targetAverageUtilization", ("target", "averageUtilization"), False),
        ("targetAverageValue", ("target", "averageValue"), False),
    )),
    "ContainerResource": ("containerResource", (
        ("name", ("name",), False),
        ("targetAverageUtilization", ("target", "averageUtilization"), False),
        ("targetAverageValue", ("target", "averageValue"), False),
        ("container", ("container",), False),
    )),
    "External": ("external", (
        ("metricName", ("metric", "name"), False),
        ("metricSelector", ("metric", "selector"), False),
        ("targetValue", ("target", "value"), False),
        ("targetAverageValue", ("target", "averageValue"), False),
    )),
}  # fmt: skip
_ALWAYS_CURRENT = {
    ("Object", "currentValue"), ("Pods", "currentAverageValue"), ("Resource", "currentAverageValue"),
    ("ContainerResource", "currentAverageValue"), ("External", "currentValue"),
}  # fmt: skip


def _current(table: _Table) -> _Table:
    """Return the table of metric statuses: that of specs, with current in place of target."""
    renamed: _Table = {}
    for type_, (field, fields) in table.items():
        rows: list[_Field] = []
        for name, path, _ in fields:
            if path[0] == "target":
                name, path = name.replace("target", "current"), ("current", *path[1:])
            rows.append((name, path, (type_, name) in _ALWAYS_CURRENT))
        renamed[type_] = (field, tuple(rows))
    return renamed


_STATUSES = _current(_SPECS)
_RULES = (
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
)
_POLICY = (("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds"))
_CONDITION = ("type", "status", "lastTransitionTime", "reason", "message")


def from_v2(stored: Object) -> Object:
    """Return the v1 form of an autoscaling/v2 HorizontalPodAutoscaler."""
    spec, status = dict(stored.get("spec") or {}), dict(stored.get("status") or {})
    metrics, behavior = spec.pop("metrics", None) or [], spec.pop("behavior", None)
    current, conditions = status.pop("currentMetrics", None) or [], status.pop("conditions", None)
    notes: dict[str, str] = {}
    others = [_to_v1(metric, _SPECS) for metric in metrics if not _is_cpu(metric, "target")]
    if others:
        notes[METRICS] = _json(others)
    if current:
        notes[CURRENT_METRICS] = _json([_to_v1(metric, _STATUSES) for metric in current])
    if conditions:
        notes[CONDITIONS] = _json([_condition(condition) for condition in conditions])
    if behavior is not None:
        notes[BEHAVIOR] = _json(_behavior_to_go(behavior))
    cpu = [metric for metric in metrics if _names_cpu(metric)][:1]
    if cpu and _is_cpu(cpu[0], "target"):
        spec["targetCPUUtilizationPercentage"] = cpu[0]["resource"]["target"]["averageUtilization"]
    for metric in current:
        if _is_cpu(metric, "current"):
            utilization = metric["resource"]["current"]["averageUtilization"]
            status["currentCPUUtilizationPercentage"] = utilization
    return _assembled(stored, "autoscaling/v1", spec, status, notes)


def to_v2(hpa: Object) -> Object:
    """Return the autoscaling/v2 form of a v1 HorizontalPodAutoscaler, which is how it is stored."""
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    notes = (hpa.get("metadata") or {}).get("annotations") or {}
    target = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = [] if target is None else [_cpu("target", "Utilization", target)]
    metrics += [_to_v2(metric, _SPECS) for metric in _loads(notes, METRICS, list)]
    if metrics:
        spec["metrics"] = metrics
    behavior = _loads(notes, BEHAVIOR, dict)
    if behavior:
        spec["behavior"] = _behavior_from_go(behavior)
    utilization = status.pop("currentCPUUtilizationPercentage", None)
    current = [_to_v2(metric, _STATUSES) for metric in _loads(notes, CURRENT_METRICS, list)]
    if not current and utilization is not None:
        current = [_cpu("current", "", utilization)]
    if current:
        status["currentMetrics"] = current
    conditions = _loads(notes, CONDITIONS, list)
    if conditions:
        status["conditions"] = conditions
    return _assembled(hpa, "autoscaling/v2", spec, status, {})


def _assembled(
    obj: Object, api_version: str, spec: Object, status: Object, notes: dict[str, str]
) -> Object:
    """Return `obj` in another version, its annotations without what travelled there before."""
    parts = {"spec": spec, "status": status}
    made = {**obj, "apiVersion": api_version, **{k: v for k, v in parts.items() if k in obj}}
    metadata = dict(obj.get("metadata") or {})
    annotations = metadata.pop("annotations", None) or {}
    annotations = {k: v for k, v in annotations.items() if k not in _ANNOTATIONS} | notes
    if annotations:
        metadata["annotations"] = annotations
    made["metadata"] = metadata
    return made


def _json(value: Value) -> str:
    """Return JSON as Go writes it, with the characters escaped that HTML minds."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _loads(notes: Object, key: str, form: type) -> Any:
    """Return what an annotation holds; nothing if it holds nonsense, for anybody may write it."""
    try:
        value = _decode(notes.get(key) or "null")
    except (msgspec.DecodeError, RecursionError, TypeError):
        return form()
    if not isinstance(value, form):
        return form()
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return value


def _names_cpu(metric: Object) -> bool:
    resource = metric.get("resource") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu"


def _is_cpu(metric: Object, part: str) -> bool:
    """Is this the one metric that v1 can say itself: average utilization of CPU?"""
    measured = (metric.get("resource") or {}).get(part) or {}
    return _names_cpu(metric) and measured.get("averageUtilization") is not None


def _cpu(part: str, type_: str, utilization: int) -> Object:
    measured: Object = {"type": type_} if type_ else {}
    measured["averageUtilization"] = utilization
    return {"type": "Resource", "resource": {"name": "cpu", part: measured}}


def _to_v1(metric: Object, table: _Table) -> Object:
    type_ = metric.get("type", "")
    field, rows = table.get(type_, ("", ()))
    source = metric.get(field) or {}
    made: Object = {}
    for name, path, always in rows:
        value: Value = source
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if name == "target" and isinstance(value, dict):
            value = {k: value[k] for k in ("kind", "name", "apiVersion") if k in value}
        if value is None and always:
            value = "0"
        if value is not None:
            made[name] = value
    return {"type": type_, field: made} if field else {"type": type_}


def _to_v2(metric: Object, table: _Table) -> Object:
    type_ = metric.get("type", "")
    field, rows = table.get(type_, ("", ()))
    source = metric.get(field) or {}
    made: Object = {}
    for name, path, always in rows:
        value = source.get(name)
        if value is None or (always and value == "0"):
            continue
        inner = made
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = value
    if table is _SPECS and field:
        target = made.pop("target", {})
        made["target"] = {"type": _target_type(target), **target}
    return {"type": type_, field: made} if field else {"type": type_}


def _target_type(target: Object) -> str:
    if "averageUtilization" in target:
        return "Utilization"
    return "AverageValue" if "averageValue" in target else "Value"


def _condition(condition: Object) -> Object:
    ordered = {k: condition.get(k) for k in _CONDITION}
    return {k: v for k, v in ordered.items() if v or k == "lastTransitionTime"}


def _behavior_to_go(behavior: Object) -> Object:
    """Return a behaviour in the form of the server's internal type, which is what it writes."""
    made: Object = {}
    for go, ours in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")):
        rules = behavior.get(ours)
        made[go] = None if rules is None else {g: rules.get(o) for g, o in _RULES}
        if rules is not None and rules.get("policies") is not None:
            made[go]["Policies"] = [{g: p.get(o) for g, o in _POLICY} for p in rules["policies"]]
    return made


def _behavior_from_go(behavior: Object) -> Object:
    made: Object = {}
    for go, ours in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")):
        rules = behavior.get(go)
        if not isinstance(rules, dict):
            continue
        made[ours] = {o: rules[g] for g, o in _RULES if rules.get(g) is not None}
        if isinstance(rules.get("Policies"), list):
            made[ours]["policies"] = [
                {o: p.get(g) for g, o in _POLICY} for p in rules["Policies"] if isinstance(p, dict)
            ]
    return made
