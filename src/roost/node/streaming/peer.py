"""SPDY streams as objects to read and write, over any byte transport.

One reader task feeds all streams; a stream that nobody reads holds the others up once its queue is full,
which bounds the memory of a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from roost.node.streaming import spdy

_QUEUE_CHUNKS: Final = 64
_CHUNK_BYTES: Final = 32 * 1024
#: More open streams than this are refused; kubectl opens two for each forwarded connection.
_MAX_STREAMS: Final = 1_000


class Stream:
    """One stream. `headers` are those it was opened with."""

    def __init__(self, peer: Peer, number: int, headers: Mapping[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._peer = peer
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE_CHUNKS)
        self._ended = False

    async def feed(self, data: bytes, *, fin: bool) -> None:
        if data and not self._ended:
            await self._queue.put(data)
        if fin and not self._ended:
            self._ended = True
            await self._queue.put(b"")

    def cut(self) -> None:
        """End the stream at once: what was not read yet is lost, readers see the end."""
        self._ended = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(b"")

    async def read(self) -> bytes:
        """Return the next data, b"" at the end (and again if asked again)."""
        data = await self._queue.get()
        if not data:
            self._queue.put_nowait(b"")
        return data

    async def write(self, data: bytes) -> None:
        """Send data; waits while the peer does not read. Raises ConnectionError when it is gone."""
        for start in range(0, len(data), _CHUNK_BYTES):
            await self._peer.send(spdy.data(self.number, data[start : start + _CHUNK_BYTES]))

    async def close(self) -> None:
        """Say that no more will be sent on this stream."""
        await self._peer.send(spdy.data(self.number, b"", fin=True))


class Peer:
    """The server's end of one SPDY connection. `send` writes bytes and waits for room."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._connection = spdy.Connection()
        self._send = send
        self._streams: dict[int, Stream] = {}

    async def send(self, frame: bytes) -> None:
        await self._send(frame)

    async def run(self, incoming: AsyncIterator[bytes], opened: Callable[[Stream], None]) -> None:
        """Read until the peer goes away; `opened` is called with each new stream, accepted already.

        Raises SpdyError.
        """
        try:
            async for data in incoming:
                for event in self._connection.receive(data):
                    if isinstance(event, spdy.GoingAway):
                        return
                    await self._handle(event, opened)
                if self._connection.outgoing:
                    reply = bytes(self._connection.outgoing)
                    self._connection.outgoing.clear()
                    await self._send(reply)
        finally:
            for stream in self._streams.values():
                stream.cut()

    async def _handle(self, event: spdy.Event, opened: Callable[[Stream], None]) -> None:
        if isinstance(event, spdy.StreamOpened):
            if len(self._streams) >= _MAX_STREAMS:
                await self._send(self._connection.reset(event.stream))
                return
            stream = Stream(self, event.stream, event.headers)
            self._streams[event.stream] = stream
            await self._send(self._connection.accept(event.stream))
            if event.fin:
                await stream.feed(b"", fin=True)
            opened(stream)
        elif isinstance(event, spdy.DataReceived):
            found = self._streams.get(event.stream)
            if found is not None:
                await found.feed(event.data, fin=event.fin)
        elif isinstance(event, spdy.StreamReset):
            found = self._streams.pop(event.stream, None)
            if found is not None:
                await found.feed(b"", fin=True)

    def forget(self, stream: Stream) -> None:
        """Drop a stream that both sides are done with."""
        self._streams.pop(stream.number, None)
