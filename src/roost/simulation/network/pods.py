"""How pods and node agents are on the fabric: addresses of pods, and connections for probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from roost.network.plan import NetworkError
from roost.node.podnetwork import HostPort
from roost.simulation.network.fabric import Fabric, Host
from roost.simulation.network.messages import HEALTH, HEALTH_PATH, Fault, Request, Url, kernel_words

_PODS: Final = range(2, 254)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_BODY_LIMIT_BYTES: Final = 10 * 1024


class FabricPodNetwork:
    """node.podnetwork.PodNetwork: the addresses of one node's /24, in turn."""

    def __init__(self, fabric: Fabric, node: Host, prefix: str) -> None:
        self._fabric = fabric
        self._node = node
        self._prefix = prefix
        self._last = _PODS.start - 1
        self._attached: dict[str, Host] = {}
        self._ports: dict[str, tuple[HostPort, ...]] = {}

    async def attach(
        self, pod_uid: str, pod_name: str, pod_namespace: str, host_ports: Sequence[HostPort] = ()
    ) -> tuple[str, str]:
        host = self._attached.get(pod_uid)
        if host is None:
            name = f"{pod_namespace}/{pod_name}"
            host = Host("pod", name, self._free(), self._node.name, uid=pod_uid)
            self._attached[pod_uid] = self._fabric.add(host)
        self._unforward(pod_uid)
        self._ports[pod_uid] = tuple(host_ports)
        for protocol, _, port, container_port in host_ports:
            self._node.forwards[protocol.lower(), port] = (host.address, container_port)
        return f"/run/netns/{pod_uid}", host.address

    def host(self, pod_uid: str) -> Host | None:
        """Return the host of an attached pod."""
        return self._attached.get(pod_uid)

    def _free(self) -> str:
        """Return the next free address; those just given back come last."""
        for _ in _PODS:
            self._last += 1
            if self._last not in _PODS:
                self._last = _PODS.start
            address = f"{self._prefix}.{self._last}"
            if address not in self._fabric.hosts:
                return address
        raise NetworkError(f"no address is left in {self._prefix}.0/24")

    def _unforward(self, pod_uid: str) -> None:
        for protocol, _, port, _ in self._ports.pop(pod_uid, ()):
            self._node.forwards.pop((protocol.lower(), port), None)

    async def detach(self, pod_uid: str) -> None:
        host = self._attached.pop(pod_uid, None)
        if host is not None:
            self._fabric.remove(host.address)
        self._unforward(pod_uid)

    async def recover(self) -> Mapping[str, str]:
        return {uid: host.address for uid, host in self._attached.items()}

    def drop_all(self) -> None:
        """Take every pod off the fabric: the node has lost its power."""
        for host in self._attached.values():
            self._fabric.remove(host.address)
        for uid in tuple(self._ports):
            self._unforward(uid)
        self._attached.clear()


class ProbeNetwork:
    """ports.Network of a node agent: what it asks is a probe."""

    def __init__(self, fabric: Fabric, node: Host) -> None:
        self._fabric = fabric
        self._node = node

    async def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        try:
            await self._fabric.connect(self._node, host, port, timeout_s)
        except Fault as fault:
            words = f"dial tcp {host}:{port}: connect: {kernel_words(fault)}"
            raise ConnectionError(words) from fault

    async def http_get(
        self, url: str, headers: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        sent = Request("GET", path, host, tuple((name.lower(), value) for name, value in headers))
        try:
            answer = await self._fabric.request(
                self._node, host, Url(host, port, path, url), sent, timeout_s, probe=True
            )
        except Fault as fault:
            words = f'Get "{url}": dial tcp {host}:{port}: connect: {kernel_words(fault)}'
            raise ConnectionError(words) from fault
        return answer.status, answer.body[:_BODY_LIMIT_BYTES]

    async def grpc_health(self, host: str, port: int, service: str, *, timeout_s: float) -> int:
        """Ask as node.checks.GrpcHealth does."""
        kind = (("content-type", "application/grpc"),)
        sent = Request("POST", HEALTH_PATH, host, kind, service.encode())
        url = Url(host, port, HEALTH_PATH, f"grpc://{host}:{port}{HEALTH_PATH}")
        try:
            answer = await self._fabric.request(self._node, host, url, sent, timeout_s, probe=True)
        except Fault as fault:
            words = f"dial tcp {host}:{port}: connect: {kernel_words(fault)}"
            raise ConnectionError(words) from fault
        status = HEALTH.get(answer.text.strip()) if answer.status == 200 else None
        if status is None:
            raise OSError(
                "error: this server does not implement the grpc health protocol "
                f"(grpc.health.v1.Health): unexpected HTTP status code {answer.status}"
            )
        return status
