"""The addresses and names of one node's network, decided once from its settings. Pure.

A node has one bridge with the first address of its pod range; pods get /32 addresses and route through
it, so that every packet between pods passes the kernel's connection tracking and keeps its source.
Several nodes can live side by side: every name carries the node's instance, and every node keeps out of
the packets of other bridges.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

SERVICE_RANGE = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
#: All bridges of all Roost nodes on a machine begin like this; the kernel allows 15 characters.
BRIDGE_PREFIX = "roost-"


class NetworkError(Exception):
    """A network cannot be set up; the message says what to do."""


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """One node's network."""

    instance: str  # short, stable text that differs between nodes of one machine
    pod_range: str = "10.244.0.0/24"
    service_range: str = SERVICE_RANGE
    dns_address: str = DNS_ADDRESS
    mtu: int = 1500

    @property
    def bridge(self) -> str:
        return BRIDGE_PREFIX + self.instance

    @property
    def table(self) -> str:
        """Name of the nftables table."""
        return f"roost_{self.instance}"

    @property
    def gateway(self) -> str:
        """The bridge's address, which is also the node's as pods see it."""
        return str(ipaddress.ip_network(self.pod_range)[1])

    @property
    def bridge_mac(self) -> str:
        """A fixed address, because a bridge without one changes it as ports come and go."""
        digest = hashlib.sha256(self.bridge.encode()).digest()
        return ":".join(["02", *(f"{byte:02x}" for byte in digest[:5])])

    def veth_name(self, pod_uid: str, attempt: int) -> str:
        """The host's end of a pod's link. Names are not reused at once: the kernel removes late."""
        digest = hashlib.sha256(f"{pod_uid}/{attempt}".encode()).hexdigest()
        return f"rv{self.instance[:4]}{digest[:8]}"


def instance_of(data_dir: str) -> str:
    """Return the instance text of the node that keeps its data in a folder."""
    return hashlib.sha256(data_dir.encode()).hexdigest()[:6]


def choose_pod_range(wanted: str, routes: list[str]) -> str:
    """Return `wanted`, or the next range of its size in 10.0.0.0/8 that overlaps no route.

    Raises NetworkError when there is none (or when `wanted` is no range).
    """
    try:
        first = ipaddress.IPv4Network(wanted)
    except ValueError as error:
        raise NetworkError(f"{wanted} is not an IPv4 range: {error}") from error
    taken = [ipaddress.IPv4Network(route) for route in routes if route not in ("", "0.0.0.0/0")]
    size = first.num_addresses
    start = int(first.network_address)
    for number in range(256):
        try:
            candidate = ipaddress.IPv4Network((start + number * size, first.prefixlen))
        except ValueError:
            break
        if not any(candidate.overlaps(route) for route in taken):
            return str(candidate)
    raise NetworkError(f"no free range like {wanted} is left; choose one with --pod-cidr")
