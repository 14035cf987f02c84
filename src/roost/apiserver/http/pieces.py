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


async def send(request: web.BaseRequest, head: bytes, body: Pieces) -> bool:
    """Send head and body; return whether the client has been there to the end."""
    head += b"\r\nContent-Length: %d\r\n\r\n" % body.size_bytes
    if not await _write(request, (head,)):
        return False
    for piece in body.parts:
        if not await _write(request, (piece,)):
            return False
    return True


async def send_compressed(request: web.BaseRequest, head: bytes, body: Pieces) -> bool:
    """Send the body compressed, in chunks: how long it will be is known only at its end."""
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
    try:
        await request.writer.drain()
    except (ConnectionError, ClientError):
        return False
    await asyncio.sleep(0)
    return True
