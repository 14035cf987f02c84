"""The kinds of autoscaling."""

from __future__ import annotations

from roost.api.columns import workloads as workloads_columns
from roost.api.defaults import policy as policy_defaults
from roost.api.groups.autoscaling_v1 import from_v2, to_v2
from roost.api.kind import READ_WRITE, Conversion, Kind, Subresource
from roost.api.strategies import policy as policy_strategy
from roost.api.validation import autoscaling as autoscaling_rules

GROUP = "autoscaling"

KINDS = (
    Kind(
        group=GROUP,
        version="v2",
        name="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        namespaced=True,
        schema="io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
        columns=workloads_columns.HORIZONTAL_POD_AUTOSCALERS,
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "HorizontalPodAutoscaler")},
        default=policy_defaults.horizontal_pod_autoscaler,
        prepare=policy_strategy.HORIZONTAL_POD_AUTOSCALER,
        validate=autoscaling_rules.AUTOSCALER,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        namespaced=True,
        schema="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
        columns=workloads_columns.HORIZONTAL_POD_AUTOSCALERS,
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "HorizontalPodAutoscaler")},
        storage_version="v2",
        convert=Conversion(to_v2, from_v2),
        default=policy_defaults.horizontal_pod_autoscaler_v1,
        prepare=policy_strategy.HORIZONTAL_POD_AUTOSCALER_V1,
        validate=autoscaling_rules.AUTOSCALER_V1,
    ),
)
