"""JSON objects to messages.

Each message is compiled once into a table from field names to functions that return the field's bytes
with its tag. Fields are written in the order of the object, and only those that it has: decoders take
what is absent for zero, in any order. The fields of an embedded message that JSON does not show are
written as pieces of it, which decoders merge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

from roost.api.protobuf import scalars
from roost.api.protobuf.fields import Field, fields_of
from roost.api.protobuf.wire import DELIMITED, FIXED64, VARINT, tag, varint
from roost.api.values import Object

#: Writes a field: its tag, and whatever follows.
Write: TypeAlias = Callable[[Any], bytes]

_CRD: Final = "apiextensions.v1."


class Writer:
    """Writes one message. The table is made when it is first used."""

    __slots__ = ("_name", "_table")

    def __init__(self, name: str) -> None:
        self._name = name
        self._table: dict[str, Write] | None = None

    @property
    def table(self) -> dict[str, Write]:
        if self._table is None:
            self._table = {}
            for field in fields_of(self._name):
                self._table.update(_entries(field))
        return self._table

    def write(self, value: Object) -> bytes:
        """Return the bytes of the message, without a tag."""
        table = self._table
        if table is None:
            table = self.table
        parts = []
        for name, item in value.items():
            if item is not None and name in table:
                parts.append(table[name](item))
        return b"".join(parts)


@cache
def writer(message: str) -> Writer:
    """Return the writer of a message, by its full name."""
    return Writer(message)


def _entries(field: Field) -> dict[str, Write]:
    start = tag(field.number, DELIMITED)
    if field.inline:
        inner = writer(field.type).table
        # Each becomes an embedded message with only that field.
        return {name: _delimited(start, write) for name, write in inner.items()}
    if field.mapped:
        return {field.name: _map(start, field)}
    if field.is_message:
        message = writer(field.type)
        write = _messages(start, message) if field.repeated else _message(start, message)
        return {field.name: write}
    if field.type == "string":
        return {field.name: _texts(start) if field.repeated else _text(start)}
    if field.type in _NUMBERS:
        wire_type, encode = _NUMBERS[field.type]
        single = _number(tag(field.number, wire_type), encode)
    else:
        single = _delimited(start, _DELIMITED[field.type])
    return {field.name: _each(single) if field.repeated else single}


def _text(start: bytes) -> Write:
    heads = tuple(start + bytes((size,)) for size in range(0x80))

    def write(value: str) -> bytes:
        raw = value.encode()
        size = len(raw)
        return heads[size] + raw if size < 0x80 else start + varint(size) + raw

    return write


def _texts(start: bytes) -> Write:
    one = _text(start)
    return lambda values: b"".join([one(value) for value in values])


def _delimited(start: bytes, encode: Write) -> Write:
    def write(value: Any) -> bytes:
        raw = encode(value)
        return start + varint(len(raw)) + raw

    return write


def _message(start: bytes, message: Writer) -> Write:
    return _delimited(start, message.write)


def _messages(start: bytes, message: Writer) -> Write:
    def write(values: list[Object]) -> bytes:
        parts: list[bytes] = []
        for value in values:
            raw = message.write(value) if value else b""
            parts += (start, varint(len(raw)), raw)
        return b"".join(parts)

    return write


def _number(start: bytes, encode: Write) -> Write:
    return lambda value: start + encode(value)


def _each(single: Write) -> Write:
    return lambda values: b"".join([single(value) for value in values])


def _map(start: bytes, field: Field) -> Write:
    key = _text(tag(1, DELIMITED))
    inside = tag(2, DELIMITED)
    if field.type == "string":
        encode_value = _text(inside)
    else:
        encode = writer(field.type).write if field.is_message else _DELIMITED[field.type]
        encode_value = _delimited(inside, encode)

    def write(values: Object) -> bytes:
        parts: list[bytes] = []
        for name, value in values.items():
            raw = key(name) if value is None else key(name) + encode_value(value)
            parts += (start, varint(len(raw)), raw)
        return b"".join(parts)

    return write


def _bool(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _schema_or(other: str, union: str, **beside: bool) -> Write:
    """Return what writes a JSON schema (with `beside`), or what is none as the field `other`."""

    def write(value: Any) -> bytes:
        found = {"schema": value, **beside} if isinstance(value, dict) else {other: value}
        return writer(_CRD + union).write(found)

    return write


_NUMBERS: Final[dict[str, tuple[int, Write]]] = {
    "bool": (VARINT, _bool),
    "int32": (VARINT, varint),
    "int64": (VARINT, varint),
    "double": (FIXED64, scalars.write_double),
}
_DELIMITED: Final[dict[str, Write]] = {
    "bytes": scalars.write_bytes,
    "time": scalars.write_time,
    "microtime": scalars.write_time,
    "quantity": scalars.write_quantity,
    "intorstring": scalars.write_int_or_string,
    "json": scalars.write_json,
    "texts": scalars.write_texts,
    "schemaorbool": _schema_or("allows", "JSONSchemaPropsOrBool", allows=True),
    "schemaorarray": _schema_or("jSONSchemas", "JSONSchemaPropsOrArray"),
    "schemaortexts": _schema_or("property", "JSONSchemaPropsOrStringArray"),
}
