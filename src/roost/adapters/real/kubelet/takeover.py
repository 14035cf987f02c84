"""Takes a connection over from aiohttp after an upgrade, as raw bytes.

aiohttp speaks HTTP and WebSocket; SPDY needs the bytes themselves. A client sends nothing before it has
read the 101, so the hand-over loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, cast

from aiohttp import web

_HIGH_WATER_BYTES: Final = 1 << 20


class RawConnection(asyncio.Protocol):
    """The bytes of a connection, with back-pressure in both directions."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._ended = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HIGH_WATER_BYTES:
            self._transport.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's form
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def incoming(self) -> AsyncIterator[bytes]:
        """Yield what arrives until the other side ends."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            chunks, self._chunks, self._held_bytes = self._chunks, [], 0
            if not self._ended:
                self._transport.resume_reading()
            if chunks:
                yield b"".join(chunks)
            if self._ended:
                return

    async def send(self, data: bytes) -> None:
        """Write, and wait for room. Raises ConnectionError when the other side is gone."""
        if self._ended or self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        self._transport.close()


class TakenOver(web.StreamResponse):
    """What a handler returns when the connection is no longer aiohttp's: nothing is written."""

    async def prepare(self, request: web.BaseRequest) -> Any:  # noqa: ARG002
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: the connection has ended already."""


def take_over(request: web.BaseRequest, headers: Mapping[str, str]) -> RawConnection:
    """Answer 101 with these headers, and return the raw connection."""
    transport = cast(asyncio.Transport, request.transport)
    raw = RawConnection(transport)
    transport.set_protocol(raw)
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{k}: {v}" for k, v in headers.items())]
    transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    return raw
