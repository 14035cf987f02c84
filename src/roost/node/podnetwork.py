"""The port between the node agent and the network: an address for a pod.

roost.network implements it on a real node; NumberedNetwork is for simulated ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from roost.api.values import Object
from roost.node import podspec

#: (protocol, host IP or "" for every address, host port, container port).
HostPort: TypeAlias = tuple[str, str, int, int]


class PodNetwork(Protocol):
    """Attaches pods. Calls may be repeated with the same effect; they raise NetworkError."""

    async def attach(
        self,
        pod_uid: str,
        pod_name: str,
        pod_namespace: str,
        host_ports: Sequence[HostPort] = (),
    ) -> tuple[str, str]:
        """Return the path of the pod's network namespace, and its address."""
        ...

    async def detach(self, pod_uid: str) -> None: ...

    async def recover(self) -> Mapping[str, str]:
        """Return the address of every pod that is attached, by uid; detaches none of them."""
        ...


class NumberedNetwork:
    """Gives out the addresses of a /16 in order, and touches nothing: for simulated nodes."""

    def __init__(self, prefix: str = "10.244") -> None:
        self._prefix = prefix
        self._next = 2
        self._attached: dict[str, str] = {}
        self.host_ports: dict[str, tuple[HostPort, ...]] = {}

    async def attach(
        self,
        pod_uid: str,
        pod_name: str,
        pod_namespace: str,
        host_ports: Sequence[HostPort] = (),
    ) -> tuple[str, str]:
        del pod_name, pod_namespace
        if pod_uid not in self._attached:
            high, low = divmod(self._next, 250)
            self._next += 1
            self._attached[pod_uid] = f"{self._prefix}.{high}.{low + 1}"
        self.host_ports[pod_uid] = tuple(host_ports)
        return f"/run/netns/{pod_uid}", self._attached[pod_uid]

    async def detach(self, pod_uid: str) -> None:
        self._attached.pop(pod_uid, None)
        self.host_ports.pop(pod_uid, None)

    async def recover(self) -> Mapping[str, str]:
        return dict(self._attached)


def host_ports_of(pod: Object) -> tuple[HostPort, ...]:
    """Return the host ports that a pod asks for; none with hostNetwork, where ports are the host's."""
    if podspec.host_network(pod):
        return ()
    return tuple(
        (
            port.get("protocol") or "TCP",
            port.get("hostIP") or "",
            port["hostPort"],
            port["containerPort"],
        )
        for _, container in podspec.containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )
