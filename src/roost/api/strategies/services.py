"""Strategy of Services, and what addresses and ports a Service wants allocated.

Allocation needs the pools, which are not pure; so it is split. The API server, in a write of a
Service: runs the hooks, calls `wanted_addresses`, allocates what the answer lists, calls
`apply_addresses` with what it got, stores the object, and then releases what the answer says is free.
Rule: only IPv4 is configured, one family; asking for another is refused by validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from roost.api.kind import Change
from roost.api.strategies.strategy import Strategy, next_generation
from roost.api.values import Object

HEADLESS = "None"
_WITH_ADDRESS = ("ClusterIP", "NodePort", "LoadBalancer")
_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


def service_type(service: Object | None) -> str:
    """Return the type of a Service, "" for no Service."""
    if service is None:
        return ""
    return (service.get("spec") or {}).get("type") or "ClusterIP"


def needs_health_port(service: Object | None) -> bool:
    """Tell whether a Service has a health check node port: a local load balancer does."""
    spec = (service or {}).get("spec") or {}
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def cluster_ips(service: Object | None) -> list[str]:
    """Return the cluster IPs of a Service, without those of a headless one."""
    spec = (service or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in found if address and address != HEADLESS]


def _may_have_node_ports(service: Object | None) -> bool:
    return service_type(service) in _WITH_NODE_PORTS


def node_ports(service: Object | None) -> set[int]:
    """Return every node port a Service holds, the health check's included."""
    if service is None or not _may_have_node_ports(service):
        return set()
    spec = service.get("spec") or {}
    ports = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
    if needs_health_port(service) and spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return ports


@dataclass(frozen=True, slots=True)
class PortWish:
    """A node port for spec.ports[index]; 0 means any. `shares` is a wish whose port is the same."""

    index: int
    port: int
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a write of a Service needs allocated, and what it gives back once it is stored.

    `cluster_ip` is None where nothing is wanted, "" for any address. `health_port` is None or 0 for
    any or a port.
    """

    cluster_ip: str | None = None
    ports: tuple[PortWish, ...] = ()
    health_port: int | None = None
    free_ips: tuple[str, ...] = ()
    free_ports: tuple[int, ...] = ()

    @property
    def nothing(self) -> bool:
        """Tell whether there is nothing to allocate."""
        return self.cluster_ip is None and not self.ports and self.health_port is None


@dataclass(frozen=True, slots=True)
class Allocated:
    """What was allocated: the address, a node port for each index, and the health check's port."""

    cluster_ip: str | None = None
    ports: dict[int, int] = field(default_factory=dict)
    health_port: int | None = None


def wanted_addresses(change: Change) -> Wanted:
    """Return what must be allocated for this write, and what it frees."""
    new, old = change.object, change.old
    if change.subresource:
        return Wanted()
    held = node_ports(old)
    ports = tuple(_port_wishes(change, held))
    kept = node_ports(new)
    health: int | None = None
    if needs_health_port(new) and not needs_health_port(old):
        health = new["spec"].get("healthCheckNodePort") or 0
    addresses = cluster_ips(old)
    return Wanted(
        cluster_ip=_address_wish(change),
        ports=ports,
        health_port=health,
        free_ips=tuple(ip for ip in addresses if ip not in cluster_ips(new)),
        free_ports=tuple(sorted(held - kept)),
    )


def _address_wish(change: Change) -> str | None:
    """Return the address that is wanted; only a Service that had none gets one."""
    spec = change.object["spec"]
    if service_type(change.object) not in _WITH_ADDRESS or spec.get("clusterIP") == HEADLESS:
        return None
    if cluster_ips(change.old) or _is_headless(change.old):
        return None
    given = cluster_ips(change.object)
    return str(given[0]) if given else ""


def _is_headless(service: Object | None) -> bool:
    spec = (service or {}).get("spec") or {}
    return service_type(service) in _WITH_ADDRESS and spec.get("clusterIP") == HEADLESS


