"""The fabric: every address of the cluster, who listens there, and the way from one to the other.

Where a connection goes is decided by the service tables that a real node's kernel gets
(roost.network.services), as the node sees them on which the connection begins. Rules: a ready target is
chosen in turn, or by the client's address where the Service wants affinity; an answer that is under way
when its server ends is a reset connection; nothing crosses a partition, and what a policy forbids is
dropped.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from roost.api.values import Object
from roost.network.services import Backend, Frontend, ServiceTable
from roost.ports.port import WallClock
from roost.simulation.network.messages import (
    HEALTH_PATH,
    SERVING,
    Exchange,
    Fault,
    Hop,
    Refused,
    Request,
    Reset,
    Response,
    TimedOut,
    Unreachable,
    Url,
)

Handler = Callable[[Request], Awaitable[Response]]
#: (from, to) -> seconds, one way.
Latency = Callable[[Hop, Hop], float]
Observer = Callable[[Exchange], None]

#: So many ended requests are remembered.
_REMEMBERED: Final = 10_000
_LOOPBACK: Final = "127."
_REQUEST_ID: Final = "x-request-id"


class Tables(Protocol):
    """Services as nodes see them."""

    def table(self, node: str) -> ServiceTable: ...


class Owner(Protocol):
    """A program that answers: what it runs for a request ends with it."""

    def spawn(self, work: Coroutine[Any, Any, Response]) -> asyncio.Task[Response]: ...


@dataclass(slots=True)
class Listener:
    """Somebody who answers on a port."""

    handler: Handler
    owner: Owner


@dataclass(slots=True)
class Host:
    """A node, a pod, or a machine outside. `node` is the node it is on, "" for the world outside."""

    kind: str
    name: str
    address: str
    node: str
    listeners: dict[tuple[str, int], Listener] = field(default_factory=dict)
    #: Ports of a node that lead to a pod: (protocol, port) -> (address, port).
    forwards: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    #: Every port answers: what runs here is a behaviour, of which nobody knows where it listens.
    open: bool = False
    #: The uid of a pod, and the pod as it was last seen.
    uid: str = ""
    pod: Object | None = None

    def hop(self, port: int = 0) -> Hop:
        return Hop(self.kind, self.name, self.address, port)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection leads: the hops, and who listens at the end."""

    hops: tuple[Hop, ...]
    listener: Listener


