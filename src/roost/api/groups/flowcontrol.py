"""The kinds of flowcontrol.apiserver.k8s.io."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "flowcontrol.apiserver.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="FlowSchema",
        plural="flowschemas",
        namespaced=False,
        schema="io.k8s.api.flowcontrol.v1.FlowSchema",
        singular="flowschema",
        subresources={"status": Subresource(READ_WRITE, "FlowSchema")},
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="PriorityLevelConfiguration",
        plural="prioritylevelconfigurations",
        namespaced=False,
        schema="io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration",
        singular="prioritylevelconfiguration",
        subresources={"status": Subresource(READ_WRITE, "PriorityLevelConfiguration")},
    ),
)
