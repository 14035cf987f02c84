"""SPDY/3.1 frames, without input and output: what Kubernetes' streaming still speaks.

`Connection.receive(bytes)` returns events, the other methods return bytes to send. Only the server's
side is needed. Source: the SPDY protocol draft 3.1, as far as its clients here use it (streams, data,
resets, pings and going away; windows are not enforced by them, so updates are sent for what was read).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = (
    1,
    2,
    3,
    4,
    6,
    7,
    9,
)
_CONTROL: Final = 0x8000
_VERSION: Final = 3
_FIN: Final = 1
#: A frame may hold 16 MiB by its form; nobody here sends more than this.
_MAX_FRAME_BYTES: Final = 1 << 20

_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_MORE_WORDS: Final = "200 OK,version,HTTP/1.1,url,public,set-cookie,keep-alive,origin"
_REST: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [*_WORDS.split(), *_MORE_WORDS.split(",")]
    return b"".join(struct.pack(">I", len(w)) + w.encode() for w in words) + _REST.encode()


#: What both sides' header compression starts from (section 2.6.10.1 of the draft).
DICTIONARY: Final = _dictionary()


class SpdyError(Exception):
    """The peer sent something that is not SPDY/3.1; the connection must be closed."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream; answer with `accept`."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Data of a stream; `fin`: the peer will send no more on it."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The peer ends the connection."""


Event: TypeAlias = StreamOpened | DataReceived | StreamReset | GoingAway


class Connection:
    """One connection. `outgoing` collects frames that protocol rules make us send (pongs, windows)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self.outgoing = bytearray()

    def receive(self, data: bytes) -> list[Event]:
        """Return the events of the frames that are complete. Raises SpdyError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            size = second & 0xFFFFFF
            if size > _MAX_FRAME_BYTES:
                raise SpdyError(f"a frame of {size} bytes")
            if len(self._buffer) < 8 + size:
                break
            payload, self._buffer = self._buffer[8 : 8 + size], self._buffer[8 + size :]
            event = self._frame(first, second >> 24, payload)
            if event is not None:
                events.append(event)
        return events

    def _frame(self, first: int, flags: int, payload: bytes) -> Event | None:
        if not first >> 31:
            stream = first & 0x7FFFFFFF
            if payload:
                for window in (stream, 0):
                    body = struct.pack(">II", window, len(payload))
                    self.outgoing += _control(_WINDOW_UPDATE, 0, body)
            return DataReceived(stream, payload, bool(flags & _FIN))
        if (first >> 16) & 0x7FFF != _VERSION:
            raise SpdyError("another version of SPDY")
        try:
            return self._control_frame(first & 0xFFFF, flags, payload)
        except (struct.error, zlib.error, UnicodeDecodeError, IndexError) as error:
            raise SpdyError(f"a broken frame: {error}") from error

    def _control_frame(self, kind: int, flags: int, payload: bytes) -> Event | None:
        if kind == _SYN_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            headers = _parse_headers(self._inflate.decompress(payload[10:]))
            return StreamOpened(stream & 0x7FFFFFFF, headers, bool(flags & _FIN))
        if kind == _RST_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            return StreamReset(stream & 0x7FFFFFFF)
        if kind == _PING:
            if payload[3] & 1:  # odd: the client's own, to be sent back
                self.outgoing += _control(_PING, 0, payload)
            return None
        if kind == _GOAWAY:
            return GoingAway()
        return None  # settings, windows, headers: nothing to decide here

    def accept(self, stream: int) -> bytes:
        """Return the frame that accepts a stream the peer opened."""
        block = self._deflate.compress(struct.pack(">I", 0))
        block += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, 0, struct.pack(">I", stream) + block)

    def reset(self, stream: int) -> bytes:
        """Return the frame that gives a stream up (REFUSED_STREAM)."""
        return _control(_RST_STREAM, 0, struct.pack(">II", stream, 3))


def data(stream: int, content: bytes, *, fin: bool = False) -> bytes:
    """Return the frame that carries data on a stream."""
    return struct.pack(">II", stream, (_FIN if fin else 0) << 24 | len(content)) + content


def go_away(last_stream: int) -> bytes:
    """Return the frame that ends a connection in order."""
    return _control(_GOAWAY, 0, struct.pack(">II", last_stream, 0))


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", _CONTROL | _VERSION, kind, flags << 24 | len(payload)) + payload


def _parse_headers(block: bytes) -> dict[str, str]:
    """Return a header block's names (lower case) and values (the first of several)."""
    (count,) = struct.unpack_from(">I", block)
    position, headers = 4, {}
    for _ in range(count):
        texts = []
        for _ in range(2):
            (size,) = struct.unpack_from(">I", block, position)
            texts.append(block[position + 4 : position + 4 + size].decode())
            position += 4 + size
        headers[texts[0].lower()] = texts[1].partition("\0")[0]
    return headers