class Fabric:
    """See the module. `latency` is the time one way between two hops, in seconds."""

    def __init__(self, tables: Tables, clock: WallClock, latency: Latency | None = None) -> None:
        self.hosts: dict[str, Host] = {}
        #: Nodes that nobody reaches, and that reach nobody; their own pods go on among themselves.
        self.isolated: dict[str, None] = {}
        self.exchanges: deque[Exchange] = deque(maxlen=_REMEMBERED)
        self.observers: list[Observer] = []
        self._tables = tables
        self._clock = clock
        self._latency = latency or _no_latency
        self._turns: dict[tuple[str, Frontend], int] = {}
        self._count = 0
        #: Whether policies let a connection pass: (source, target, port, protocol).
        self.passes: Callable[[Host, Host, int, str], bool] = _all_pass

    # -- hosts

    def add(self, host: Host) -> Host:
        """Let a host have its address."""
        self.hosts[host.address] = host
        return host

    def remove(self, address: str) -> None:
        self.hosts.pop(address, None)

    # -- routes

    def route(self, source: Host, address: str, port: int, protocol: str = "tcp") -> Route:
        """Return where a connection leads; raises Fault."""
        hops = [source.hop()]
        if address.startswith(_LOOPBACK):
            address = source.address
            if source.kind != "node":
                return self._end(source, address, port, protocol, hops)
        address, port = self._through_service(source, address, port, protocol, hops)
        target = self.hosts.get(address)
        if target is not None and (protocol, port) in target.forwards:
            hops.append(target.hop(port))
            address, port = target.forwards[protocol, port]
        return self._end(source, address, port, protocol, hops)

    def _through_service(
        self, source: Host, address: str, port: int, protocol: str, hops: list[Hop]
    ) -> tuple[str, int]:
        """Follow a Service, at its own address or at a port of a node."""
        table = self._tables.table(source.node)
        frontend = Frontend(address, protocol, port)
        backend = table.backends.get(frontend)
        host = self.hosts.get(address)
        at = source.node
        if backend is None and host is not None and host.kind == "node":
            frontend, at = Frontend("", protocol, port), host.name
            backend = self._tables.table(at).backends.get(frontend)
            if backend is not None:
                self._check_reach(source, host, port)
                hops.append(host.hop(port))
        if backend is None:
            return address, port
        name = backend.name.rpartition(":")[0]
        hops.append(Hop("service", name, address, port))
        if not backend.targets:
            raise Refused(address, port)
        return self._choose(source, at, frontend, backend)

    def _choose(
        self, source: Host, node: str, frontend: Frontend, backend: Backend
    ) -> tuple[str, int]:
        targets = backend.targets
        if backend.affinity:
            return targets[zlib.crc32(source.address.encode()) % len(targets)]
        turn = self._turns.get((node, frontend), 0)
        self._turns[node, frontend] = turn + 1
        return targets[turn % len(targets)]

    def _end(self, source: Host, address: str, port: int, protocol: str, hops: list[Hop]) -> Route:
        target = self.hosts.get(address)
        if target is None:
            raise Unreachable(address)
        self._check_reach(source, target, port)
        if not self.passes(source, target, port, protocol):
            raise TimedOut(address, port)
        listener = target.listeners.get((protocol, port))
        if listener is None and target.open:
            listener = _ANYBODY
        if listener is None:
            raise Refused(address, port)
        return Route((*hops, target.hop(port)), listener)

    def _check_reach(self, source: Host, target: Host, port: int) -> None:
        cut = source.node != target.node
        if cut and (source.node in self.isolated or target.node in self.isolated):
            raise TimedOut(target.address, port)

    # -- requests

    async def connect(self, source: Host, address: str, port: int, timeout_s: float) -> None:
        """Open and close a connection; raises Fault."""
        try:
            self.route(source, address, port)
        except TimedOut:
            await asyncio.sleep(timeout_s)
            raise

    async def request(
        self, source: Host, address: str, url: Url, request: Request, timeout_s: float,
        *, probe: bool = False,
    ) -> Response:  # fmt: skip
        """Send a request to an address and port; raises Fault. It is remembered however it ends."""
        began = self._clock.now()
        hops: tuple[Hop, ...] = (source.hop(), Hop("outside", url.host, address, url.port))
        status, error = 0, ""
        try:
            try:
                route = self.route(source, address, url.port)
            except TimedOut:
                await asyncio.sleep(timeout_s)
                raise
            hops = route.hops
            sent = replace(request, source=source.address)
            async with asyncio.timeout(timeout_s):
                answer = await self._carry(route, sent)
            status = answer.status
            return replace(answer, hops=hops)
        except Fault as fault:
            error = fault.code
            raise
        except TimeoutError as caught:
            error = "ETIMEDOUT"
            raise TimedOut(address, url.port) from caught
        finally:
            self._count += 1
            self._note(
                Exchange(
                    self._count, began, self._clock.now(), request.method, url.text, hops, status,
                    error or ("" if status else "ECANCELED"), probe, request.header(_REQUEST_ID),
                )
            )  # fmt: skip

    async def _carry(self, route: Route, request: Request) -> Response:
        last = route.hops[-1]
        pairs = list(zip(route.hops, route.hops[1:], strict=False))
        there_s = sum(self._latency(one, other) for one, other in pairs)
        if there_s:
            await asyncio.sleep(there_s)
        task = route.listener.owner.spawn(_answered(route.listener.handler, request))
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        if task.cancelled():
            raise Reset(last.address, last.port)
        answer = task.result()
        back_s = sum(self._latency(other, one) for one, other in pairs)
        if back_s:
            await asyncio.sleep(back_s)
        return answer

    def _note(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        for observer in tuple(self.observers):
            observer(exchange)


async def _answered(handler: Handler, request: Request) -> Response:
    return await handler(request)


class _Anybody:
    """The owner of answers that nobody in particular gives."""

    def spawn(self, work: Coroutine[Any, Any, Response]) -> asyncio.Task[Response]:
        return asyncio.get_running_loop().create_task(work)


async def _say_ok(request: Request) -> Response:
    return Response(body=SERVING.encode() if request.path == HEALTH_PATH else b"ok")


_ANYBODY: Final = Listener(_say_ok, _Anybody())


def _all_pass(_source: Host, _target: Host, _port: int, _protocol: str) -> bool:
    return True


def _no_latency(_from: Hop, _to: Hop) -> float:
    return 0.0
