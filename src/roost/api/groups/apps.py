"""The kinds of apps."""

from __future__ import annotations

from roost.api.columns import workloads as workloads_columns
from roost.api.defaults import workloads as workloads_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import workloads as workloads_strategy
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import workloads as workloads_rules

GROUP = "apps"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="ControllerRevision",
        plural="controllerrevisions",
        namespaced=True,
        schema="io.k8s.api.apps.v1.ControllerRevision",
        columns=workloads_columns.CONTROLLER_REVISIONS,
        singular="controllerrevision",
        default=workloads_defaults.controller_revision,
        prepare=PLAIN,
        validate=workloads_rules.CONTROLLER_REVISION,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="DaemonSet",
        plural="daemonsets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.DaemonSet",
        columns=workloads_columns.DAEMON_SETS,
        singular="daemonset",
        short_names=("ds",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "DaemonSet")},
        default=workloads_defaults.daemon_set,
        prepare=workloads_strategy.DAEMON_SET,
        validate=workloads_rules.DAEMON_SET,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Deployment",
        plural="deployments",
        namespaced=True,
        schema="io.k8s.api.apps.v1.Deployment",
        columns=workloads_columns.DEPLOYMENTS,
        singular="deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "Deployment"),
        },
        default=workloads_defaults.deployment,
        prepare=workloads_strategy.DEPLOYMENT,
        validate=workloads_rules.DEPLOYMENT,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ReplicaSet",
        plural="replicasets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.ReplicaSet",
        columns=workloads_columns.REPLICA_SETS,
        singular="replicaset",
        short_names=("rs",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "ReplicaSet"),
        },
        default=workloads_defaults.replica_set,
        prepare=workloads_strategy.REPLICA_SET,
        validate=workloads_rules.REPLICA_SET,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="StatefulSet",
        plural="statefulsets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.StatefulSet",
        columns=workloads_columns.STATEFUL_SETS,
        singular="statefulset",
        short_names=("sts",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "StatefulSet"),
        },
        default=workloads_defaults.stateful_set,
        prepare=workloads_strategy.STATEFUL_SET,
        validate=workloads_rules.STATEFUL_SET,
    ),
)
