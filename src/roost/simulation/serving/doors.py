"""Carries out what the API server passes on: to kubelets of simulated nodes, to pods and services.

Logs, exec, attach and port-forward are spoken as a kubelet speaks them (WebSocket and SPDY), on the
real loop; what they lead to runs on the cluster's. Rule: these sessions last as long as the client
wants, and time does not pass for their sake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from yarl import URL

from roost.adapters.real.kubelet.asked import container_path, needs_upgrade, wanted_of
from roost.adapters.real.kubelet.sessions import serve_command, serve_ports
from roost.api.errors import RequestEntityTooLarge, StatusError
from roost.apiserver.http.connection import Connection, Sent, invite
from roost.apiserver.http.proxying import (
    HOP_HEADERS,
    forwarded_headers,
    kubelet_error,
    unreachable,
)
from roost.apiserver.messages import Answer, Proxy
from roost.apiserver.server import error_answer
from roost.node.agent import NodeAgent
from roost.node.logs import LogOptions, Selection, parse_options, waiting
from roost.node.streaming.port import FoundContainer
from roost.ports.port import WallClock
from roost.runtimes.port import Exec, Process, RuntimeFault
from roost.simulation.kubelets import Kubelets
from roost.simulation.machine import Machines
from roost.simulation.network.fabric import Host
from roost.simulation.network.messages import Fault
from roost.simulation.nodes import SimulatedNode
from roost.simulation.serving.across import Across
from roost.simulation.serving.sessions import (
    FarProcess,
    HttpPipe,
    LateProcess,
    LogReader,
    LogSession,
    ShellSession,
)

ResultT = TypeVar("ResultT")
_FETCH_S: Final = 60.0
#: The virtual network carries bodies whole, and none that is larger.
_BODY_BYTES: Final = 64 << 20
#: Programs that, at a terminal, take one command after the other.
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_Handler = Callable[["Doors", web.BaseRequest, str, list[str]], Awaitable[web.StreamResponse]]


class Doors:
    """apiserver.http.shell.ProxyShell."""

    def __init__(
        self,
        across: Across,
        kubelets: Kubelets,
        machines: Machines,
        nodes: Mapping[str, SimulatedNode],
        clock: WallClock,
    ) -> None:
        self._across = across
        self._kubelets = kubelets
        self._machines = machines
        self._nodes = nodes
        self._clock = clock

    async def close(self) -> None:
        """Sessions end with their connections."""

    async def serve(
        self, request: web.BaseRequest, proxy: Proxy
    ) -> Answer | Sent | web.StreamResponse:
        """Carry a proxy out; return what is still to be sent, or that everything has been."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        task = asyncio.current_task()
        assert task is not None
        connection.on_lost = partial(_cancel, task)
        try:
            if proxy.kubelet:
                return await self._kubelet(request, proxy)
            return await self._fetch(request, proxy)
        except StatusError as error:
            return error_answer(error)
        except (OSError, TimeoutError) as error:
            return error_answer(unreachable(proxy, error))
        finally:
            connection.on_lost = None

    # -- kubelets

    async def _kubelet(self, request: web.BaseRequest, proxy: Proxy) -> Answer | web.StreamResponse:
        parts = [part for part in proxy.path.split("/") if part]
        handler = _ROUTES.get(parts[0]) if parts else None
        target = f"{proxy.path}?{proxy.query}" if proxy.query else proxy.path
        try:
            if handler is None:
                raise web.HTTPNotFound(text="404 page not found\n")
            asked = request.clone(rel_url=URL(target, encoded=True))
            answer = await handler(self, asked, proxy.host, parts[1:])
        except RuntimeFault as fault:
            answer = web.Response(status=500, text=fault.message)
        except web.HTTPException as refused:
            answer = web.Response(status=refused.status, text=refused.text)
        if isinstance(answer, web.Response) and answer.status >= 400 and "proxy" not in proxy.mount:
            body = answer.body if isinstance(answer.body, bytes) else b""
            return error_answer(kubelet_error(answer.status, body))
        return answer

    async def _run(self, make: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        return await self._across.run(make)

    async def _find(self, address: str, namespace: str, pod: str, container: str) -> Found:
        async def look() -> Found | None:
            node, agent = self._kubelets.find(address)
            found = agent.find_container(namespace, pod, container)
            return None if found is None else (node, agent, found)

        there = await self._run(look)
        if there is None:
            what = f'container "{container}" in pod "{pod}"' if container else f'pod "{pod}"'
            raise web.HTTPNotFound(text=f"{what} not found")
        return there

    async def _running(self, address: str, namespace: str, pod: str, container: str) -> Found:
        there = await self._find(address, namespace, pod, container)
        if not there[2].running:
            raise web.HTTPInternalServerError(text=f'container not found ("{container}")')
        return there

    async def _logs(
        self, request: web.BaseRequest, address: str, parts: list[str]
    ) -> web.StreamResponse:
        namespace, pod, container = container_path(parts)
        try:
            options = parse_options(request.query, self._clock.now())
        except ValueError as error:
            return web.Response(status=422, text=str(error))
        node, agent, found = await self._find(address, namespace, pod, container)
        paths = found.previous_log_paths if options.previous else found.log_paths
        if options.previous and not paths:
            text = f'previous terminated container "{container}" in pod "{pod}" not found'
            return web.Response(status=400, text=text)
        if not found.container_id:
            text = waiting(agent.pods(), namespace, pod, container)
            return web.Response(status=400, text=text)
        reader = self._reader(node, agent, found, (namespace, pod, container), options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for piece in reader.pieces(Selection(options)):
                await response.write(piece)
            await response.write_eof()
        except ConnectionError:
            pass  # the reader has seen enough, or the server is gone
        return response

    def _reader(
        self,
        node: SimulatedNode,
        agent: NodeAgent,
        found: FoundContainer,
        place: tuple[str, str, str],
        options: LogOptions,
    ) -> LogReader:
        def is_running() -> bool:
            now = agent.find_container(*place)
            return now is not None and now.container_id == found.container_id and now.running

        paths = found.previous_log_paths if options.previous else found.log_paths
        return LogReader(self._across, node.files, paths, is_running, options)

    async def _exec(
        self, request: web.BaseRequest, address: str, parts: list[str]
    ) -> web.StreamResponse:
        namespace, pod, container = container_path(parts)
        argv = tuple(request.query.getall("command", []))
        wanted = wanted_of(request)
        if not argv:
            raise web.HTTPBadRequest(text="you must specify a command")
        _, _, found = await self._running(address, namespace, pod, container)
        runtime = found.runtime
        if not isinstance(runtime, Exec):
            raise web.HTTPNotImplemented(text="this runtime cannot run further processes")

        async def begin(command: tuple[str, ...], given: bytes = b"") -> Process:
            async def run() -> Process:
                process = await runtime.exec(found.container_id, command, tty=False, stdin=True)
                if given:
                    await process.write(given)
                return process

            return FarProcess(self._across, await self._run(run))

        async def start() -> Process:
            if wanted.tty and wanted.stdin and _is_shell(argv):
                return ShellSession(lambda line: begin((*argv, "-c", line)), f"{pod}:/# ")
            if wanted.stdin:
                return LateProcess(lambda given: begin(argv, given))
            return await begin(argv)

        return await serve_command(request, start, wanted)

    async def _attach(
        self, request: web.BaseRequest, address: str, parts: list[str]
    ) -> web.StreamResponse:
        place = container_path(parts)
        wanted = wanted_of(request)
        node, agent, found = await self._running(address, *place)
        # What the container prints from now on.
        reader = self._reader(node, agent, found, place, LogOptions(follow=True, tail_lines=0))

        async def start() -> Process:
            return LogSession(reader)

        return await serve_command(request, start, wanted)

    async def _ports(
        self, request: web.BaseRequest, address: str, parts: list[str]
    ) -> web.StreamResponse:
        if len(parts) not in (2, 3):
            raise web.HTTPNotFound(text="404 page not found\n")
        needs_upgrade(request)
        node, _, _ = await self._running(address, parts[0], parts[1], "")

        async def open_port(port: int) -> Process:
            return await self._run(lambda: self._open(node, f"{parts[0]}/{parts[1]}", port))

        return await serve_ports(request, open_port)

    async def _open(self, node: SimulatedNode, pod: str, port: int) -> Process:
        """Return a session with a port of a pod. Raises RuntimeFault if nobody listens."""
        source = self._machines.host_of(node.name)
        try:
            target = self._machines.host_of(pod)
        except KeyError:
            target = source  # a pod of the host's network
        try:
            self._machines.fabric.route(source, target.address, port)
        except Fault as fault:
            raise RuntimeFault("PortForward", f"{pod}: port {port}: {fault.strerror}") from fault
        fetch = partial(self._request, source, f"http://{target.address}:{port}")
        return HttpPipe(self._across, fetch)

    async def _stats(
        self, _request: web.BaseRequest, address: str, parts: list[str]
    ) -> web.StreamResponse:
        if parts != ["summary"]:
            raise web.HTTPNotFound(text="404 page not found\n")

        async def ask() -> Any:
            return await self._kubelets.find(address)[1].summary()

        return _json(await self._run(ask))

    async def _pods(
        self, _request: web.BaseRequest, address: str, _parts: list[str]
    ) -> web.StreamResponse:
        async def ask() -> list[Any]:
            return list(self._kubelets.find(address)[1].pods())

        items = await self._run(ask)
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _healthz(
        self, _request: web.BaseRequest, address: str, _parts: list[str]
    ) -> web.StreamResponse:
        async def ask() -> None:
            self._kubelets.find(address)

        await self._run(ask)
        return web.Response(text="ok")

    # -- pods and services

    async def _fetch(self, request: web.BaseRequest, proxy: Proxy) -> Answer:
        headers = forwarded_headers(request, proxy)
        target = f"{proxy.path}?{proxy.query}" if proxy.query else proxy.path
        body = await _body(request) if proxy.body is None else proxy.body
        # Nothing is encrypted in the virtual network, and no certificate is looked at.
        base = f"http://{proxy.host}:{proxy.port}"
        source = None if proxy.extension is None else self._machines.server
        made = self._request(source, base, request.method, target, dict(headers), body)
        return await self._across.run(lambda: made, hurry=True)

    async def _request(
        self,
        source: Host | None,
        base: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Send a request through the virtual network; from a node, whichever has power."""
        if source is None:
            powered = next((n.name for n in self._nodes.values() if n.powered), None)
            if powered is None:
                raise ConnectionAbortedError("no node has power")
            source = self._machines.host_of(powered)
        answer = await self._machines.fetch(
            source, base + target, method=method, headers=headers, body=body, timeout_s=_FETCH_S
        )
        kept = [(name, value) for name, value in answer.headers if name not in HOP_HEADERS]
        kinds = [value for name, value in kept if name == "content-type"]
        others = tuple((name, value) for name, value in kept if name != "content-type")
        return Answer(answer.status, answer.body, kinds[0] if kinds else "", others)


Found = tuple[SimulatedNode, NodeAgent, FoundContainer]

_ROUTES: Final[dict[str, _Handler]] = {
    "containerLogs": Doors._logs,
    "exec": Doors._exec,
    "attach": Doors._attach,
    "portForward": Doors._ports,
    "pods": Doors._pods,
    "runningpods": Doors._pods,
    "stats": Doors._stats,
    "healthz": Doors._healthz,
}


async def _body(request: web.BaseRequest) -> bytes:
    """Return what came with a request. Raises RequestEntityTooLarge."""
    invite(request)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > _BODY_BYTES:
            raise RequestEntityTooLarge(f"Request entity too large: limit is {_BODY_BYTES}")
        pieces.append(piece)
    return b"".join(pieces)


def _is_shell(argv: tuple[str, ...]) -> bool:
    return len(argv) == 1 and argv[0].rpartition("/")[2] in _SHELLS


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
