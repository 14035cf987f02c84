"""Messages to JSON objects.

Each message is compiled once into a table from tags (number and wire type together) to what to do, so
that a field costs one look-up. What a table does not have is unknown, of the wrong type or packed, and
handled apart. Zeros that are in the data stay: which of them JSON omits is for the decoder of the
schema to say. Nothing is copied twice: nested messages are ranges of the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from roost.api.protobuf import envelope, scalars
from roost.api.protobuf.fields import Field, fields_of, message_of
from roost.api.protobuf.wire import (
    DELIMITED,
    FIXED64,
    TOO_DEEP,
    TRUNCATED,
    VARINT,
    Malformed,
    read_size,
    read_varint,
    signed,
    signed32,
    skip,
)
from roost.api.values import Object

Convert: TypeAlias = Callable[[Any], Any]

_NUMBER_LIMIT: Final = 1 << 32


# What to do with a field's value; the commonest first. Plain integers, for they are compared per field.
_TEXT: Final = 1
_MESSAGE: Final = 2
_MESSAGES: Final = 3
_TEXTS: Final = 4
_MAP: Final = 5
_VALUE: Final = 6
_VALUES: Final = 7
_INLINE: Final = 8

#: What to do, the field's name, and the message or the conversion for it.
_Step: TypeAlias = tuple[int, str, Any]


class _Map(NamedTuple):
    """How the values of a map are read: messages, or bytes for `convert`."""

    message: Reader | None
    convert: Convert


class Reader:
    """Reads one message. The table is made when it is first used."""

    __slots__ = ("_name", "_packed", "_table", "_types")

    def __init__(self, name: str) -> None:
        self._name = name
        self._table: dict[int, _Step] = {}
        self._packed: dict[int, tuple[str, Convert]] = {}
        self._types: dict[int, str] = {}

    def read(self, data: bytes, pos: int, end: int, out: Object) -> None:
        """Put the fields in a range of bytes into `out`. Raises Malformed, IndexError."""
        table = self._table or self._compiled()
        while pos < end:
            key = data[pos]
            pos += 1
            if key > 0x7F:
                key, pos = read_varint(data, pos - 1)
            step = table.get(key)
            if step is None:
                pos = self._unusual(data, pos, end, key, out)
                continue
            do, name, how = step
            if key & 7 != DELIMITED:
                pos = self._number(data, pos, end, key, step, out)
                continue
            stop = data[pos]
            pos += 1
            if stop > 0x7F:
                pos, stop = read_size(data, pos - 1, end)
            else:
                stop += pos
            if stop > end:
                raise Malformed(TRUNCATED)
            if do == _TEXT:
                out[name] = data[pos:stop].decode("utf-8", "replace")
            elif do == _MESSAGE:
                inner = out.get(name)
                if inner is None:
                    inner = out[name] = {}
                how.read(data, pos, stop, inner)
            elif do == _MESSAGES:
                inner = {}
                how.read(data, pos, stop, inner)
                out.setdefault(name, []).append(inner)
            elif do == _TEXTS:
                out.setdefault(name, []).append(data[pos:stop].decode("utf-8", "replace"))
            else:
                self._rarer(data, pos, stop, step, out)
            pos = stop

    @staticmethod
    def _rarer(data: bytes, pos: int, stop: int, step: _Step, out: Object) -> None:
        do, name, how = step
        if do == _MAP:
            _entry(data, pos, stop, how, out.setdefault(name, {}))
        elif do == _VALUE:
            value = how(data[pos:stop])
            if value is not None:
                out[name] = value
        elif do == _VALUES:
            out.setdefault(name, []).append(how(data[pos:stop]))
        else:
            how.read(data, pos, stop, out)

    @staticmethod
    def _number(data: bytes, pos: int, end: int, key: int, step: _Step, out: Object) -> int:
        do, name, how = step
        if key & 7 == VARINT:
            value: Any = data[pos]
            pos += 1
            if value > 0x7F:
                value, pos = read_varint(data, pos - 1)
            value = how(value)
        else:
            if pos + 8 > end:
                raise Malformed(TRUNCATED)
            value = scalars.read_double(data, pos)
            pos += 8
        if pos > end:
            raise Malformed(TRUNCATED)
        if do == _VALUES:
            out.setdefault(name, []).append(value)
        else:
            out[name] = value
        return pos

    def _unusual(self, data: bytes, pos: int, end: int, key: int, out: Object) -> int:
        """Handle a field that the table does not have; return where it ends."""
        short = self._name.rpartition(".")[2]
        number, wire_type = key >> 3 & (_NUMBER_LIMIT - 1), key & 7
        if wire_type == 4:
            raise Malformed(f"proto: {short}: wiretype end group for non-group")
        if number == 0 or number >= _NUMBER_LIMIT >> 1:
            shown = signed32(number)
            raise Malformed(f"proto: {short}: illegal tag {shown} (wire type {wire_type})")
        packed = self._packed.get(number)
        if packed is not None and wire_type == DELIMITED:
            name, convert = packed
            pos, stop = read_size(data, pos, end)
            values = out.setdefault(name, [])
            while pos < stop:
                value, pos = read_varint(data, pos)
                values.append(convert(value))
            if pos > stop:
                raise Malformed(TRUNCATED)
            return pos
        if number in self._types:
            field = self._types[number]
            raise Malformed(f"proto: wrong wireType = {wire_type} for field {field}")
        return skip(data, pos, end, wire_type)

    def _compiled(self) -> dict[int, _Step]:
        for field in fields_of(self._name):
            wire_type, step = _step(field)
            self._table[field.number << 3 | wire_type] = step
            self._types[field.number] = field.name[:1].upper() + field.name[1:]
            if field.repeated and wire_type == VARINT:
                self._packed[field.number] = (field.name, _NUMBERS[field.type])
        if not self._table:
            self._table[-1] = (_TEXT, "", None)  # so that an empty table is known to be made
        return self._table


@cache
def reader(message: str) -> Reader:
    """Return the reader of a message, by its full name."""
    return Reader(message)


def read_message(message: str, data: bytes) -> Object:
    """Return the JSON object in the bytes of a message. Raises Malformed."""
    out: Object = {}
    try:
        reader(message).read(data, 0, len(data), out)
    except IndexError:
        raise Malformed(TRUNCATED) from None
    except RecursionError:
        raise Malformed(TOO_DEEP) from None
    return out


def _step(field: Field) -> tuple[int, _Step]:
    """Return the wire type of a field and what to do with it."""
    if field.mapped:
        inner = reader(field.type) if field.is_message else None
        convert = _CONVERSIONS.get(field.type, _utf8)
        return DELIMITED, (_MAP, field.name, _Map(inner, convert))
    if field.is_message:
        do = _INLINE if field.inline else _MESSAGES if field.repeated else _MESSAGE
        return DELIMITED, (do, field.name, reader(field.type))
    if field.type == "string":
        return DELIMITED, (_TEXTS if field.repeated else _TEXT, field.name, None)
    do = _VALUES if field.repeated else _VALUE
    if field.type == "double":
        return FIXED64, (do, field.name, None)
    if field.type in _NUMBERS:
        return VARINT, (do, field.name, _NUMBERS[field.type])
    return DELIMITED, (do, field.name, _CONVERSIONS[field.type])


def _entry(data: bytes, pos: int, end: int, how: _Map, out: Object) -> None:
    """Read one entry of a map: a message of a key and a value."""
    name, value = "", None
    while pos < end:
        key = data[pos]
        pos += 1
        if key == _ENTRY_KEY:
            pos, stop = read_size(data, pos, end)
            name = data[pos:stop].decode("utf-8", "replace")
        elif key == _ENTRY_VALUE:
            pos, stop = read_size(data, pos, end)
            if how.message is None:
                value = how.convert(data[pos:stop])
            else:
                value = {}
                how.message.read(data, pos, stop, value)
        else:
            key, pos = read_varint(data, pos - 1)
            stop = skip(data, pos, end, key & 7)
        pos = stop
    if value is None:
        value = how.convert(b"") if how.message is None else {}
    out[name] = value


_ENTRY_KEY: Final = 1 << 3 | DELIMITED
_ENTRY_VALUE: Final = 2 << 3 | DELIMITED


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _raw_json(data: bytes) -> Any:
    """Return a value that is JSON in a message, or an object in an envelope of its own."""
    raw = scalars.read_raw(data)
    if raw[: len(envelope.MAGIC)] != envelope.MAGIC:
        return scalars.parse_raw(raw)
    return read_object(*envelope.unwrap(raw))


def read_object(api_version: str, kind: str, data: bytes) -> Object:
    """Return the object of a kind in the bytes of its message. Raises Malformed."""
    message = message_of(api_version, kind)
    if message is None:
        raise Malformed(envelope.unregistered(api_version, kind))
    return {"kind": kind, "apiVersion": api_version, **read_message(message, data)}


def _union(message: str) -> Callable[[bytes], Object]:
    inner = Reader(message)

    def read(data: bytes) -> Object:
        out: Object = {}
        inner.read(data, 0, len(data), out)
        return out

    return read


_or_bool = _union("apiextensions.v1.JSONSchemaPropsOrBool")
_or_array = _union("apiextensions.v1.JSONSchemaPropsOrArray")
_or_texts = _union("apiextensions.v1.JSONSchemaPropsOrStringArray")


def _schema_or_bool(data: bytes) -> Any:
    found = _or_bool(data)
    return found.get("schema", found.get("allows", False))


def _schema_or_array(data: bytes) -> Any:
    found = _or_array(data)
    return found.get("jSONSchemas") or found.get("schema")


def _schema_or_texts(data: bytes) -> Any:
    found = _or_texts(data)
    return found.get("property") or found.get("schema")


_NUMBERS: Final[dict[str, Convert]] = {"bool": bool, "int32": signed32, "int64": signed}
_CONVERSIONS: Final[dict[str, Convert]] = {
    "bytes": scalars.read_bytes,
    "time": scalars.read_time,
    "microtime": scalars.read_micro_time,
    "quantity": scalars.read_quantity,
    "intorstring": scalars.read_int_or_string,
    "json": _raw_json,
    "texts": scalars.read_texts,
    "schemaorbool": _schema_or_bool,
    "schemaorarray": _schema_or_array,
    "schemaortexts": _schema_or_texts,
}
