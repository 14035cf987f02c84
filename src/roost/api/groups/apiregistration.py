"""The kinds of apiregistration.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import apiservices as apiservices_rules

GROUP = "apiregistration.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="APIService",
        plural="apiservices",
        namespaced=False,
        schema="io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        columns=control_columns.API_SERVICES,
        singular="apiservice",
        categories=("api-extensions",),
        subresources={"status": Subresource(READ_WRITE, "APIService")},
        unconditional_update=False,
        default=extension_defaults.api_service,
        prepare=extension_strategy.API_SERVICE,
        validate=apiservices_rules.API_SERVICE,
    ),
)
