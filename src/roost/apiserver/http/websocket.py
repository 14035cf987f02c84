"""A watch over WebSocket: each event is one message, of text where it is JSON, else of bytes.

Browsers watch like this. What they send is read for the sake of pings and the end alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from roost.apiserver.authenticator import websocket_token
from roost.apiserver.http.sink import BEHIND_BYTES
from roost.apiserver.messages import JSON, Frames, WatchAnswer

_PROTOCOLS: Final = "Sec-WebSocket-Protocol"
_TEXT: Final = 0x81
_BYTES: Final = 0x82
#: From these sizes on the length of a message has a field of its own, of two or of eight bytes.
_MEDIUM_BYTES: Final = 126
_LARGE_BYTES: Final = 1 << 16
#: The length that comes before each event of protobuf, which a message needs not.
_PREFIX_BYTES: Final = 4


def is_asked(request: web.BaseRequest) -> bool:
    """Does a request want to go on as a WebSocket?"""
    headers = request.headers
    return (
        "upgrade" in headers.get("Connection", "").lower()
        and headers.get("Upgrade", "").lower() == "websocket"
    )


def messages(data: bytes, *, text: bool) -> Iterator[bytes]:
    """Yield the events in frames of a watch, one by one."""
    if text:
        yield from data.splitlines(keepends=True)
        return
    start = 0
    while start < len(data):
        end = start + _PREFIX_BYTES
        size = int.from_bytes(data[start:end], "big")
        yield data[end : end + size]
        start = end + size


def framed(message: bytes, *, text: bool) -> bytes:
    """Return a message as a server sends it: whole and without a mask."""
    first, size = _TEXT if text else _BYTES, len(message)
    if size < _MEDIUM_BYTES:
        return bytes((first, size)) + message
    if size < _LARGE_BYTES:
        return bytes((first, 126)) + size.to_bytes(2, "big") + message
    return bytes((first, 127)) + size.to_bytes(8, "big") + message


class SocketSink:
    """A roost.apiserver.messages.Sink on a WebSocket."""

    __slots__ = ("_text", "_transport", "closed")

    def __init__(self, transport: asyncio.Transport, *, text: bool) -> None:
        self._transport = transport
        self._text = text
        self.closed = False

    def write(self, frames: Frames) -> None:
        transport = self._transport
        if self.closed or transport.is_closing():
            self.closed = True
            return
        text = self._text
        transport.write(
            b"".join(framed(one, text=text) for one in messages(frames.data, text=text))
        )
        if transport.get_write_buffer_size() > BEHIND_BYTES:
            self.closed = True
            transport.abort()

    def close(self) -> None:
        """End the answer. The closing handshake is that of the connection."""
        self.closed = True


async def serve(request: web.BaseRequest, answer: WatchAnswer) -> web.WebSocketResponse:
    """Write a watch into a WebSocket until it ends or its client goes. Raises HTTPBadRequest for
    a handshake that is none.
    """
    _, offered = websocket_token(request.headers.get(_PROTOCOLS, ""))
    chosen = offered.partition(",")[0].strip()
    socket = web.WebSocketResponse(protocols=(chosen,) if chosen else (), compress=False)
    for name, value in answer.headers:
        socket.headers[name] = value
    for line in answer.head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(": ")
        if colon:
            socket.headers[name] = value
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    sink = SocketSink(transport, text=answer.content_type == JSON)
    tasks = [asyncio.ensure_future(answer.run(sink)), asyncio.ensure_future(_listen(socket))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sink.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await socket.close()
    return socket


async def _listen(socket: web.WebSocketResponse) -> None:
    """Wait until the client goes; pings are answered on the way."""
    async for _ in socket:
        pass
