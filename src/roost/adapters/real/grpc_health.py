"""The gRPC health check (grpc.health.v1.Health/Check) over plain HTTP/2, for probes.

One unary call needs little of HTTP/2: the preface, one HEADERS frame with literal fields, one DATA
frame, and the answer's DATA. Answers' header fields are not decoded; an answer without a message means
that the call failed (an unknown service).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

SERVICE_UNKNOWN = 3

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 0x1, 0x4, 0x1, 0x8
_STREAM = 1
_FRAME_LIMIT = 1 << 14
_MESSAGE_LIMIT = 1 << 10


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(value: bytes) -> bytes:
    """Return a string literal of HPACK, without Huffman coding (at most 126 bytes)."""
    return bytes([len(value)]) + value


def header_block(fields: list[tuple[bytes, bytes]]) -> bytes:
    """Return header fields as literals that are not indexed, each with its name."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)


def request_message(service: str) -> bytes:
    """Return the length-prefixed HealthCheckRequest."""
    name = service.encode()
    body = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\x00" + struct.pack(">I", len(body)) + body


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def status_of(message: bytes) -> int:
    """Return the status of a length-prefixed HealthCheckResponse; raises OSError for nonsense."""
    if len(message) < 5 or message[0] != 0:
        raise OSError("the gRPC answer is compressed or cut off")
    body = message[5 : 5 + struct.unpack(">I", message[1:5])[0]]
    if not body:
        return 0
    if body[0] != 0x08 or len(body) < 2:
        raise OSError("the gRPC answer is no HealthCheckResponse")
    return body[1]


async def check(host: str, port: int, service: str) -> int:
    """Ask a server for the status of a service; raises OSError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/grpc.health.v1.Health/Check"),
            (b":authority", f"{host}:{port}".encode()[:126]),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"user-agent", b"kube-probe/1.36"),
        ]
        writer.write(
            _PREFACE
            + frame(_SETTINGS, 0, 0)
            + frame(_HEADERS, _END_HEADERS, _STREAM, header_block(fields))
            + frame(_DATA, _END_STREAM, _STREAM, request_message(service))
        )
        await writer.drain()
        message = await _answer(reader, writer)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the gRPC connection was closed") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return status_of(message) if message else SERVICE_UNKNOWN


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the bytes of the stream's DATA frames; empty if there were none."""
    message = b""
    while True:
        head = await reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        if length > _FRAME_LIMIT:
            raise OSError("the server does not speak HTTP/2")
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            writer.write(frame(_PING, _ACK, 0, payload))
        elif kind in {_GOAWAY, _RST_STREAM}:
            raise ConnectionResetError("the server refused the gRPC call")
        elif kind in {_DATA, _HEADERS} and stream & 0x7FFFFFFF == _STREAM:
            if kind == _DATA:
                message += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
            if flags & _END_STREAM or len(message) > _MESSAGE_LIMIT:
                return message
