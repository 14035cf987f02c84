"""The core group, v1: componentstatuses, events, limitranges, namespaces, nodes, resourcequotas."""

from __future__ import annotations

from roost.api.columns import core as core_columns
from roost.api.defaults import config as config_defaults
from roost.api.groups.selectable import flag, text
from roost.api.kind import PROXY, READ_WRITE, Kind, Subresource
from roost.api.strategies import config as config_strategy
from roost.api.strategies.strategy import PLAIN, WITH_STATUS
from roost.api.validation import config as config_rules
from roost.api.validation import events as event_rules
from roost.api.validation import quotas as quotas_rules
from roost.api.values import Object


def event_source(event: Object) -> str:
    """Return the value of an event's field `source`: who reported it."""
    component: str = (event.get("source") or {}).get("component") or ""
    return component or event.get("reportingComponent") or ""


EVENT_FIELDS = {
    **{
        f"involvedObject.{name}": text(f"involvedObject.{name}")
        for name in (
            "kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath",
        )
    },
    "reason": text("reason"),
    "reportingComponent": text("reportingComponent"),
    "source": event_source,
    "type": text("type"),
}  # fmt: skip

KINDS = (
    Kind(
        group="",
        version="v1",
        name="ComponentStatus",
        plural="componentstatuses",
        namespaced=False,
        schema="io.k8s.api.core.v1.ComponentStatus",
        columns=core_columns.COMPONENT_STATUSES,
        singular="componentstatus",
        short_names=("cs",),
        verbs=("get", "list"),
    ),
    Kind(
        group="",
        version="v1",
        name="Event",
        plural="events",
        namespaced=True,
        schema="io.k8s.api.core.v1.Event",
        columns=core_columns.EVENTS,
        singular="event",
        short_names=("ev",),
        fields=EVENT_FIELDS,
        create_on_update=True,
        default=config_defaults.event,
        prepare=PLAIN,
        validate=event_rules.EVENT,
    ),
    Kind(
        group="",
        version="v1",
        name="LimitRange",
        plural="limitranges",
        namespaced=True,
        schema="io.k8s.api.core.v1.LimitRange",
        singular="limitrange",
        short_names=("limits",),
        create_on_update=True,
        default=config_defaults.limit_range,
        prepare=config_strategy.LIMIT_RANGE,
        validate=quotas_rules.LIMIT_RANGE,
    ),
    Kind(
        group="",
        version="v1",
        name="Namespace",
        plural="namespaces",
        namespaced=False,
        schema="io.k8s.api.core.v1.Namespace",
        columns=core_columns.NAMESPACES,
        singular="namespace",
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources={
            "finalize": Subresource(("update",), "Namespace"),
            "status": Subresource(READ_WRITE, "Namespace"),
        },
        fields={"status.phase": text("status.phase")},
        name_rule="label",
        default=config_defaults.namespace,
        prepare=config_strategy.namespace,
        validate=config_rules.NAMESPACE,
    ),
    Kind(
        group="",
        version="v1",
        name="Node",
        plural="nodes",
        namespaced=False,
        schema="io.k8s.api.core.v1.Node",
        columns=core_columns.NODES,
        singular="node",
        short_names=("no",),
        subresources={
            "proxy": Subresource(PROXY, "NodeProxyOptions"),
            "status": Subresource(READ_WRITE, "Node"),
        },
        fields={"spec.unschedulable": flag("spec.unschedulable")},
        default=config_defaults.node,
        prepare=config_strategy.NODE,
        validate=config_rules.NODE,
    ),
    Kind(
        group="",
        version="v1",
        name="ResourceQuota",
        plural="resourcequotas",
        namespaced=True,
        schema="io.k8s.api.core.v1.ResourceQuota",
        columns=core_columns.RESOURCE_QUOTAS,
        singular="resourcequota",
        returns_deleted=True,
        short_names=("quota",),
        subresources={"status": Subresource(READ_WRITE, "ResourceQuota")},
        default=config_defaults.resource_quota,
        prepare=WITH_STATUS,
        validate=quotas_rules.RESOURCE_QUOTA,
    ),
)
