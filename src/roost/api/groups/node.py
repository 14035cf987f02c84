"""The kinds of node.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.kind import Kind
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import policy as policy_rules

GROUP = "node.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="RuntimeClass",
        plural="runtimeclasses",
        namespaced=False,
        schema="io.k8s.api.node.v1.RuntimeClass",
        columns=control_columns.RUNTIME_CLASSES,
        singular="runtimeclass",
        create_on_update=True,
        unconditional_update=False,
        prepare=PLAIN,
        validate=policy_rules.RUNTIME_CLASS,
    ),
)
