"""OpenAPI v3 documents in the protobuf form that Go clients may ask for (gnostic's messages).

A message is a table of its fields: the key in JSON, the number, and how the value is written. What is in
no table is an extension, which has its text as YAML.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from roost.api.protobuf.wire import DELIMITED, FIXED64, VARINT, tag, varint
from roost.api.values import Object

#: What clients name it when they ask, and what it is called in the answer.
WANTED: Final = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
MEDIA_TYPE: Final = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"

_Write: TypeAlias = Callable[[int, Any], bytes]
_Fields: TypeAlias = Mapping[str, tuple[int, _Write]]


def document(found: Object) -> bytes:
    """Return the message of an OpenAPI v3 document."""
    return _fields(_DOCUMENT, found)


def _bytes(number: int, content: bytes) -> bytes:
    return tag(number, DELIMITED) + varint(len(content)) + content


def _text(number: int, value: Any) -> bytes:
    return _bytes(number, str(value).encode())


def _flag(number: int, value: Any) -> bytes:
    return tag(number, VARINT) + varint(int(bool(value)))


def _count(number: int, value: Any) -> bytes:
    return tag(number, VARINT) + varint(int(value))


def _double(number: int, value: Any) -> bytes:
    return tag(number, FIXED64) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    return _bytes(number, _text(2, msgspec.json.encode(value).decode()))


def _each(write: _Write) -> _Write:
    return lambda number, values: b"".join(write(number, value) for value in values)


def _message(fields: _Fields, extensions: int = 0) -> _Write:
    return lambda number, value: _bytes(number, _fields(fields, value, extensions))


def _named(number: int, values: Mapping[str, Any], write: _Write) -> bytes:
    """Write a map: a message for each pair of a key and a value."""
    return b"".join(
        _bytes(number, _text(1, name) + write(2, value)) for name, value in values.items()
    )


def _map(write: _Write) -> _Write:
    return lambda number, values: _bytes(number, _named(1, values, write))


def _either(write: _Write) -> _Write:
    """Write a value, or where it is, as a message with one of two parts."""

    def made(number: int, value: Any) -> bytes:
        is_reference = "$ref" in value
        inner = _bytes(2, _text(1, value["$ref"])) if is_reference else write(1, value)
        return _bytes(number, inner)

    return made


def _fields(fields: _Fields, value: Object, extensions: int = 0) -> bytes:
    parts: list[bytes] = []
    extra: dict[str, Any] = {}
    for key, item in value.items():
        found = fields.get(key)
        if found is not None:
            parts.append(found[1](found[0], item))
        elif extensions and key.startswith("x-"):
            extra[key] = item
    return b"".join(parts) + _named(extensions, extra, _any)


def _default(number: int, value: Any) -> bytes:
    """Write a default; of lists and objects no more than that there is one."""
    if isinstance(value, bool):
        return _bytes(number, _flag(2, value))
    if isinstance(value, int | float):
        return _bytes(number, _double(1, value))
    return _bytes(number, _text(3, value) if isinstance(value, str) else b"")


def _schema(number: int, value: Any) -> bytes:
    return _bytes(number, _fields(_SCHEMA, value, 36))


def _additional(number: int, value: Any) -> bytes:
    return _bytes(number, _flag(2, value) if isinstance(value, bool) else _EITHER(1, value))


_EITHER: Final = _either(_schema)
_SCHEMA: Final[_Fields] = {
    "nullable": (1, _flag), "title": (9, _text), "multipleOf": (10, _double),
    "maximum": (11, _double), "exclusiveMaximum": (12, _flag), "minimum": (13, _double),
    "exclusiveMinimum": (14, _flag), "maxLength": (15, _count), "minLength": (16, _count),
    "pattern": (17, _text), "maxItems": (18, _count), "minItems": (19, _count),
    "uniqueItems": (20, _flag), "maxProperties": (21, _count), "minProperties": (22, _count),
    "required": (23, _each(_text)), "enum": (24, _each(_any)), "type": (25, _text),
    "allOf": (26, _each(_EITHER)), "oneOf": (27, _each(_EITHER)), "anyOf": (28, _each(_EITHER)),
    "not": (29, _schema), "items": (30, lambda number, value: _bytes(number, _EITHER(1, value))),
    "properties": (31, _map(_EITHER)), "additionalProperties": (32, _additional),
    "default": (33, _default), "description": (34, _text), "format": (35, _text),
}  # fmt: skip
_CONTENT: Final = _map(_message({"schema": (1, _EITHER)}))
_PARAMETER: Final[_Fields] = {
    "name": (1, _text), "in": (2, _text), "description": (3, _text), "required": (4, _flag),
    "schema": (10, _EITHER),
}  # fmt: skip
_PARAMETERS: Final = _each(_either(_message(_PARAMETER, 14)))
_BODY: Final[_Fields] = {
    "description": (1, _text),
    "content": (2, _CONTENT),
    "required": (3, _flag),
}
_RESPONSE: Final = _either(_message({"description": (1, _text), "content": (3, _CONTENT)}))
_OPERATION: Final[_Fields] = {
    "tags": (1, _each(_text)), "summary": (2, _text), "description": (3, _text),
    "operationId": (5, _text), "parameters": (6, _PARAMETERS),
    "requestBody": (7, _either(_message(_BODY, 4))),
    "responses": (8, lambda number, value: _bytes(number, _named(2, value, _RESPONSE))),
    "deprecated": (10, _flag),
}  # fmt: skip
_DO: Final = _message(_OPERATION, 13)
_PATH: Final[_Fields] = {
    "get": (4, _DO), "put": (5, _DO), "post": (6, _DO), "delete": (7, _DO), "options": (8, _DO),
    "head": (9, _DO), "patch": (10, _DO), "parameters": (13, _PARAMETERS),
}  # fmt: skip
_SECURITY: Final[_Fields] = {
    "type": (1, _text), "description": (2, _text), "name": (3, _text), "in": (4, _text),
}  # fmt: skip
_COMPONENTS: Final[_Fields] = {
    "schemas": (1, _map(_EITHER)), "securitySchemes": (7, _map(_either(_message(_SECURITY)))),
}  # fmt: skip
_INFO: Final[_Fields] = {"title": (1, _text), "description": (2, _text), "version": (6, _text)}
_DOCUMENT: Final[_Fields] = {
    "openapi": (1, _text), "info": (2, _message(_INFO)), "paths": (4, _map(_message(_PATH, 14))),
    "components": (5, _message(_COMPONENTS, 10)),
}  # fmt: skip
