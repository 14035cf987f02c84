"""The kinds of scheduling.k8s.io."""

from __future__ import annotations

from roost.api.columns import workloads as workloads_columns
from roost.api.defaults import policy as policy_defaults
from roost.api.kind import Kind
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import policy as policy_rules

GROUP = "scheduling.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="PriorityClass",
        plural="priorityclasses",
        namespaced=False,
        schema="io.k8s.api.scheduling.v1.PriorityClass",
        columns=workloads_columns.PRIORITY_CLASSES,
        singular="priorityclass",
        short_names=("pc",),
        default=policy_defaults.priority_class,
        prepare=extension_strategy.PRIORITY_CLASS,
        validate=policy_rules.PRIORITY_CLASS,
    ),
)
