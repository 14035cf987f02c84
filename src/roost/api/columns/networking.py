"""The columns of networking.k8s.io and discovery.k8s.io."""

from __future__ import annotations

from roost.api.columns.cells import AGE, NAME, NONE, UNSET, at, described, get, selector_text, some
from roost.api.columns.core import addresses
from roost.api.kind import Column
from roost.api.values import Object

_LISTED_MAX = 3


def _hosts(ingress: Object, _: float) -> str:
    rules = get(ingress, "spec", "rules") or ()
    listed: list[str] = []
    more = False
    for rule in rules:
        more = more or len(listed) == _LISTED_MAX
        if not more and rule.get("host"):
            listed.append(rule["host"])
    return some(listed, _LISTED_MAX, len(rules), more=more) if listed else "*"


INGRESSES = (
    NAME,
    Column("Class", at("spec", "ingressClassName", default=NONE), description="The name of the "
           "IngressClass resource that should be used for additional configuration"),
    Column("Hosts", _hosts,
           description="Hosts that incoming requests are matched against before the ingress rule"),
    Column("Address", lambda v, _: addresses(v.get("status")),
           description="Address is a list containing ingress points for the load-balancer"),
    Column("Ports", lambda v, _: "80, 443" if get(v, "spec", "tls") else "80",
           description="Ports of TLS configurations that open"),
    AGE,
)  # fmt: skip


def _parameters(value: Object, _: float) -> str:
    ref = get(value, "spec", "parameters")
    if not ref:
        return NONE
    group = ref.get("apiGroup")
    kind = f"{ref.get('kind', '')}.{group}" if group is not None else ref.get("kind", "")
    return f"{kind}/{ref.get('name', '')}"


INGRESS_CLASSES = (
    NAME,
    Column("Controller", at("spec", "controller"),
           description="Controller that is responsible for handling this class"),
    Column("Parameters", _parameters,
           description="A reference to a resource with additional parameters"),
    AGE,
)  # fmt: skip

NETWORK_POLICIES = (
    NAME,
    Column("Pod-Selector", lambda v, _: selector_text(get(v, "spec", "podSelector") or {}),
           description=described("networking.v1.NetworkPolicySpec.podSelector")),
    AGE,
)  # fmt: skip

SERVICE_CIDRS = (
    NAME,
    Column("CIDRs", lambda v, _: ",".join(get(v, "spec", "cidrs") or ()),
           description=described("networking.v1.ServiceCIDRSpec.cidrs")),
    AGE,
)  # fmt: skip


def _parent(address: Object, _: float) -> str:
    ref = get(address, "spec", "parentRef")
    if not ref:
        return NONE
    group = ref.get("group")
    parts = [(ref.get("resource", "") + (f".{group}" if group else "")).lower()]
    parts += [ref[key] for key in ("namespace", "name") if ref.get(key)]
    return "/".join(parts)


IP_ADDRESSES = (
    NAME,
    Column("ParentRef", _parent, description=described("networking.v1.IPAddressSpec.parentRef")),
    AGE,
)


def _listed(items: list[str]) -> str:
    more = len(items) > _LISTED_MAX
    return some(items[:_LISTED_MAX], _LISTED_MAX, len(items), more=more) or UNSET


def _slice_ports(value: Object, _: float) -> str:
    ports = value.get("ports") or ()
    return _listed([
        str(port["port"]) if port.get("port") is not None
        else "*" if port.get("name") is None else port["name"]
        for port in ports
    ])  # fmt: skip


def _slice_endpoints(value: Object, _: float) -> str:
    return _listed([a for e in value.get("endpoints") or () for a in e.get("addresses") or ()])


ENDPOINT_SLICES = (
    NAME,
    Column("AddressType", at("addressType"),
           description=described("discovery.v1.EndpointSlice.addressType")),
    Column("Ports", _slice_ports, description=described("discovery.v1.EndpointSlice.ports")),
    Column("Endpoints", _slice_endpoints,
           description=described("discovery.v1.EndpointSlice.endpoints")),
    AGE,
)  # fmt: skip
