"""IPAddresses and Services name each other; what is otherwise is mended, and said in events.

A Service has an IPAddress for each of its cluster IPs, one that refers to it and bears the allocator's
labels; and no other IPAddress bears these labels. This is the repair loop of kube-apiserver. The server
writes both in one commit, so there is only something to mend after somebody else wrote them, or in data
of older servers. The key of an IPAddress is its name without a namespace.

Before anything is made or deleted the server itself is asked: caches of the two may lag behind each
other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from roost.api.strategies.services import cluster_ips
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    created_at,
    deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    object_reference,
    ref_of,
    warning,
)
from roost.decisions.plan import (
    NOTHING,
    Action,
    AssertAbsent,
    AssertAlive,
    Create,
    Delete,
    Plan,
    Ref,
)
from roost.decisions.resources import IP_ADDRESSES, SERVICE_CIDRS, SERVICES

FAMILY = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
#: How long an IPAddress may be there before its Service.
GRACE_S = 60.0
#: How long until it is said again what only the user can mend.
AGAIN_S = 180.0


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A Service with cluster IPs: what is known by their names, and who these refer to.

    `rivals` are Services that IPAddresses of this one's cluster IPs refer to instead.
    """

    service: Object
    addresses: dict[str, Object]
    rivals: dict[str, Object]
    ranges: tuple[str, ...]
    now: float


@dataclass(frozen=True, slots=True)
class AddressView:
    """An IPAddress of the allocator, and the Service that it refers to."""

    address: Object
    service: Object | None
    now: float


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def parent_of(address: Object) -> tuple[str, str, str, str]:
    """Return group, resource, namespace and name of what an IPAddress refers to."""
    parent = (address.get("spec") or {}).get("parentRef") or {}
    group, resource = parent.get("group") or "", parent.get("resource") or ""
    return group, resource, parent.get("namespace") or "", parent.get("name") or ""


def managed(address: Object) -> bool:
    """Say whether the allocator made it."""
    return labels_of(address).get(MANAGED_BY) == ALLOCATOR


def in_ranges(address: str, ranges: Iterable[str]) -> bool:
    """Say whether an address can be given out of one of these ranges."""
    asked = ipaddress.ip_address(address)
    for text in ranges:
        version, first, last = _bounds(text)
        if asked.version == version and first <= int(asked) <= last:
            return True
    return False


@lru_cache(maxsize=64)
def _bounds(text: str) -> tuple[int, int, int]:
    """Return the version of a range, and the first and last number that are given out."""
    network = ipaddress.ip_network(text, strict=False)
    last = int(network.broadcast_address) - (1 if network.version == 4 else 0)
    return network.version, int(network.network_address) + 1, last


def reconcile(view: ServiceView | AddressView) -> Plan:
    """Decide what to mend for a Service or an IPAddress."""
    if isinstance(view, AddressView):
        return _for_address(view)
    actions: list[Action] = []
    again = False
    for text in cluster_ips(view.service):
        steps, waits = _for_service(view, text)
        actions += steps
        again = again or waits
    return Plan(tuple(actions), view.now + AGAIN_S if again else None)


def _for_service(view: ServiceView, text: str) -> tuple[list[Action], bool]:
    """Return what is to be done about one cluster IP, and whether to say it again some day."""
    service, found = view.service, view.addresses.get(text)
    if found is not None and _agrees(found, service, text) and in_ranges(text, view.ranges):
        return [], False
    regarding = object_reference(SERVICES, "Service", service)
    where = f"[{family_of(text)}]: {text}"
    if not in_ranges(text, view.ranges):
        message = (
            f"Cluster IP {where} is not within any configured Service CIDR; please recreate service"
        )
        return [warning(regarding, "ClusterIPOutOfRange", message)], True
    made = Create(IP_ADDRESSES, _address_of(text, service))
    if found is None:
        message = f"Cluster IP {where} is not allocated; repairing"
        event = warning(regarding, "ClusterIPNotAllocated", message)
        alive = AssertAlive(ref_of(SERVICES, service))
        return [alive, AssertAbsent(Ref(IP_ADDRESSES, "", text)), event, made], False
    group, resource, namespace, name = parent_of(found)
    again: list[Action] = [Delete(ref_of(IP_ADDRESSES, found)), made]
    own = (namespace, name) == (namespace_of(service), name_of(service))
    if (group, resource) != ("", "services") or (not own and text not in view.rivals):
        message = (
            f"the ClusterIP {where} for Service {namespace_of(service)}/{name_of(service)} "
            "has a wrong reference; repairing"
        )
        event = warning(regarding, "ClusterIPNotAllocated", message)
        return [AssertAlive(ref_of(IP_ADDRESSES, found)), event, *again], False
    if not own:
        if text not in cluster_ips(view.rivals[text]):
            return [], False  # the key of the IPAddress sees to it, then this one
        message = (
            f"Cluster IP [{family_of(text)}]:{text} was assigned to multiple services; "
            "please recreate service"
        )
        return [warning(regarding, "ClusterIPAlreadyAllocated", message)], True
    return again, False


