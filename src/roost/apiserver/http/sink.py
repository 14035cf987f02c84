"""Where watch frames leave the process: a transport, with an eye on those who do not read."""

from __future__ import annotations

import asyncio
from typing import Final

from roost.apiserver.messages import Frames

#: A watcher that is so far behind is cut off; it will watch again from where it was.
BEHIND_BYTES: Final = 16 * 1024 * 1024


class TransportSink:
    """A roost.apiserver.messages.Sink on a transport, in chunked transfer coding."""

    __slots__ = ("_transport", "broken", "closed")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.closed = False
        #: The client was too slow, or is gone.
        self.broken = False

    def write(self, frames: Frames) -> None:
        if self.closed:
            return
        transport = self._transport
        if transport.is_closing():
            self.closed = self.broken = True
            return
        transport.write(frames.chunked)
        if transport.get_write_buffer_size() > BEHIND_BYTES:
            self.closed = self.broken = True
            transport.abort()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if self._transport.is_closing():
                self.broken = True
            else:
                self._transport.write(b"0\r\n\r\n")
