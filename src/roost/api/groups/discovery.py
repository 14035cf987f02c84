"""The kinds of discovery.k8s.io."""

from __future__ import annotations

from roost.api.columns import networking as networking_columns
from roost.api.defaults import services as services_defaults
from roost.api.kind import Kind
from roost.api.strategies import services as services_strategy
from roost.api.validation import endpoints as endpoints_rules

GROUP = "discovery.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="EndpointSlice",
        plural="endpointslices",
        namespaced=True,
        schema="io.k8s.api.discovery.v1.EndpointSlice",
        columns=networking_columns.ENDPOINT_SLICES,
        singular="endpointslice",
        default=services_defaults.endpoint_slice,
        prepare=services_strategy.ENDPOINT_SLICE,
        validate=endpoints_rules.ENDPOINT_SLICE,
    ),
)
