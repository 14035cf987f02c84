"""Cluster IPs and node ports: pools in memory, built from the stored Services.

The store is the truth: a pool only remembers what the Services hold, so that a free one is found at
once. What a write reserves is given back when the write does not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from itertools import chain

from roost.api.errors import Cause, InternalError, StatusError, invalid
from roost.api.kind import Change
from roost.api.strategies.services import (
    Allocated,
    Wanted,
    apply_addresses,
    cluster_ips,
    node_ports,
    wanted_addresses,
)
from roost.api.values import Object
from roost.ports.port import Chance

_RANDOM_TRIES = 16


class Pool:
    """A range of numbers of which some are taken. The first `reserved` are only given when asked for."""

    def __init__(self, first: int, size: int, reserved: int, chance: Chance) -> None:
        self.first = first
        self.size = size
        self._reserved = reserved
        self._chance = chance
        self.taken: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + self.size

    def take_any(self) -> int | None:
        """Take a free number, None when there is none. Like the real server's, it is random."""
        if len(self.taken) >= self.size:
            return None
        low = self._reserved if self.size > self._reserved else 0
        for _ in range(_RANDOM_TRIES):
            number = self.first + low + int(self._chance.uniform() * (self.size - low))
            if number in self and number not in self.taken:
                self.taken.add(number)
                return number
        for offset in chain(range(low, self.size), range(low)):
            if self.first + offset not in self.taken:
                self.taken.add(self.first + offset)
                return self.first + offset
        return None

    def take(self, number: int) -> bool:
        """Take this number; False when it is taken."""
        if number in self.taken:
            return False
        self.taken.add(number)
        return True


@dataclass(slots=True)
class Reservation:
    """What one write took (to be given back if it fails) and what it frees (if it succeeds)."""

    undo: list[Callable[[], None]] = field(default_factory=list)
    free: list[Callable[[], None]] = field(default_factory=list)

    def cancel(self) -> None:
        for step in reversed(self.undo):
            step()

    def settle(self) -> None:
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
        self.network = IPv4Network(addresses)
        size = self.network.num_addresses - 2
        # The lower band (16..256 addresses) is left to those who choose their address themselves.
        band = min(max(16, size // 16), 256)
        self.ips = Pool(int(self.network.network_address) + 1, size, band, chance)
        band = min(max(16, len(ports) // 32), 128)
        self.ports = Pool(ports.start, len(ports), band, chance)

    def load(self, services: Iterable[Object]) -> None:
        """Remember what stored Services hold."""
        for service in services:
            self.hold(service)

    def hold(self, service: Object) -> None:
        for address in cluster_ips(service):
            try:
                self.ips.taken.add(int(IPv4Address(address)))
            except AddressValueError:
                continue
        self.ports.taken.update(node_ports(service))

    def release(self, service: Object) -> None:
        """Forget what a deleted Service held."""
        for address in cluster_ips(service):
            self._free_ip(address)
        for port in node_ports(service):
            self.ports.taken.discard(port)

    def reserve(self, change: Change, *, dry_run: bool = False) -> Reservation:
        """Allocate what a write of a Service wants, into its object; raises Invalid.

        A dry run takes no node port: it shows the number after the last one.
        """
        wanted = wanted_addresses(change)
        reservation = Reservation()
        try:
            allocated = self._allocate(change.object, wanted, reservation, dry_run)
        except BaseException:
            reservation.cancel()
            raise
        if not change.subresource:
            apply_addresses(change.object, allocated)
        reservation.free = [
            *(lambda ip=ip: self._free_ip(ip) for ip in wanted.free_ips),
            *(lambda port=port: self.ports.taken.discard(port) for port in wanted.free_ports),
        ]
        return reservation

    def _free_ip(self, address: str) -> None:
        try:
            self.ips.taken.discard(int(IPv4Address(address)))
        except AddressValueError:
            return

    def _allocate(
        self, service: Object, wanted: Wanted, reservation: Reservation, dry_run: bool
    ) -> Allocated:
        address = None
        if wanted.cluster_ip is not None:
            address = self._address(service, wanted.cluster_ip, reservation)
        ports: dict[int, int] = {}
        for wish in wanted.ports:
            if wish.shares is not None and wish.shares in ports:
                ports[wish.index] = ports[wish.shares]
            elif dry_run and not wish.port:
                ports[wish.index] = self.ports.first + self.ports.size + 1
            else:
                path = f"spec.ports[{wish.index}].nodePort"
                ports[wish.index] = self._port(service, wish.port, path, reservation)
        health = None
        if wanted.health_port is not None:
            health = self._port(
                service, wanted.health_port, "spec.healthCheckNodePort", reservation
            )
        return Allocated(address, ports, health)

    def _address(self, service: Object, asked: str, reservation: Reservation) -> str:
        if not asked:
            number = self.ips.take_any()
            if number is None:
                raise InternalError("failed to allocate a serviceIP: range is full")
        else:
            why = self._refused_address(asked)
            if why:
                raise _refusal(service, "spec.clusterIPs", [asked], why)
            number = int(IPv4Address(asked))
        reservation.undo.append(lambda: self.ips.taken.discard(number))
        return str(IPv4Address(number))

    def _refused_address(self, asked: str) -> str:
        try:
            number = int(IPv4Address(asked))
        except AddressValueError:
            return f"failed to allocate IP {asked}: not a valid IP"
        if number not in self.ips:
            return (
                f"failed to allocate IP {asked}: the provided network does not match the "
                "current range"
            )
        if not self.ips.take(number):
            return f"failed to allocate IP {asked}: provided IP is already allocated"
        return ""

    def _port(self, service: Object, asked: int, path: str, reservation: Reservation) -> int:
        if not asked:
            number = self.ports.take_any()
            if number is None:
                raise InternalError("failed to allocate a nodePort: range is full")
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
                raise _refusal(service, path, asked, "provided port is already allocated")
        reservation.undo.append(lambda: self.ports.taken.discard(number))
        return number


def _refusal(service: Object, path: str, value: object, why: str) -> StatusError:
    shown = f'["{value[0]}"]' if isinstance(value, list) else str(value)
    cause = Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", path)
    return invalid("", "Service", service["metadata"].get("name", ""), [cause])
