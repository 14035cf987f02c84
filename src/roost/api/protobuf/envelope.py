"""What surrounds a message: four bytes, then a `runtime.Unknown` that says of which kind it is.

Watches are frames: the length in four bytes, then a bare `WatchEvent` with an enveloped object in it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from roost.api.protobuf.scalars import delimited, fields_in
from roost.api.protobuf.wire import DELIMITED, Malformed, tag, varint

MAGIC: Final = b"k8s\x00"
_SCHEME: Final = "pkg/api/legacyscheme/scheme.go:30"
_TYPE_META: Final = tag(1, DELIMITED)
_RAW: Final = tag(2, DELIMITED)
_FIRST: Final = tag(1, DELIMITED)
_SECOND: Final = tag(2, DELIMITED)
#: contentEncoding and contentType, which are always there and always empty.
_TAIL: Final = tag(3, DELIMITED) + b"\x00" + tag(4, DELIMITED) + b"\x00"


def unwrap(data: bytes) -> tuple[str, str, bytes]:
    """Return apiVersion, kind and message of an envelope; raises Malformed."""
    if not data:
        raise Malformed("empty data")
    if data[: len(MAGIC)] != MAGIC:
        prefix = " ".join(str(byte) for byte in MAGIC)
        raise Malformed(
            f"provided data does not appear to be a protobuf message, expected prefix [{prefix}]"
        )
    if len(data) == len(MAGIC):
        raise Malformed("empty body")
    found = fields_in(data[len(MAGIC) :], meta=(1, DELIMITED), raw=(2, DELIMITED))
    meta = fields_in(found.get("meta", b""), version=(1, DELIMITED), kind=(2, DELIMITED))
    version, kind = (meta.get(name, b"").decode("utf-8", "replace") for name in ("version", "kind"))
    return version, kind, found.get("raw", b"")


@lru_cache(maxsize=1024)
def _head(api_version: str, kind: str) -> bytes:
    meta = _FIRST + delimited(api_version.encode()) + _SECOND + delimited(kind.encode())
    return MAGIC + _TYPE_META + delimited(meta) + _RAW


def wrap(api_version: str, kind: str, message: bytes) -> bytes:
    """Return a message in its envelope."""
    return b"".join((_head(api_version, kind), varint(len(message)), message, _TAIL))


def frame(event: str, enveloped: bytes) -> bytes:
    """Return one event (ADDED and so on) of a watch with an enveloped object."""
    raw = _FIRST + delimited(enveloped)
    message = b"".join((_FIRST, delimited(event.encode()), _SECOND, delimited(raw)))
    return len(message).to_bytes(4, "big") + message


def unregistered(api_version: str, kind: str) -> str:
    """Return what the real server says of a kind that it does not know."""
    return f'no kind "{kind}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
