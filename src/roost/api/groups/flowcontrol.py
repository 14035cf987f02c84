"""The kinds of flowcontrol.apiserver.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import flowcontrol as flowcontrol_rules

GROUP = "flowcontrol.apiserver.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="FlowSchema",
        plural="flowschemas",
        namespaced=False,
        schema="io.k8s.api.flowcontrol.v1.FlowSchema",
        columns=control_columns.FLOW_SCHEMAS,
        singular="flowschema",
        subresources={"status": Subresource(READ_WRITE, "FlowSchema")},
        default=extension_defaults.flow_schema,
        prepare=extension_strategy.FLOW_CONTROL,
        validate=flowcontrol_rules.FLOW_SCHEMA,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="PriorityLevelConfiguration",
        plural="prioritylevelconfigurations",
        namespaced=False,
        schema="io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
        columns=control_columns.PRIORITY_LEVEL_CONFIGURATIONS,
        singular="prioritylevelconfiguration",
        subresources={"status": Subresource(READ_WRITE, "PriorityLevelConfiguration")},
        default=extension_defaults.priority_level,
        prepare=extension_strategy.FLOW_CONTROL,
        validate=flowcontrol_rules.PRIORITY_LEVEL,
    ),
)
