"""The port between the node agent and the network: an address for a pod.

roost.network implements it; Loopback is for pods without a network of their own, and for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from roost.api.values import Object
from roost.node import podspec


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads to a port of the pod."""

    host_ip: str  # "" means every address
    host_port: int
    container_port: int
    protocol: str  # TCP, UDP or SCTP


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a pod got: the path of its network namespace and its address."""

    namespace_path: str
    ip: str


class PodNetwork(Protocol):
    """Attaches pods. Both calls may be repeated with the same effect; OSError says why not."""

    async def attach(
        self, pod_uid: str, namespace: str, name: str, host_ports: Sequence[HostPort]
    ) -> Attachment: ...

    async def detach(self, pod_uid: str) -> None: ...

    async def recover(self) -> dict[str, Attachment]:
        """Return the attachments that exist, by pod uid; ends none."""
        ...


class NumberedNetwork:
    """Gives out the addresses of a /16 in order, and touches nothing: for simulated nodes."""

    def __init__(self, prefix: str = "10.244") -> None:
        self._prefix = prefix
        self._next = 2
        self._attached: dict[str, Attachment] = {}
        self.host_ports: dict[str, tuple[HostPort, ...]] = {}

    async def attach(
        self, pod_uid: str, namespace: str, name: str, host_ports: Sequence[HostPort]
    ) -> Attachment:
        del namespace, name
        if pod_uid not in self._attached:
            high, low = divmod(self._next, 250)
            self._next += 1
            ip = f"{self._prefix}.{high}.{low + 1}"
            self._attached[pod_uid] = Attachment(f"/run/netns/{pod_uid}", ip)
        self.host_ports[pod_uid] = tuple(host_ports)
        return self._attached[pod_uid]

    async def detach(self, pod_uid: str) -> None:
        self._attached.pop(pod_uid, None)
        self.host_ports.pop(pod_uid, None)

    async def recover(self) -> dict[str, Attachment]:
        return dict(self._attached)


def host_ports_of(pod: Object) -> tuple[HostPort, ...]:
    """Return the host ports that a pod asks for; none with hostNetwork, where ports are the host's."""
    if podspec.host_network(pod):
        return ()
    return tuple(
        HostPort(
            port.get("hostIP") or "",
            port["hostPort"],
            port["containerPort"],
            port.get("protocol") or "TCP",
        )
        for _, container in podspec.containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )
