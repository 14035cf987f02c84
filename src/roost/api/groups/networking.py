"""The kinds of networking.k8s.io."""

from __future__ import annotations

from roost.api.columns import networking as networking_columns
from roost.api.defaults import services as services_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import services as services_strategy
from roost.api.strategies.strategy import COUNTED, PLAIN, WITH_STATUS
from roost.api.validation import networking as networking_rules

GROUP = "networking.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="IngressClass",
        plural="ingressclasses",
        namespaced=False,
        schema="io.k8s.api.networking.v1.IngressClass",
        columns=networking_columns.INGRESS_CLASSES,
        singular="ingressclass",
        default=services_defaults.ingress_class,
        prepare=COUNTED,
        validate=networking_rules.INGRESS_CLASS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Ingress",
        plural="ingresses",
        namespaced=True,
        schema="io.k8s.api.networking.v1.Ingress",
        columns=networking_columns.INGRESSES,
        singular="ingress",
        short_names=("ing",),
        subresources={"status": Subresource(READ_WRITE, "Ingress")},
        default=services_defaults.ingress,
        prepare=services_strategy.INGRESS,
        validate=networking_rules.INGRESS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="IPAddress",
        plural="ipaddresses",
        namespaced=False,
        schema="io.k8s.api.networking.v1.IPAddress",
        columns=networking_columns.IP_ADDRESSES,
        singular="ipaddress",
        short_names=("ip",),
        name_rule="ip",
        prepare=PLAIN,
        validate=networking_rules.IP_ADDRESS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="NetworkPolicy",
        plural="networkpolicies",
        namespaced=True,
        schema="io.k8s.api.networking.v1.NetworkPolicy",
        columns=networking_columns.NETWORK_POLICIES,
        singular="networkpolicy",
        short_names=("netpol",),
        default=services_defaults.network_policy,
        prepare=COUNTED,
        validate=networking_rules.NETWORK_POLICY,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ServiceCIDR",
        plural="servicecidrs",
        namespaced=False,
        schema="io.k8s.api.networking.v1.ServiceCIDR",
        columns=networking_columns.SERVICE_CIDRS,
        singular="servicecidr",
        subresources={"status": Subresource(READ_WRITE, "ServiceCIDR")},
        default=services_defaults.service_cidr,
        prepare=WITH_STATUS,
        validate=networking_rules.SERVICE_CIDR,
    ),
)
