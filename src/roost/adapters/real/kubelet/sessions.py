"""Exec, attach and port-forward over the connections that clients use: WebSocket and SPDY."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from aiohttp import WSMsgType, web

from roost.adapters.real.kubelet.takeover import TakenOver, take_over
from roost.api.values import Object
from roost.node.streaming import channels
from roost.node.streaming.channels import Input, Resize, Stdin, StdinClosed
from roost.node.streaming.command import EXEC_FAILURE, run_session
from roost.node.streaming.peer import Peer, Stream
from roost.node.streaming.ports import (
    OpenPort,
    forward_over_channels,
    forward_over_spdy,
    parse_ports,
)
from roost.node.streaming.spdy import SpdyError, go_away
from roost.runtimes.port import Process, RuntimeFault

#: SPDY's own names of the remote command protocols; v5 exists over WebSocket only.
_SPDY_PROTOCOLS: Final = (
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
)
_STREAMS_TIMEOUT_S: Final = 30.0
_MESSAGE_BYTES: Final = 32 << 20

Start = Callable[[], Coroutine[Any, Any, Process]]


class Wanted:
    """Which streams a client wants; names as in the kubelet's API, or as in the API server's."""

    def __init__(self, request: web.BaseRequest) -> None:
        def asked(*names: str) -> bool:
            return any(request.query.get(name, "") in ("1", "true") for name in names)

        self.stdin = asked("input", "stdin")
        self.stdout = asked("output", "stdout")
        self.tty = asked("tty")
        self.stderr = asked("error", "stderr") and not self.tty

    def any(self) -> bool:
        return self.stdin or self.stdout or self.stderr


def is_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def is_spdy(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "spdy/3.1"


def _offered(request: web.BaseRequest, header: str) -> list[str]:
    texts = request.headers.getall(header, [])
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


# ---------------------------------------------------------------- WebSocket


class _ChannelLink:
    """A client over the channel protocol."""

    def __init__(self, socket: web.WebSocketResponse, protocol: str) -> None:
        self._socket = socket
        self._protocol = protocol

    async def send(self, stream: int, data: bytes) -> None:
        message = channels.wrap(stream, data, self._protocol)
        if channels.is_base64(self._protocol):
            await self._socket.send_str(message.decode())
        else:
            await self._socket.send_bytes(message)

    async def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                continue
            data = message.data if isinstance(message.data, bytes) else message.data.encode()
            found = channels.unwrap(data, self._protocol)
            if found is not None:
                yield found

    async def inputs(self) -> AsyncIterator[Input]:
        async for channel, data in self.messages():
            item = channels.parse_input(channel, data)
            if item is not None:
                yield item

    async def finish(self, status: Object) -> None:
        text = channels.status_message(status, as_status=channels.has_status(self._protocol))
        if text:
            await self.send(channels.ERROR, text)
        await self._socket.close()


async def _open_socket(
    request: web.BaseRequest, known: tuple[str, ...]
) -> tuple[web.WebSocketResponse, str]:
    """Accept a WebSocket. Raises HTTPBadRequest when no protocol is understood."""
    offered = _offered(request, "Sec-WebSocket-Protocol")
    protocol = channels.choose_protocol(offered, known)
    if protocol is None:
        raise web.HTTPBadRequest(text=f"no protocol of {', '.join(offered)} is supported")
    # autoping answers pings; compression would only cost time on these connections.
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (), max_msg_size=_MESSAGE_BYTES, compress=False
    )
    await socket.prepare(request)
    return socket, protocol


async def serve_command(
    request: web.BaseRequest, start: Start, wanted: Wanted, failure: str = EXEC_FAILURE
) -> web.StreamResponse:
    """Serve exec or attach on an upgrade request; `failure`: what to say if the runtime cannot."""
    if is_spdy(request):
        return await _serve_command_spdy(request, start, wanted, failure)
    socket, protocol = await _open_socket(request, channels.COMMAND_PROTOCOLS)
    link = _ChannelLink(socket, protocol)
    first = channels.STDOUT if wanted.stdout else channels.ERROR

    # The first, empty message tells the client that its streams are ready. kubectl makes them once it
    # is connected: what comes at once is complained of, and lost.
    async def started() -> Process:
        try:
            process = await start()
        except RuntimeFault:
            await link.send(first, b"")
            raise
        try:
            await link.send(first, b"")
        except ConnectionError:
            await process.close()
            raise
        return process

    try:
        out, err = wanted.stdout, wanted.stderr
        await run_session(link, started, stdout=out, stderr=err, failure=failure)
    except ConnectionError:
        pass
    finally:
        await socket.close()
    return socket


async def serve_ports(request: web.BaseRequest, open_port: OpenPort) -> web.StreamResponse:
    """Serve port-forward on an upgrade request."""
    if is_spdy(request):
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "SPDY/3.1",
            "X-Stream-Protocol-Version": "portforward.k8s.io",
        }
        raw = take_over(request, headers)
        try:
            await forward_over_spdy(Peer(raw.send), raw.incoming(), open_port)
        except (SpdyError, ConnectionError):
            pass
        finally:
            raw.close()
        return TakenOver()
    offered = _offered(request, "Sec-WebSocket-Protocol")
    if channels.TUNNEL_PROTOCOL in offered:
        return await _serve_tunnel(request, open_port)
    try:
        ports = parse_ports([*request.query.getall("ports", []), *request.query.getall("port", [])])
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    socket, protocol = await _open_socket(request, channels.PORT_PROTOCOLS)
    link = _ChannelLink(socket, protocol)
    try:
        await forward_over_channels(ports, link.messages(), link.send, open_port)
    except ConnectionError:
        pass
    finally:
        await socket.close()
    return socket


async def _serve_tunnel(request: web.BaseRequest, open_port: OpenPort) -> web.StreamResponse:
    """Serve SPDY frames inside WebSocket messages, as kubectl sends them."""
    socket, _ = await _open_socket(request, (channels.TUNNEL_PROTOCOL,))

    async def incoming() -> AsyncIterator[bytes]:
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                yield message.data

    try:
        await forward_over_spdy(Peer(socket.send_bytes), incoming(), open_port)
    except (SpdyError, ConnectionError):
        pass
    finally:
        await socket.close()
    return socket


# ---------------------------------------------------------------- SPDY


class _SpdyLink:
    """A client with one SPDY stream for each of stdin, stdout, stderr, error and resize."""

    def __init__(self, peer: Peer, wanted: Wanted, *, as_status: bool) -> None:
        self._peer = peer
        self._as_status = as_status
        self._streams: dict[str, Stream] = {}
        self._expected = {"error"}
        self._expected |= {n for n in ("stdin", "stdout", "stderr") if getattr(wanted, n)}
        self._complete = asyncio.Event()
        self._gone = asyncio.Event()
        self._sized = asyncio.Event()

    def opened(self, stream: Stream) -> None:
        kind = stream.headers.get("streamtype", "")
        self._streams[kind] = stream
        if kind == "resize":
            self._sized.set()
        if self._expected <= self._streams.keys():
            self._complete.set()

    def client_left(self) -> None:
        self._gone.set()
        self._complete.set()

    async def ready(self) -> None:
        async with asyncio.timeout(_STREAMS_TIMEOUT_S):
            await self._complete.wait()

    async def inputs(self) -> AsyncIterator[Input]:
        queue: asyncio.Queue[Input | None] = asyncio.Queue(16)

        async def read_stdin(stream: Stream) -> None:
            while data := await stream.read():
                await queue.put(Stdin(data))
            await queue.put(StdinClosed())

        async def read_sizes() -> None:
            await self._sized.wait()
            while data := await self._streams["resize"].read():
                size = channels.parse_size(data)
                if isinstance(size, Resize):
                    await queue.put(size)

        async def wait_for_end() -> None:
            await self._gone.wait()
            await queue.put(None)

        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(wait_for_end()), tasks.create_task(read_sizes())]
            if "stdin" in self._streams:
                readers.append(tasks.create_task(read_stdin(self._streams["stdin"])))
            try:
                while (item := await queue.get()) is not None:
                    yield item
            finally:
                for reader in readers:
                    reader.cancel()

    async def send(self, stream: int, data: bytes) -> None:
        found = self._streams.get("stdout" if stream == channels.STDOUT else "stderr")
        if found is not None:
            await found.write(data)

    async def finish(self, status: Object) -> None:
        text = channels.status_message(status, as_status=self._as_status)
        error = self._streams["error"]
        if text:
            await error.write(text)
        for stream in self._streams.values():
            await stream.close()
        await self._peer.send(go_away(max(s.number for s in self._streams.values())))


async def _serve_command_spdy(
    request: web.BaseRequest, start: Start, wanted: Wanted, failure: str
) -> web.StreamResponse:
    offered = _offered(request, "X-Stream-Protocol-Version")
    protocol = channels.choose_protocol(offered, _SPDY_PROTOCOLS)
    if protocol is None:
        raise web.HTTPForbidden(text=f"no protocol of {', '.join(offered)} is supported")
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": protocol or "channel.k8s.io",
    }
    raw = take_over(request, headers)
    peer = Peer(raw.send)
    link = _SpdyLink(peer, wanted, as_status=channels.has_status(protocol))

    async def read() -> None:
        try:
            await peer.run(raw.incoming(), link.opened)
        except (SpdyError, ConnectionError):
            pass
        finally:
            link.client_left()

    try:
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(read())
            try:
                await link.ready()
                out, err = wanted.stdout, wanted.stderr
                await run_session(link, start, stdout=out, stderr=err, failure=failure)
            except (TimeoutError, ConnectionError, KeyError):
                pass
            finally:
                reader.cancel()
    finally:
        raw.close()
    return TakenOver()