def _agrees(address: Object, service: Object, text: str) -> bool:
    """Say whether an IPAddress is what a Service's address should be."""
    if not managed(address) or labels_of(address).get(FAMILY) != family_of(text):
        return False
    return parent_of(address) == ("", "services", namespace_of(service), name_of(service))


def _address_of(text: str, service: Object) -> Object:
    parent = {
        "resource": "services",
        "namespace": namespace_of(service),
        "name": name_of(service),
    }
    labels = {FAMILY: family_of(text), MANAGED_BY: ALLOCATOR}
    return {"metadata": {"name": text, "labels": labels}, "spec": {"parentRef": parent}}


def _for_address(view: AddressView) -> Plan:
    address, service = view.address, view.service
    group, resource, namespace, name = parent_of(address)
    if (group, resource) != ("", "services"):
        shown = f"&ParentReference{{Group:{group},Resource:{resource},Namespace:{namespace},"
        return _removed(
            address,
            "IPAddressNotAllocated",
            f"IPAddress {name_of(address)} appears to have been modified, "
            f"not referencing a Service {shown}Name:{name},}}: cleaning up",
        )
    if service is None:
        due = created_at(address) + GRACE_S
        if view.now <= due:
            return Plan(wake_at=due + 1)
        text = f"{namespace}/{name} appears to have leaked: cleaning up"
        gone = AssertAbsent(Ref(SERVICES, namespace, name))
        message = f"IPAddress: {name_of(address)} for Service {text}"
        return _removed(address, "IPAddressNotAllocated", message, gone)
    if name_of(address) in cluster_ips(service):
        return NOTHING
    text = f"{namespace}/{name} has a wrong reference; cleaning up"
    message = f"IPAddress: {name_of(address)} for Service {text}"
    return _removed(
        address, "IPAddressWrongReference", message, AssertAlive(ref_of(SERVICES, service))
    )


def _removed(address: Object, reason: str, message: str, *asked: Action) -> Plan:
    regarding = object_reference(IP_ADDRESSES, "IPAddress", address)
    there = AssertAlive(ref_of(IP_ADDRESSES, address))
    event = warning(regarding, reason, message)
    return Plan((*asked, there, event, Delete(ref_of(IP_ADDRESSES, address))))


def view(caches: Caches, key: Key, now: float) -> ServiceView | AddressView | None:
    """Return a Service or an IPAddress of the allocator, with what it must agree with."""
    services, addresses = caches[SERVICES], caches[IP_ADDRESSES]
    if not key.namespace:
        address = addresses.get(*key)
        if address is None or deleting(address) or not managed(address):
            return None
        _, _, namespace, name = parent_of(address)
        return AddressView(address, services.get(namespace, name), now)
    service = services.get(*key)
    if service is None or not cluster_ips(service):
        return None
    found = {text: addresses.get("", text) for text in cluster_ips(service)}
    known = {text: address for text, address in found.items() if address is not None}
    rivals = {}
    for text, address in known.items():
        rival = services.get(*parent_of(address)[2:])
        if rival is not None and key_of(rival) != key:
            rivals[text] = rival
    ranges = tuple(
        text
        for cidr in caches[SERVICE_CIDRS].all()
        for text in (cidr.get("spec") or {}).get("cidrs") or ()
    )
    if not ranges:
        return None  # the default range is on its way
    return ServiceView(service, known, rivals, ranges, now)


def by_address(service: Object) -> Iterable[str]:
    """Index: the cluster IPs of a Service."""
    return cluster_ips(service)


def _service_keys(service: Object, _caches: Caches) -> Iterable[Key]:
    """A Service, and what its addresses are called."""
    return [key_of(service), *(Key("", text) for text in cluster_ips(service))]


def _address_keys(address: Object, caches: Caches) -> Iterable[Key]:
    """An IPAddress, and the Services that have it."""
    name = name_of(address)
    return [key_of(address), *(key_of(one) for one in caches[SERVICES].by(BY_ADDRESS, name))]


def _range_keys(_cidr: Object, caches: Caches) -> Iterable[Key]:
    return [key_of(service) for service in caches[SERVICES].all() if cluster_ips(service)]


BY_ADDRESS = "cluster-ip"

CONTROLLER: Controller[ServiceView | AddressView] = Controller(
    name="ipallocator-repair-controller",
    component="ipallocator-repair-controller",
    watches=(
        Watch(SERVICES, _service_keys, {BY_ADDRESS: by_address}),
        Watch(IP_ADDRESSES, _address_keys),
        Watch(SERVICE_CIDRS, _range_keys),
    ),
    view=view,
    reconcile=reconcile,
)
