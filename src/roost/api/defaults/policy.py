"""Defaults of autoscaling, disruption, priority and role-based access kinds."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.kind import Change
from roost.api.values import Object, copy_of

RBAC_GROUP = "rbac.authorization.k8s.io"
_CPU_UTILIZATION = 80
_CPU_METRIC: Object = {
    "type": "Resource",
    "resource": {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": _CPU_UTILIZATION},
    },
}
_SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_DISRUPTION_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def horizontal_pod_autoscaler(change: Change) -> None:
    """Fill in a HorizontalPodAutoscaler of autoscaling/v2."""
    spec = part(change.object, "spec")
    fill(spec, minReplicas=1)
    fill(spec, maxReplicas=0)
    if not spec.get("metrics"):
        spec["metrics"] = [copy_of(_CPU_METRIC)]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = _scaling(behavior.get("scaleUp"), _SCALE_UP)
        behavior["scaleDown"] = _scaling(behavior.get("scaleDown"), _SCALE_DOWN)
    status = part(change.object, "status")
    fill(status, desiredReplicas=0)
    fill(status, currentMetrics=None)


def horizontal_pod_autoscaler_v1(change: Change) -> None:
    """Fill in a HorizontalPodAutoscaler of autoscaling/v1."""
    spec = part(change.object, "spec")
    fill(spec, minReplicas=1)
    fill(spec, maxReplicas=0)
    annotations = (change.object.get("metadata") or {}).get("annotations") or {}
    if "autoscaling.alpha.kubernetes.io/metrics" not in annotations:
        fill(spec, targetCPUUtilizationPercentage=_CPU_UTILIZATION)
    status = part(change.object, "status")
    fill(status, currentReplicas=0)
    fill(status, desiredReplicas=0)


def _scaling(rules: Object | None, default: Object) -> Object:
    filled: Object = copy_of(default)
    for key, value in (rules or {}).items():
        if value is not None:
            filled[key] = value
    return filled


def pod_disruption_budget(change: Change) -> None:
    """Fill in a PodDisruptionBudget."""
    part(change.object, "spec")
    status = part(change.object, "status")
    for key in _DISRUPTION_COUNTS:
        fill(status, **{key: 0})


def priority_class(change: Change) -> None:
    """Fill in a PriorityClass."""
    fill(change.object, value=0)
    fill(change.object, preemptionPolicy="PreemptLowerPriority")


def role(change: Change) -> None:
    """Write the rules of a Role or ClusterRole, also when there are none."""
    if not change.object.get("rules"):
        change.object["rules"] = None
    for rule in change.object["rules"] or ():
        fill(rule, verbs=None)


def binding(change: Change) -> None:
    """Fill in the API groups of a RoleBinding or ClusterRoleBinding."""
    reference = part(change.object, "roleRef")
    if not reference.get("apiGroup"):
        reference["apiGroup"] = RBAC_GROUP
    for subject in change.object.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = RBAC_GROUP
