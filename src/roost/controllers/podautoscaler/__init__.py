"""What is too busy gets more pods, what is idle fewer: HorizontalPodAutoscalers."""

from roost.controllers.podautoscaler.decide import (
    horizontal_pod_autoscaler as horizontal_pod_autoscaler,
)
