"""Strategies of autoscalers and disruption budgets."""

from __future__ import annotations

from roost.api.strategies.strategy import Strategy

POD_DISRUPTION_BUDGET = Strategy(
    status={"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    counted=("spec",),
)
HORIZONTAL_POD_AUTOSCALER = Strategy(status={"desiredReplicas": 0, "currentMetrics": None})
HORIZONTAL_POD_AUTOSCALER_V1 = Strategy(status={"currentReplicas": 0, "desiredReplicas": 0})
