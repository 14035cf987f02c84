"""The OpenAPI v2 document in the protobuf form that Go clients ask for (gnostic's messages).

kubectl asks for it before it says that a kind is unknown, and explains by it on request. Written are
the definitions and the document's name: what these clients read. Paths are in the JSON form only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from roost.api.protobuf.wire import DELIMITED, VARINT, tag, varint
from roost.api.values import Object

#: What clients name it when they ask, and what it is called in the answer.
WANTED: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
MEDIA_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_Write: TypeAlias = Callable[[Any], bytes]


def document(found: Object) -> bytes:
    """Return the message of an OpenAPI v2 document."""
    info = b"".join(
        _text(number, found["info"][key]) for number, key in ((1, "title"), (2, "version"))
    )
    definitions = _named(found.get("definitions") or {}, _schema)
    return b"".join((_text(1, found["swagger"]), _bytes(2, info), _bytes(9, definitions)))


def _bytes(number: int, content: bytes) -> bytes:
    return tag(number, DELIMITED) + varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _flag(number: int, value: bool) -> bytes:
    return tag(number, VARINT) + varint(int(value))


def _any(value: Any) -> bytes:
    """Return a value of any kind: its text as YAML, of which JSON is a part."""
    return _text(2, msgspec.json.encode(value).decode())


def _pair(name: str, content: bytes) -> bytes:
    return _bytes(1, _text(1, name) + _bytes(2, content))


def _named(values: Mapping[str, Any], write: _Write) -> bytes:
    return b"".join(_pair(name, write(value)) for name, value in values.items())


def _texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(_text(number, value) for value in values)


def _additional(value: Any) -> bytes:
    return _bytes(21, _flag(2, value) if isinstance(value, bool) else _bytes(1, _schema(value)))


#: How each part of a schema is written; others are not known to these clients.
_PARTS: Final[Mapping[str, _Write]] = {
    "$ref": lambda value: _text(1, value),
    "format": lambda value: _text(2, value),
    "title": lambda value: _text(3, value),
    "description": lambda value: _text(4, value),
    "default": lambda value: _bytes(5, _any(value)),
    "pattern": lambda value: _text(13, value),
    "required": lambda value: _texts(19, value),
    "enum": lambda value: b"".join(_bytes(20, _any(one)) for one in value),
    "additionalProperties": _additional,
    "type": lambda value: _bytes(22, _texts(1, [value] if isinstance(value, str) else value)),
    "items": lambda value: _bytes(23, _bytes(1, _schema(value))),
    "properties": lambda value: _bytes(25, _named(value, _schema)),
}


def _schema(schema: Object) -> bytes:
    parts = []
    for key, value in schema.items():
        write = _PARTS.get(key)
        if write is not None:
            parts.append(write(value))
        elif key.startswith("x-"):
            parts.append(_bytes(31, _text(1, key) + _bytes(2, _any(value))))
    return b"".join(parts)
