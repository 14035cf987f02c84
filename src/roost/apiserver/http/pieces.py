"""Long answers: sent piece by piece, as fast as the client takes them.

The first piece leaves before the last is made, others have their turn in between, and what a slow
client has not read yet is not held in encrypted form beside its source.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from itertools import islice
from typing import Final

from aiohttp import ClientError, web

from roost.apiserver.messages import Pieces

#: So many pieces are packed together.
_TOGETHER: Final = 8
_END: Final = b"0\r\n\r\n"


#: So many bodies make and write a piece between two looks at what else there is to do.
AT_ONCE: Final = 4


async def send(
    request: web.BaseRequest, head: bytes, body: Pieces, turns: asyncio.Semaphore
) -> bool:
    """Send head and body; return whether the client has been there to the end.

    However many bodies are sent, `turns` are taken by few: the rest of the server waits for no more.
    """
    head += b"\r\nContent-Length: %d\r\n\r\n" % body.size_bytes
    if not await _write(request, (head,)):
        return False
    while True:
        async with turns:
            piece = next(body.parts, None)
            if piece is None:
                return True
            if request.transport is None or request.transport.is_closing():
                return False
            request.transport.write(piece)
            await asyncio.sleep(0)
        if not await _drained(request):
            return False


async def send_compressed(
    request: web.BaseRequest, head: bytes, body: Pieces, turns: asyncio.Semaphore
) -> bool:
    """Send the body compressed, in chunks: how long it will be is known only at its end.

    A thread works between its pieces, so it takes none of the `turns`.
    """
    del turns
    head += b"\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding"
    if not await _write(request, (head, b"\r\nTransfer-Encoding: chunked\r\n\r\n")):
        return False
    loop = asyncio.get_running_loop()
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    # A thread packs: it does not hold the interpreter meanwhile. The first piece comes soon, for
    # whoever waits; then several go together, as each handing over costs as much as packing a little.
    turn = 1
    while pieces := list(islice(body.parts, turn)):
        packed = await loop.run_in_executor(None, _pack, packer, pieces)
        if packed and not await _write(request, _chunk(packed)):
            return False
        turn = _TOGETHER
    return await _write(request, (*_chunk(packer.flush()), _END))


def _pack(packer: zlib._Compress, pieces: Iterable[bytes]) -> bytes:
    return b"".join([packer.compress(piece) for piece in pieces])


def _chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    return b"%x\r\n" % len(data), data, b"\r\n"


async def _write(request: web.BaseRequest, data: Iterable[bytes]) -> bool:
    """Write, wait while the client is behind, and let others have their turn."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return False
    transport.writelines(data)
    if not await _drained(request):
        return False
    await asyncio.sleep(0)
    return True


async def _drained(request: web.BaseRequest) -> bool:
    """Wait while the client is behind; return whether it is still there."""
    try:
        await request.writer.drain()
    except (ConnectionError, ClientError):
        return False
    return True
