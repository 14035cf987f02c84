"""The kubelet's HTTPS server: paths, and who may use them.

Serves what API servers and metrics collectors ask of a node. Paths and queries are those of the kubelet;
every refusal is plain text, as there.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from roost.adapters.real.kubelet.access import Access
from roost.adapters.real.kubelet.asked import container_path, needs_upgrade, wanted_of
from roost.adapters.real.kubelet.sessions import serve_command, serve_ports
from roost.adapters.real.tail import read_log
from roost.node.logs import parse_options, waiting
from roost.node.streaming.command import ATTACH_FAILURE
from roost.node.streaming.port import Agent, FoundContainer
from roost.ports.port import WallClock
from roost.runtimes.port import Attach, Exec, PortForward, Process, RuntimeFault

_Handler = Callable[["KubeletServer", web.BaseRequest, list[str]], Awaitable[web.StreamResponse]]
_DRAIN_S: Final = 1.0


class KubeletServer:
    """Serves one agent's API between `listen` and `close`. `agent` may be set after `listen`,
    because a node must know its port before it can be made; until then everything is refused."""

    def __init__(self, access: Access, clock: WallClock) -> None:
        self.agent: Agent | None = None
        self._access = access
        self._clock = clock
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def _agent(self) -> Agent:
        if self.agent is None:
            raise web.HTTPServiceUnavailable(text="the agent is starting")
        return self.agent

    async def listen(self, context: ssl.SSLContext, address: str, port: int) -> int:
        """Accept connections; return the port. Raises OSError when it cannot be used."""
        loop = asyncio.get_running_loop()
        self._server = web.Server(self._handle, access_log=None)
        self._listener = await loop.create_server(
            self._server, address, port, ssl=context, backlog=256
        )
        found: int = self._listener.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening and end what runs."""
        if self._listener is not None and self._server is not None:
            self._listener.close()
            await self._server.shutdown(_DRAIN_S)
            self._listener = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        if parts == ["healthz"]:
            return web.Response(text="ok")
        refusal = await self._refuse(request)
        if refusal is not None:
            return refusal
        handler = _ROUTES.get(parts[0]) if parts else None
        if handler is None:
            return web.Response(status=404, text="404 page not found\n")
        try:
            return await handler(self, request, parts[1:])
        except RuntimeFault as fault:
            return web.Response(status=500, text=fault.message)
        except web.HTTPException as refused:
            return web.Response(status=refused.status, text=refused.text)

    async def _refuse(self, request: web.BaseRequest) -> web.Response | None:
        transport = request.transport
        peer = transport.get_extra_info("peercert") if transport is not None else None
        caller = await self._access.authenticate(peer, request.headers.get("Authorization", ""))
        if caller is None:
            return web.Response(status=401, text="Unauthorized")
        if not await self._access.may(caller, request.method, request.path):
            why = f"Forbidden (user={caller.name}, verb={request.method}, path={request.path})"
            return web.Response(status=403, text=why)
        return None

    def _find(self, namespace: str, pod: str, container: str) -> FoundContainer:
        found = self._agent.find_container(namespace, pod, container)
        if found is None:
            what = f'container "{container}" in pod "{pod}"' if container else f'pod "{pod}"'
            raise web.HTTPNotFound(text=f"{what} not found")
        return found

    def _running(self, namespace: str, pod: str, container: str) -> FoundContainer:
        found = self._find(namespace, pod, container)
        if not found.running:
            raise web.HTTPInternalServerError(text=f'container not found ("{container}")')
        return found

    # -- one method a path

    async def _logs(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        namespace, pod, container = container_path(parts)
        try:
            options = parse_options(request.query, self._clock.now())
        except ValueError as error:
            return web.Response(status=422, text=str(error))
        found = self._find(namespace, pod, container)
        paths = found.previous_log_paths if options.previous else found.log_paths
        if options.previous and not paths:
            text = f'previous terminated container "{container}" in pod "{pod}" not found'
            return web.Response(status=400, text=text)
        if not found.container_id:
            text = waiting(self._agent.pods(), namespace, pod, container)
            return web.Response(status=400, text=text)

        def is_running() -> bool:
            now = self._agent.find_container(namespace, pod, container)
            return now is not None and now.container_id == found.container_id and now.running

        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for piece in read_log(paths, options, is_running):
                await response.write(piece)
            await response.write_eof()
        except ConnectionError:
            pass  # the reader has seen enough
        return response

    async def _exec(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        namespace, pod, container = container_path(parts)
        argv = tuple(request.query.getall("command", []))
        wanted = wanted_of(request)
        if not argv:
            raise web.HTTPBadRequest(text="you must specify a command")
        found = self._running(namespace, pod, container)
        runtime = found.runtime
        if not isinstance(runtime, Exec):
            raise web.HTTPNotImplemented(text="this runtime cannot run further processes")

        async def start() -> Process:
            return await runtime.exec(found.container_id, argv, tty=wanted.tty, stdin=wanted.stdin)

        return await serve_command(request, start, wanted)

    async def _attach(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        namespace, pod, container = container_path(parts)
        wanted = wanted_of(request)
        found = self._running(namespace, pod, container)
        runtime = found.runtime
        if not isinstance(runtime, Attach):
            raise web.HTTPNotImplemented(text="this runtime cannot attach")

        async def start() -> Process:
            return await runtime.attach(found.container_id, stdin=wanted.stdin)

        return await serve_command(request, start, wanted, ATTACH_FAILURE)

    async def _ports(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if len(parts) not in (2, 3):
            raise web.HTTPNotFound(text="404 page not found\n")
        needs_upgrade(request)
        found = self._find(parts[0], parts[1], "")
        runtime = found.runtime
        if not isinstance(runtime, PortForward):
            raise web.HTTPNotImplemented(text="this runtime cannot forward ports")

        async def open_port(port: int) -> Process:
            return await runtime.open_port(found.sandbox_id, port)

        return await serve_ports(request, open_port)

    async def _pods(self, _request: web.BaseRequest, _parts: list[str]) -> web.StreamResponse:
        pods = list(self._agent.pods())
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})

    async def _stats(self, _request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if parts != ["summary"]:
            raise web.HTTPNotFound(text="404 page not found\n")
        return _json(await self._agent.summary())


_ROUTES: Final[dict[str, _Handler]] = {
    "containerLogs": KubeletServer._logs,
    "exec": KubeletServer._exec,
    "attach": KubeletServer._attach,
    "portForward": KubeletServer._ports,
    "pods": KubeletServer._pods,
    "runningpods": KubeletServer._pods,
    "stats": KubeletServer._stats,
}


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
