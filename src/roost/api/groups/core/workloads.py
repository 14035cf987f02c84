"""The core group, v1: bindings, pods, podtemplates, replicationcontrollers."""

from __future__ import annotations

from roost.api.columns import core as core_columns
from roost.api.columns import pods as pods_columns
from roost.api.defaults import pods as pods_defaults
from roost.api.defaults import workloads as workloads_defaults
from roost.api.groups.selectable import count, flag, text
from roost.api.kind import PROXY, READ_WRITE, Kind, Subresource
from roost.api.strategies import pods as pods_strategy
from roost.api.strategies import workloads as workloads_strategy
from roost.api.validation import pods as pods_rules
from roost.api.validation import workloads as workloads_rules
from roost.api.values import Object

# `spec.host` is what clients of long ago say for `spec.nodeName`. No pod has a value for
# `status.podIPs`: the real server accepts the name and compares with nothing.
POD_FIELDS = {
    "spec.nodeName": text("spec.nodeName"),
    "spec.host": text("spec.nodeName"),
    "spec.restartPolicy": text("spec.restartPolicy"),
    "spec.schedulerName": text("spec.schedulerName"),
    "spec.serviceAccountName": text("spec.serviceAccountName"),
    "spec.hostNetwork": flag("spec.hostNetwork"),
    "status.phase": text("status.phase"),
    "status.podIP": text("status.podIP"),
    "status.podIPs": lambda _pod: "",
    "status.nominatedNodeName": text("status.nominatedNodeName"),
}


def grace_period_s(pod: Object) -> int:
    """Return how long a pod's graceful deletion takes, in seconds, unless the request says.

    0 for a pod that no node runs: it is deleted at once, whatever the request says.
    """
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    period: int = spec.get("terminationGracePeriodSeconds", 30)
    return period if period >= 0 else 1


KINDS = (
    Kind(
        group="",
        version="v1",
        name="Binding",
        plural="bindings",
        namespaced=True,
        schema="io.k8s.api.core.v1.Binding",
        singular="binding",
        verbs=("create",),
    ),
    Kind(
        group="",
        version="v1",
        name="Pod",
        plural="pods",
        namespaced=True,
        schema="io.k8s.api.core.v1.Pod",
        columns=pods_columns.PODS,
        singular="pod",
        returns_deleted=True,
        short_names=("po",),
        categories=("all",),
        subresources={
            "attach": Subresource(("create", "get"), "PodAttachOptions"),
            "binding": Subresource(("create",), "Binding"),
            "ephemeralcontainers": Subresource(READ_WRITE, "Pod"),
            "eviction": Subresource(("create",), "Eviction", "policy", "v1"),
            "exec": Subresource(("create", "get"), "PodExecOptions"),
            "log": Subresource(("get",), "Pod"),
            "portforward": Subresource(("create", "get"), "PodPortForwardOptions"),
            "proxy": Subresource(PROXY, "PodProxyOptions"),
            "resize": Subresource(READ_WRITE, "Pod"),
            "status": Subresource(READ_WRITE, "Pod"),
        },
        fields=POD_FIELDS,
        grace_period_s=grace_period_s,
        default=pods_defaults.pod,
        prepare=pods_strategy.pod,
        validate=pods_rules.POD,
    ),
    Kind(
        group="",
        version="v1",
        name="PodTemplate",
        plural="podtemplates",
        namespaced=True,
        schema="io.k8s.api.core.v1.PodTemplate",
        columns=core_columns.POD_TEMPLATES,
        singular="podtemplate",
        returns_deleted=True,
        default=pods_defaults.pod_template_object,
        prepare=workloads_strategy.POD_TEMPLATE,
        validate=workloads_rules.POD_TEMPLATE,
    ),
    Kind(
        group="",
        version="v1",
        name="ReplicationController",
        plural="replicationcontrollers",
        namespaced=True,
        schema="io.k8s.api.core.v1.ReplicationController",
        columns=core_columns.REPLICATION_CONTROLLERS,
        singular="replicationcontroller",
        short_names=("rc",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "ReplicationController"),
        },
        fields={"status.replicas": count("status.replicas")},
        default=workloads_defaults.replication_controller,
        prepare=workloads_strategy.REPLICATION_CONTROLLER,
        validate=workloads_rules.REPLICATION_CONTROLLER,
    ),
)
