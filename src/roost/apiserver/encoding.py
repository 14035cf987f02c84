"""Stored bytes and what answers are made of them.

An object is encoded once per write, always in the same shape:
`{"kind":K,"apiVersion":V,"metadata":{"resourceVersion":"` gap `",...`. Those bytes are the answer of a
GET, their tails (without kind and apiVersion) are the items of a LIST, and each watch frame wraps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import yaml

from roost.api.kind import Kind
from roost.api.values import Object, Value, nested_deeper
from roost.apiserver.failures import too_deep
from roost.apiserver.messages import Pieces
from roost.store.port import Draft

encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder().decode

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]  # the faster of two classes that have no types
    """Writes every value where it stands: parts that are shared are no aliases to a reader."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


FRAME_HEADS: Final = {
    kind: b'{"type":"%b","object":' % kind.encode()
    for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
}
FRAME_TAIL: Final = b"}\n"


@lru_cache(maxsize=4096)
def _head(api_version: str, name: str) -> bytes:
    return b'{"kind":%b,"apiVersion":%b,' % (encode(name), encode(api_version))


def head_of(kind: Kind) -> bytes:
    """Return what the bytes of every stored object of a kind start with."""
    return _head(kind.api_version, kind.name)


#: Lists and objects in one another that an object may have: whatever walks it later must get through.
_LEVELS_MAX: Final = 200
_GAP: Final = b'"metadata":{"resourceVersion":"'


def arrange(kind: Kind, value: Object, revision: str = "") -> Object:
    """Return the object with its keys in the order of stored bytes."""
    # A key keeps the place at which it was first put in.
    arranged: Object = {"kind": None, "apiVersion": None, "metadata": None, **value}
    arranged["kind"], arranged["apiVersion"] = kind.name, kind.api_version
    arranged["metadata"] = {"resourceVersion": None, **value["metadata"]}
    arranged["metadata"]["resourceVersion"] = revision
    return arranged


def encoded(value: Object) -> bytes:
    """Encode an object as a whole; raises BadRequest for one that nobody could walk."""
    data = encode(value)
    if _may_be_deep(data) and nested_deeper(value, _LEVELS_MAX):
        raise too_deep()
    return data


def _may_be_deep(data: bytes) -> bool:
    """Tell, by counting brackets, whether so many levels can be there at all.

    Every level is a bracket, and all but the innermost hold something.
    """
    brackets = data.count(b"{") + data.count(b"[")
    if brackets <= _LEVELS_MAX:
        return False
    return brackets - data.count(b"{}") - data.count(b"[]") >= _LEVELS_MAX


def draft_of(kind: Kind, value: Object) -> Draft:
    """Encode an object for the store, leaving the gap for its revision; raises BadRequest as `encoded`.

    The parts of the object become the store's: nobody may change them any more.
    """
    arranged = arrange(kind, value)
    data = encoded(arranged)
    gap = len(head_of(kind)) + len(_GAP)
    return Draft(data[:gap], data[gap:], arranged)


#: About so much of a long list is one piece.
_PIECE_BYTES: Final = 256 * 1024


def list_body(
    kind: Kind,
    bodies: Sequence[bytes],
    revision: int,
    *,
    strip: int,
    token: str = "",
    remaining: int | None = None,
    custom: bool = False,
) -> bytes | Pieces:
    """Return a list of encoded objects. `strip` bytes of each are its kind and apiVersion, or 0.

    Lists of custom resources always say how they continue.
    """
    metadata: dict[str, Any] = {"resourceVersion": str(revision)} if revision else {}
    if token or custom:
        metadata["continue"] = token
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    head = b'{"kind":%b,"apiVersion":%b,"metadata":%b,"items":[' % (
        encode(kind.list_kind),
        encode(kind.api_version),
        encode(metadata),
    )
    between = b",{" if strip else b","
    items = sum(map(len, bodies)) + len(bodies) * (len(between) - strip)
    parts = _parts(head, bodies, strip, between)
    if items <= _PIECE_BYTES:
        return b"".join(parts)
    return Pieces(parts, len(head) + items - 1 + len(_LIST_TAIL))


_LIST_TAIL: Final = b"]}"


def _parts(head: bytes, bodies: Sequence[bytes], strip: int, between: bytes) -> Iterator[bytes]:
    part, size = [head], 0
    for body in bodies:
        part.append(body[strip:] if strip else body)
        size += len(body)
        if size > _PIECE_BYTES:
            yield _joined(part, between)
            part, size = [b""], 0
    yield _joined(part, between) + _LIST_TAIL


def _joined(part: list[bytes], between: bytes) -> bytes:
    """Join the items of a piece, the first of which is what comes before them: a head or nothing."""
    if part[0] and len(part) > 1:
        # Before the first item of all there is no comma.
        return part[0] + between[1:] + between.join(part[1:])
    return between.join(part)


def frame(kind: str, body: bytes) -> bytes:
    """Return one line of a watch answer."""
    return FRAME_HEADS[kind] + body + FRAME_TAIL


def pretty_json(value: Value) -> bytes:
    return msgspec.json.format(encode(value), indent=2) + b"\n"


def to_yaml(value: Value) -> bytes:
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=4096
    )
    return text.encode()
