"""The core group, v1: endpoints, services."""

from __future__ import annotations

from roost.api.groups.selectable import text
from roost.api.kind import PROXY, READ_WRITE, Kind, Subresource

KINDS = (
    Kind(
        group="",
        version="v1",
        name="Endpoints",
        plural="endpoints",
        namespaced=True,
        schema="io.k8s.api.core.v1.Endpoints",
        singular="endpoints",
        short_names=("ep",),
        create_on_update=True,
    ),
    Kind(
        group="",
        version="v1",
        name="Service",
        plural="services",
        namespaced=True,
        schema="io.k8s.api.core.v1.Service",
        singular="service",
        short_names=("svc",),
        categories=("all",),
        subresources={
            "proxy": Subresource(PROXY, "ServiceProxyOptions"),
            "status": Subresource(READ_WRITE, "Service"),
        },
        fields={"spec.clusterIP": text("spec.clusterIP"), "spec.type": text("spec.type")},
        create_on_update=True,
        name_rule="service",
    ),
)
