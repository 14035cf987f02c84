"""The kinds of discovery.k8s.io."""

from __future__ import annotations

from roost.api.kind import Kind

GROUP = "discovery.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="EndpointSlice",
        plural="endpointslices",
        namespaced=True,
        schema="io.k8s.api.discovery.v1.EndpointSlice",
        singular="endpointslice",
    ),
)
