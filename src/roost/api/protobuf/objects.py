"""Whole objects in protobuf: what the rest of Roost calls.

`decode` returns an object as if it had been sent as JSON, to be decoded by its schema as usual. A
message can be written once (`message`) and then answered alone (`envelope.wrap`), in lists (`listed`)
and in watches (`envelope.frame`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from roost.api.protobuf.envelope import unregistered, unwrap, wrap
from roost.api.protobuf.fields import message_of
from roost.api.protobuf.reading import read_object
from roost.api.protobuf.scalars import delimited
from roost.api.protobuf.wire import DELIMITED, tag
from roost.api.protobuf.writing import writer
from roost.api.values import Object

_LIST_META: Final = "meta.v1.ListMeta"
_METADATA: Final = tag(1, DELIMITED)
_ITEM: Final = tag(2, DELIMITED)


def knows(api_version: str, kind: str) -> bool:
    """Say whether a kind has a protobuf form."""
    return message_of(api_version, kind) is not None


def decode(data: bytes) -> tuple[str, str, Object]:
    """Return apiVersion, kind and object of an enveloped message. Raises Malformed."""
    api_version, kind, raw = unwrap(data)
    return api_version, kind, read_object(api_version, kind, raw)


def message(api_version: str, kind: str, value: Object) -> bytes:
    """Return the bare message of an object. Raises KeyError if the kind has no protobuf form."""
    name = message_of(api_version, kind)
    if name is None:
        raise KeyError(unregistered(api_version, kind))
    return writer(name).write(value)


def encode(value: Object) -> bytes:
    """Return an object in its envelope; its apiVersion and kind say which. Raises KeyError."""
    api_version, kind = value["apiVersion"], value["kind"]
    return wrap(api_version, kind, message(api_version, kind, value))


def encode_list(api_version: str, kind: str, metadata: Object, items: Iterable[bytes]) -> bytes:
    """Return a list (`kind` is that of the list) of bare messages in its envelope."""
    parts = [_METADATA + delimited(writer(_LIST_META).write(metadata))]
    for item in items:
        parts += (_ITEM, delimited(item))
    return wrap(api_version, kind, b"".join(parts))
