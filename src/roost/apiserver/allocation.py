"""Cluster IPs and node ports: pools in memory, built from what is stored.

The store is the truth: a pool only remembers what Services and IPAddresses hold, so that a free number
is found at once. What a write reserves is given back when the write does not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from roost.api.errors import Cause, InternalError, StatusError, already_exists, invalid
from roost.api.kind import Change, Kind, Resource
from roost.api.strategies.services import (
    Allocated,
    Wanted,
    apply_addresses,
    cluster_ips,
    node_ports,
    wanted_addresses,
)
from roost.api.validation.services import allocatable
from roost.api.values import Object
from roost.apiserver.clusterips import ClusterIps, number_of
from roost.apiserver.pools import Pool
from roost.ports.port import Chance

ADDRESSES: Final = Resource("networking.k8s.io", "v1", "ipaddresses")
SERVICES: Final = Resource("", "v1", "services")
_PORT_TAKEN = "provided port is already allocated"


@dataclass(slots=True)
class Reservation:
    """What one write took (to be given back if it fails) and what it frees (if it succeeds).

    The first of `cancel` and `settle` counts.
    """

    undo: list[Callable[[], None]] = field(default_factory=list)
    free: list[Callable[[], None]] = field(default_factory=list)
    _over: bool = False

    def __bool__(self) -> bool:
        return bool(self.undo or self.free)

    def cancel(self) -> None:
        if not self._over:
            self._over = True
            for step in reversed(self.undo):
                step()

    def settle(self) -> None:
        if not self._over:
            self._over = True
            for step in self.free:
                step()


class Allocator:
    """The addresses and ports of all Services."""

    def __init__(
        self,
        chance: Chance,
        *,
        addresses: str = "10.96.0.0/16",
        ports: range = range(30000, 32768),
    ) -> None:
        self.ips = ClusterIps(addresses, chance)
        band = min(max(16, len(ports) // 32), 128)
        self.ports = Pool(ports.start, len(ports), band, chance)

    def load(self, services: Iterable[Object], addresses: Iterable[Object]) -> None:
        """Remember what stored Services and IPAddresses hold."""
        for service in services:
            for address in cluster_ips(service):
                number = number_of(address)
                if number is not None:
                    self.ips.hold(number)
            self.ports.taken.update(node_ports(service))
        for found in addresses:
            self.note(found["metadata"]["name"], there=True)

    def ending(self, kind: Kind, going: Object) -> Reservation | None:
        """Return what is freed when an object has been deleted; None for kinds that hold nothing."""
        if kind.resource not in (SERVICES, ADDRESSES):
            return None
        return Reservation(free=[lambda: self._release(kind, going)])

    def _release(self, kind: Kind, gone: Object) -> None:
        if kind.resource == ADDRESSES:
            self.note(gone["metadata"]["name"], there=False)
            return
        for address in cluster_ips(gone):
            self._free_ip(address)
        for port in node_ports(gone):
            self.ports.taken.discard(port)

    def note(self, address: str, *, there: bool) -> None:
        """Take note whether an address has an IPAddress."""
        number = number_of(address)
        if number is not None:
            self.ips.note(number, there=there)

    def reserve(self, kind: Kind, change: Change, *, dry_run: bool = False) -> Reservation | None:
        """Reserve what the write of an object needs; None for kinds that need nothing.

        Raises Invalid, InternalError or AlreadyExists.
        """
        if kind.resource == SERVICES:
            return self._for_service(change, dry_run=dry_run)
        if kind.resource == ADDRESSES and change.old is None:
            return self._for_address(kind, change.object["metadata"].get("name", ""))
        return None

    def _for_address(self, kind: Kind, name: str) -> Reservation | None:
        """Keep an address from Services while somebody creates its IPAddress."""
        number = number_of(name)
        if number is None:
            return None
        if self.ips.in_doubt(number):
            raise already_exists(kind.group, kind.plural, name)
        if not self.ips.note(number, there=True):
            return None
        return Reservation(undo=[lambda: self.note(name, there=False)])

    def _for_service(self, change: Change, *, dry_run: bool) -> Reservation:
        """Allocate what a write of a Service wants, into its object.

        A dry run takes no node port: it shows numbers after the last, or what was asked for.
        """
        causes = [] if change.subresource else allocatable(change)
        if causes:
            raise invalid("", "Service", change.object["metadata"].get("name", ""), causes)
        wanted = wanted_addresses(change)
        reservation = Reservation()
        try:
            allocated = self._allocate(change.object, wanted, reservation, dry_run)
        except BaseException:
            reservation.cancel()
            raise
        if not change.subresource:
            apply_addresses(change.object, allocated)
        reservation.free += [
            *(lambda ip=ip: self._free_ip(ip) for ip in wanted.free_ips),
            *(lambda port=port: self.ports.taken.discard(port) for port in wanted.free_ports),
        ]
        return reservation

    def _free_ip(self, address: str) -> None:
        number = number_of(address)
        if number is not None:
            self.ips.free(number)

    def _allocate(
        self, service: Object, wanted: Wanted, reservation: Reservation, dry_run: bool
    ) -> Allocated:
        address = None
        if wanted.cluster_ip is not None:
            if dry_run and wanted.cluster_ip:
                address = self._tried_address(service, wanted.cluster_ip)
            else:
                address = self._address(service, wanted.cluster_ip, reservation)
        ports: dict[int, int] = {}
        tried: list[int] = []
        for wish in wanted.ports:
            if wish.shares is not None and wish.shares in ports:
                ports[wish.index] = ports[wish.shares]
                continue
            path = f"spec.ports[{wish.index}].nodePort"
            if dry_run:
                ports[wish.index] = self._tried_port(service, wish.port, path, tried)
            else:
                ports[wish.index] = self._port(service, wish.port, path, reservation)
        health = wanted.health_port
        if health is not None:
            path = "spec.healthCheckNodePort"
            if dry_run:
                health = self._tried_port(service, health, path, tried)
            else:
                health = self._port(service, health, path, reservation)
        return Allocated(address, ports, health)

    def _tried_address(self, service: Object, asked: str) -> str:
        """Check an address in a dry run, in which one that somebody has is as good as any other."""
        number = number_of(asked)
        if number is None or number not in self.ips:
            why = (
                f"failed to allocate IP {asked}: the provided IP ({asked}) is not in the valid range. "
                f"The range of valid IPs is {self.ips.range}"
            )
            raise _refusal(service, "spec.clusterIPs", [asked], why)
        return str(IPv4Address(number))

    def _tried_port(self, service: Object, asked: int, path: str, tried: list[int]) -> int:
        """Return the node port of a dry run; `tried` are those that this one has already."""
        if asked in self.ports.taken or asked in tried:
            raise _refusal(service, path, asked, _PORT_TAKEN)
        tried.append(asked or max(tried, default=self.ports.first + self.ports.size) + 1)
        return tried[-1]

    def _address(self, service: Object, asked: str, reservation: Reservation) -> str:
        if asked:
            taken = number_of(asked)
            why = self._refused_address(asked, taken)
            if why:
                raise _refusal(service, "spec.clusterIPs", [asked], why)
        else:
            taken = self.ips.reserve_any()
            if taken is None:
                raise InternalError.because("failed to allocate a serviceIP: range is full")
        number = taken or 0
        reservation.undo.append(lambda: self.ips.free(number))
        reservation.free.append(lambda: self.ips.written(number))
        return str(IPv4Address(number))

    def _refused_address(self, asked: str, number: int | None) -> str:
        if number is None:
            return f"failed to allocate IP {asked}: not a valid IP"
        if number not in self.ips:
            return (
                f"failed to allocate IP {asked}: the provided network does not match the "
                "current range"
            )
        if not self.ips.reserve(number):
            return f"failed to allocate IP {asked}: provided IP is already allocated"
        return ""

    def refused(self, service: Object) -> StatusError:
        """Return the refusal of a Service whose address somebody else was given first."""
        asked = (service["spec"].get("clusterIPs") or [""])[0]
        why = f"failed to allocate IP {asked}: provided IP is already allocated"
        return _refusal(service, "spec.clusterIPs", [asked], why)

    def _port(self, service: Object, asked: int, path: str, reservation: Reservation) -> int:
        if not asked:
            number = self.ports.take_any()
            if number is None:
                raise InternalError.because("failed to allocate a nodePort: range is full")
        else:
            number = asked
            if number not in self.ports:
                last = self.ports.first + self.ports.size - 1
                why = (
                    "provided port is not in the valid range. "
                    f"The range of valid ports is {self.ports.first}-{last}"
                )
                raise _refusal(service, path, asked, why)
            if not self.ports.take(number):
                raise _refusal(service, path, asked, _PORT_TAKEN)
        reservation.undo.append(lambda: self.ports.taken.discard(number))
        return number


def _refusal(service: Object, path: str, value: object, why: str) -> StatusError:
    shown = f'["{value[0]}"]' if isinstance(value, list) else str(value)
    cause = Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", path)
    return invalid("", "Service", service["metadata"].get("name", ""), [cause])
