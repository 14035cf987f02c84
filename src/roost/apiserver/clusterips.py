"""Which cluster IPs may be given out, and which are held: by Services, by IPAddresses, by both.

The ranges are those of ServiceCIDRs that are ready and stay; without any it is the configured one.
An address is a number here. One that a write is about to hold is also `writing`, until it is known
what became of that write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from roost.api.values import Object
from roost.apiserver.pools import Pool
from roost.ports.port import Chance


def number_of(address: str) -> int | None:
    """Return an IPv4 address as a number, None for anything else."""
    try:
        return int(IPv4Address(address))
    except AddressValueError:
        return None


def _ready(cidr: Object) -> bool:
    """May addresses of this ServiceCIDR be given out? Without a condition they may."""
    if cidr["metadata"].get("deletionTimestamp"):
        return False
    for condition in (cidr.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    return True


class ClusterIps:
    """The addresses of all Services."""

    def __init__(self, configured: str, chance: Chance) -> None:
        self._chance = chance
        self._configured = configured
        self.taken: set[int] = set()
        self._services: set[int] = set()
        self._objects: set[int] = set()
        self._writing: set[int] = set()
        self._pools: list[Pool] = []
        self._ranges: list[str] = []
        self.use(())

    def use(self, cidrs: Iterable[Object]) -> None:
        """Give out addresses of these ServiceCIDRs from now on, in their order."""
        found = list(cidrs)
        texts = [text for cidr in found if _ready(cidr) for text in cidr["spec"].get("cidrs") or ()]
        self._ranges = texts if found else [self._configured]
        self._pools = list(self._of(self._ranges))

    @property
    def range(self) -> str:
        """The first of the ranges, as messages show it; "" where there is none."""
        return next(iter(self._ranges), "")

    def _of(self, texts: Iterable[str]) -> Iterator[Pool]:
        for text in dict.fromkeys(texts):
            if ":" in text:
                continue
            network = IPv4Network(text, strict=False)
            size = network.num_addresses - 2
            if size < 1:
                continue
            # The lower band (16..256 addresses) is left to those who choose their address themselves.
            band = 0 if size < 16 else min(max(16, size // 16), 256)
            first = int(network.network_address) + 1
            yield Pool(first, size, band, self._chance, self.taken)

    def __contains__(self, number: int) -> bool:
        return any(number in pool for pool in self._pools)

    def reserve_any(self) -> int | None:
        """Take any free address for a write; None if there is none."""
        for pool in self._pools:
            number = pool.take_any()
            if number is not None:
                self._writing.add(number)
                self._services.add(number)
                return number
        return None

    def reserve(self, number: int) -> bool:
        """Take this address for a write; False if it is held."""
        if number in self.taken:
            return False
        self.taken.add(number)
        self._writing.add(number)
        self._services.add(number)
        return True

    def written(self, number: int) -> None:
        """Take note that a write that reserved the address has been done."""
        self._writing.discard(number)

    def in_doubt(self, number: int) -> bool:
        """Is a Service with this address being written, and its IPAddress with it?"""
        return number in self._writing

    def hold(self, number: int) -> None:
        """Take note that a Service has the address."""
        self._services.add(number)
        self.taken.add(number)

    def free(self, number: int) -> None:
        """Take note that no Service has the address any longer."""
        self._writing.discard(number)
        self._services.discard(number)
        self._settle(number)

    def note(self, number: int, *, there: bool) -> bool:
        """Take note whether the address has an IPAddress; return whether that is new."""
        if (number in self._objects) is there:
            return False
        if there:
            self._objects.add(number)
            self.taken.add(number)
        else:
            self._objects.discard(number)
            self._settle(number)
        return True

    def _settle(self, number: int) -> None:
        if number not in self._services and number not in self._objects:
            self.taken.discard(number)
