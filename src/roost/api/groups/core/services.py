"""The core group, v1: endpoints, services."""

from __future__ import annotations

from roost.api.columns import core as core_columns
from roost.api.defaults import services as services_defaults
from roost.api.groups.selectable import text
from roost.api.kind import PROXY, READ_WRITE, Kind, Subresource
from roost.api.strategies import services as services_strategy
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import endpoints as endpoints_rules
from roost.api.validation import services as services_rules

KINDS = (
    Kind(
        group="",
        version="v1",
        name="Endpoints",
        plural="endpoints",
        namespaced=True,
        schema="io.k8s.api.core.v1.Endpoints",
        columns=core_columns.ENDPOINTS,
        singular="endpoints",
        short_names=("ep",),
        create_on_update=True,
        default=services_defaults.endpoints,
        prepare=PLAIN,
        validate=endpoints_rules.ENDPOINTS,
    ),
    Kind(
        group="",
        version="v1",
        name="Service",
        plural="services",
        namespaced=True,
        schema="io.k8s.api.core.v1.Service",
        columns=core_columns.SERVICES,
        singular="service",
        returns_deleted=True,
        short_names=("svc",),
        categories=("all",),
        subresources={
            "proxy": Subresource(PROXY, "ServiceProxyOptions"),
            "status": Subresource(READ_WRITE, "Service"),
        },
        fields={"spec.clusterIP": text("spec.clusterIP"), "spec.type": text("spec.type")},
        create_on_update=True,
        name_rule="service",
        default=services_defaults.service,
        prepare=services_strategy.SERVICE,
        validate=services_rules.SERVICE,
    ),
)
