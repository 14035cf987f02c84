"""The kinds of policy."""

from __future__ import annotations

from roost.api.columns import workloads as workloads_columns
from roost.api.defaults import policy as policy_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import policy as policy_strategy
from roost.api.validation import policy as policy_rules

GROUP = "policy"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="PodDisruptionBudget",
        plural="poddisruptionbudgets",
        namespaced=True,
        schema="io.k8s.api.policy.v1.PodDisruptionBudget",
        columns=workloads_columns.POD_DISRUPTION_BUDGETS,
        singular="poddisruptionbudget",
        short_names=("pdb",),
        subresources={"status": Subresource(READ_WRITE, "PodDisruptionBudget")},
        unconditional_update=False,
        default=policy_defaults.pod_disruption_budget,
        prepare=policy_strategy.POD_DISRUPTION_BUDGET,
        validate=policy_rules.POD_DISRUPTION_BUDGET,
    ),
)
