"""The kinds of autoscaling."""

from __future__ import annotations

from roost.api.defaults import policy as policy_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import policy as policy_strategy

GROUP = "autoscaling"

KINDS = (
    Kind(
        group=GROUP,
        version="v2",
        name="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        namespaced=True,
        schema="io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "HorizontalPodAutoscaler")},
        default=policy_defaults.horizontal_pod_autoscaler,
        prepare=policy_strategy.HORIZONTAL_POD_AUTOSCALER,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        namespaced=True,
        schema="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "HorizontalPodAutoscaler")},
        default=policy_defaults.horizontal_pod_autoscaler_v1,
        prepare=policy_strategy.HORIZONTAL_POD_AUTOSCALER_V1,
    ),
)
