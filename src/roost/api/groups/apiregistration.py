"""The kinds of apiregistration.k8s.io."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "apiregistration.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="APIService",
        plural="apiservices",
        namespaced=False,
        schema="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        singular="apiservice",
        categories=("api-extensions",),
        subresources={"status": Subresource(READ_WRITE, "APIService")},
        unconditional_update=False,
    ),
)