def _port_wishes(change: Change, held: set[int]) -> Iterator[PortWish]:
    """Yield a wish for each port without a node port of its own yet."""
    service = change.object
    kind = service_type(service)
    if kind not in _WITH_NODE_PORTS:
        return
    allocate = (
        kind == "NodePort" or service["spec"].get("allocateLoadBalancerNodePorts") is not False
    )
    ports = [
        (index, port)
        for index, port in enumerate(service["spec"].get("ports") or ())
        if port.get("nodePort") or allocate
    ]
    wishes = _wishes_of_new(ports) if change.old is None else _wishes_of_changed(ports, held)
    yield from wishes


def _wishes_of_new(ports: list[tuple[int, Object]]) -> Iterator[PortWish]:
    """Yield the wishes of a new Service, in which the same port has one node port, as DNS has.

    The first of them brings it, also if only a later one says which.
    """
    first: dict[int, PortWish] = {}
    for index, port in ports:
        number, asked = port.get("port", 0), port.get("nodePort") or 0
        if number not in first:
            same = (
                p["nodePort"] for _, p in ports if p.get("port", 0) == number and p.get("nodePort")
            )
            first[number] = PortWish(index, next(same, 0))
            yield first[number]
        elif asked and asked != first[number].port:
            yield PortWish(index, asked)
        else:
            yield PortWish(index, asked, shares=first[number].index)


def _wishes_of_changed(ports: list[tuple[int, Object]], held: set[int]) -> Iterator[PortWish]:
    """Yield the wishes of a changed Service: what it holds stays, what it says twice is one."""
    seen: dict[int, tuple[int, str]] = {}
    for index, port in ports:
        asked, protocol = port.get("nodePort") or 0, port.get("protocol") or "TCP"
        if asked in held:
            continue
        brought, other = seen.get(asked, (None, ""))
        yield PortWish(index, asked, brought if other != protocol else None)
        if asked:
            seen.setdefault(asked, (index, protocol))


def apply_addresses(service: Object, allocated: Allocated) -> None:
    """Write what was allocated into the Service, and the families it has by that."""
    spec = service["spec"]
    kind = service_type(service)
    if allocated.cluster_ip is not None:
        spec["clusterIP"] = allocated.cluster_ip
        spec["clusterIPs"] = [allocated.cluster_ip]
    if kind in _WITH_ADDRESS:
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        open_to_all = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
        if not spec.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = "RequireDualStack" if open_to_all else "SingleStack"
        families = spec.setdefault("ipFamilies", ["IPv4"])
        if open_to_all and len(families) == 1 and spec["ipFamilyPolicy"] != "SingleStack":
            families.append("IPv6" if families[0] == "IPv4" else "IPv4")
    for index, port in allocated.ports.items():
        spec["ports"][index]["nodePort"] = port
    if allocated.health_port is not None:
        spec["healthCheckNodePort"] = allocated.health_port


def _address_fields(change: Change) -> None:
    """Keep clusterIP and clusterIPs telling the same, whichever of them was written.

    An update may leave out either; what the Service has then stays.
    """
    spec = change.object.setdefault("spec", {})
    old_spec = ((change.old or {}).get("spec") or {}) if change.old else {}
    _drop_of_old_type(change.object, change.old)
    first, many = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if change.old is None:
        if first and not many:
            spec["clusterIPs"] = [first]
        return
    before, had = old_spec.get("clusterIP") or "", old_spec.get("clusterIPs") or []
    if service_type(change.old) in _WITH_ADDRESS and service_type(change.object) in _WITH_ADDRESS:
        if before and not first:
            first = spec["clusterIP"] = before
        if had and not many:
            many = spec["clusterIPs"] = list(had)
    if first != before and many == had:
        if first:
            spec["clusterIPs"] = [first]
        else:
            spec.pop("clusterIPs", None)


