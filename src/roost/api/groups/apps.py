"""The kinds of apps."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "apps"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="ControllerRevision",
        plural="controllerrevisions",
        namespaced=True,
        schema="io.k8s.api.apps.v1.ControllerRevision",
        singular="controllerrevision",
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="DaemonSet",
        plural="daemonsets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.DaemonSet",
        singular="daemonset",
        short_names=("ds",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "DaemonSet")},
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Deployment",
        plural="deployments",
        namespaced=True,
        schema="io.k8s.api.apps.v1.Deployment",
        singular="deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "Deployment"),
        },
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ReplicaSet",
        plural="replicasets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.ReplicaSet",
        singular="replicaset",
        short_names=("rs",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "ReplicaSet"),
        },
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="StatefulSet",
        plural="statefulsets",
        namespaced=True,
        schema="io.k8s.api.apps.v1.StatefulSet",
        singular="statefulset",
        short_names=("sts",),
        categories=("all",),
        subresources={
            "scale": Subresource(READ_WRITE, "Scale", "autoscaling", "v1"),
            "status": Subresource(READ_WRITE, "StatefulSet"),
        },
    ),
)
