"""Services as a table of addresses. Pure: from Services and EndpointSlices to a frozen value.

The same table becomes nftables rules on a real node and routes in a simulated one. Follows the
"Virtual IPs and Service Proxies" reference: ready endpoints are used; when there are none, those that
are terminating but still serving; internal and external traffic policy Local keep to this node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from roost.api.values import Object

Target: TypeAlias = tuple[str, int]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


@dataclass(frozen=True, slots=True, order=True)
class Frontend:
    """An address that clients use: an IP (empty for a node port), protocol and port."""

    address: str
    protocol: str  # tcp, udp or sctp
    port: int


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a frontend's connections go. No targets: they are refused."""

    targets: tuple[Target, ...]
    affinity: bool = False  # keep a client on one target
    name: str = ""  # namespace/service:port, for people who read the rules


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """Every frontend of a cluster as one node sees it. Compared with == to find what changed."""

    backends: Mapping[Frontend, Backend] = field(default_factory=dict)

    def hairpins(self) -> frozenset[str]:
        """Addresses that may come to themselves through a Service."""
        return frozenset(ip for backend in self.backends.values() for ip, _ in backend.targets)


def service_table(
    services: Iterable[Object], slices: Iterable[Object], node_name: str
) -> ServiceTable:
    """Return the table of all services, as the node `node_name` sees it."""
    by_service: dict[tuple[str, str], list[Object]] = {}
    for item in slices:
        metadata = item["metadata"]
        owner = metadata.get("labels", {}).get(SERVICE_NAME_LABEL)
        if owner and item.get("addressType", "IPv4") == "IPv4":
            by_service.setdefault((metadata["namespace"], owner), []).append(item)
    backends: dict[Frontend, Backend] = {}
    for service in services:
        metadata = service["metadata"]
        found = by_service.get((metadata["namespace"], metadata["name"]), [])
        backends.update(_service_backends(service, found, node_name))
    return ServiceTable(dict(sorted(backends.items())))


def _service_backends(
    service: Object, slices: list[Object], node_name: str
) -> Iterable[tuple[Frontend, Backend]]:
    spec, metadata = service["spec"], service["metadata"]
    cluster_ip = spec.get("clusterIP", "")
    if spec.get("type") == "ExternalName" or not cluster_ip or cluster_ip == "None":
        return
    if ":" in cluster_ip:
        return
    affinity = spec.get("sessionAffinity") == "ClientIP"
    inside_local = spec.get("internalTrafficPolicy") == "Local"
    outside_local = spec.get("externalTrafficPolicy") == "Local"
    for port in spec.get("ports", ()):
        protocol = _PROTOCOLS.get(port.get("protocol", "TCP"), "tcp")
        name = f"{metadata['namespace']}/{metadata['name']}:{port.get('name') or port['port']}"
        endpoints = list(_endpoints(slices, port))

        def backend(local: bool, found: list[_Endpoint] = endpoints, label: str = name) -> Backend:
            return Backend(_choose(found, node_name if local else ""), affinity, label)

        yield Frontend(cluster_ip, protocol, port["port"]), backend(inside_local)
        outside = backend(outside_local)
        for address in _outside_addresses(service):
            yield Frontend(address, protocol, port["port"]), outside
        if port.get("nodePort"):
            yield Frontend("", protocol, port["nodePort"]), outside


def _outside_addresses(service: Object) -> Iterable[str]:
    for address in service["spec"].get("externalIPs", ()):
        if ":" not in address:
            yield address
    for ingress in service.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
        address = ingress.get("ip", "")
        if address and ":" not in address and ingress.get("ipMode", "VIP") == "VIP":
            yield address


@dataclass(frozen=True, slots=True)
class _Endpoint:
    target: Target
    node: str
    ready: bool
    serving: bool
    terminating: bool


def _endpoints(slices: list[Object], port: Object) -> Iterable[_Endpoint]:
    """Yield what the slices say of one service port: slices name ports as services do."""
    for item in slices:
        for offered in item.get("ports") or ():
            if (offered.get("name") or "") != (port.get("name") or ""):
                continue
            if offered.get("protocol", "TCP") != port.get("protocol", "TCP"):
                continue
            if offered.get("port") is None:
                continue
            for endpoint in item.get("endpoints") or ():
                conditions = endpoint.get("conditions") or {}
                ready = conditions.get("ready") is not False
                serving = conditions.get("serving")
                yield _Endpoint(
                    (endpoint["addresses"][0], offered["port"]),
                    endpoint.get("nodeName", ""),
                    ready,
                    ready if serving is None else serving,
                    bool(conditions.get("terminating")),
                )


def _choose(endpoints: list[_Endpoint], local_node: str) -> tuple[Target, ...]:
    found = [e for e in endpoints if not local_node or e.node == local_node]
    ready = sorted({e.target for e in found if e.ready})
    return tuple(ready or sorted({e.target for e in found if e.serving and e.terminating}))