def _drop_of_old_type(service: Object, old: Object | None) -> None:
    """Drop what a change of type makes meaningless, if the write did not touch it."""
    if old is None:
        return
    spec, before = service["spec"], old.get("spec") or {}
    was, kind = service_type(old), service_type(service)

    def untouched(key: str) -> bool:
        return bool(spec.get(key)) and spec.get(key) == before.get(key)

    if was in _WITH_ADDRESS and kind == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if untouched(key):
                spec.pop(key)
    if was in _WITH_NODE_PORTS and kind not in _WITH_NODE_PORTS:
        held = {p.get("nodePort") for p in before.get("ports") or ()}
        asked = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
        if asked <= held:  # one that is new shows that they are meant, and validation refuses all
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if (
        needs_health_port(old)
        and not needs_health_port(service)
        and untouched("healthCheckNodePort")
    ):
        spec.pop("healthCheckNodePort")
    if was == "LoadBalancer" and kind != "LoadBalancer":
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if key in spec and spec[key] == before.get(key):
                spec.pop(key)
    external = kind in _WITH_NODE_PORTS or (kind == "ClusterIP" and spec.get("externalIPs"))
    if not external and untouched("externalTrafficPolicy"):
        spec.pop("externalTrafficPolicy")
    if kind == "ExternalName" and untouched("internalTrafficPolicy"):
        spec.pop("internalTrafficPolicy")


def _carry_over(change: Change) -> None:
    """Take from the stored Service what an update left out and did not mean to change."""
    old = change.old
    _address_fields(change)
    if old is None:
        return
    if service_type(change.object) != "LoadBalancer":
        change.object.setdefault("status", {})["loadBalancer"] = {}
    spec, before = change.object["spec"], old.get("spec") or {}
    was, kind = service_type(old), service_type(change.object)
    if was != "ExternalName" and kind != "ExternalName":
        for key in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(key) and before.get(key):
                spec[key] = list(before[key]) if key == "ipFamilies" else before[key]
        if spec.get("ipFamilyPolicy") == "SingleStack":
            for key in ("clusterIPs", "ipFamilies"):  # one stack is meant: the second one goes
                if spec.get(key) == before.get(key):
                    spec[key] = list(spec.get(key) or ())[:1]
    if was in _WITH_NODE_PORTS and kind in _WITH_NODE_PORTS:
        _carry_node_ports(spec, before)
    if needs_health_port(old) and needs_health_port(change.object):
        spec.setdefault("healthCheckNodePort", before.get("healthCheckNodePort", 0))


def _carry_node_ports(spec: Object, before: Object) -> None:
    """Give ports that are named as before the node port they had, if no other one has it now."""
    had = {p.get("name") or "": p.get("nodePort") or 0 for p in before.get("ports") or ()}
    taken = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
    for port in spec.get("ports") or ():
        number = had.get(port.get("name") or "")
        if not port.get("nodePort") and number and number not in taken:
            port["nodePort"] = number
            taken.add(number)


SERVICE = Strategy(status={"loadBalancer": {}}, create=_carry_over, update=_carry_over)


def _slice(change: Change) -> None:
    """Write empty lists as null, and drop the topology of API versions that are gone."""
    old = change.old or {}
    if change.object.get("endpoints") != old.get("endpoints"):
        for endpoint in change.object.get("endpoints") or ():
            endpoint.pop("deprecatedTopology", None)
    for key in ("endpoints", "ports"):
        if not change.object.get(key):
            change.object[key] = None


def _slice_update(change: Change) -> None:
    """Labels count too: they say which Service a slice is of."""
    new, old = change.object.get("metadata") or {}, (change.old or {}).get("metadata") or {}
    if (new.get("labels") or {}) != (old.get("labels") or {}):
        next_generation(change)
    _slice(change)


#: Endpoints of a slice, its ports, address type and labels make it a new generation.
ENDPOINT_SLICE = Strategy(
    counted=("endpoints", "ports", "addressType"), create=_slice, update=_slice_update
)
#: The status of an Ingress is where its load balancer is.
INGRESS = Strategy(status={"loadBalancer": {}}, counted=("spec",))
