"""Defaults of Services and of the endpoints behind them, and of what lets traffic in."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.kind import Change
from roost.api.values import Object

_AFFINITY_TIMEOUT_S = 10800
_WITH_PROXY = ("ClusterIP", "NodePort", "LoadBalancer")


def service(change: Change) -> None:
    """Fill in a Service. Addresses and node ports are not defaults: they are allocated."""
    value = change.object
    spec = part(value, "spec")
    load_balancer = part(part(value, "status"), "loadBalancer")
    _affinity(spec)
    kind = spec["type"] = spec.get("type") or "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    external = kind in ("NodePort", "LoadBalancer") or (
        kind == "ClusterIP" and bool(spec.get("externalIPs"))
    )
    if external and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind in _WITH_PROXY:
        fill(spec, internalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in load_balancer.get("ingress") or ():
            if ingress.get("ip"):
                fill(ingress, ipMode="VIP")


def _affinity(spec: Object) -> None:
    affinity = spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_TIMEOUT_S}}


def endpoints(change: Change) -> None:
    """Fill in Endpoints."""
    for subset in change.object.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def endpoint_slice(change: Change) -> None:
    """Fill in an EndpointSlice; its two lists are always written.

    An empty one is somebody's until the strategy writes null for it, as the real server's store does.
    """
    value = change.object
    for port in value.get("ports") or ():
        fill(port, name="")
        fill(port, protocol="TCP")
    value.setdefault("ports", None)
    value.setdefault("endpoints", None)
    for endpoint in value.get("endpoints") or ():
        fill(endpoint, addresses=None)
        part(endpoint, "conditions")


def ingress(change: Change) -> None:
    """Fill in an Ingress."""
    part(change.object, "spec")
    part(part(change.object, "status"), "loadBalancer")


def ingress_class(change: Change) -> None:
    """Fill in an IngressClass; parameters are cluster-wide unless they say otherwise."""
    spec = part(change.object, "spec")
    if spec.get("parameters") is not None:
        fill(spec["parameters"], scope="Cluster")


def network_policy(change: Change) -> None:
    """Fill in a NetworkPolicy: one that says nothing of its types is about Ingress."""
    spec = part(change.object, "spec")
    part(spec, "podSelector")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for direction in ("ingress", "egress"):
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                fill(port, protocol="TCP")


def service_cidr(change: Change) -> None:
    """Fill in a ServiceCIDR."""
    part(change.object, "spec")
    part(change.object, "status")
