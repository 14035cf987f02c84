"""Messages that JSON writes as one value: times, quantities, raw JSON, unions.

A reader takes the bytes of the message (without its tag and length) and returns the JSON value, or
None where Go has a zero that JSON omits. A writer is the inverse. Most objects repeat a few times and
quantities, so these are remembered.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from roost.api.depth import guarded
from roost.api.protobuf.wire import (
    DELIMITED,
    TRUNCATED,
    VARINT,
    Malformed,
    read_size,
    read_varint,
    signed,
    signed32,
    skip,
    tag,
    varint,
)

_Key = TypeVar("_Key", bytes, str)
_Made = TypeVar("_Made")

#: Values up to this length are remembered.
_SHORT: Final = 64
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC; isoformat would say so
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Go's zero time, which JSON writes as null.
_ZERO_S: Final = -62135596800
#: Integers up to here are exact in a double; Go writes them without a fraction.
_EXACT: Final = 2**53
_RAW_TAG: Final = tag(1, DELIMITED)
_SECONDS_TAG: Final = tag(1, VARINT)
_NANOS_TAG: Final = tag(2, VARINT)
_INT_TAGS: Final = tag(1, VARINT) + varint(0) + tag(2, VARINT)
_TEXT_TAGS: Final = tag(1, VARINT) + varint(1) + tag(3, DELIMITED)

decode_json: Final = guarded(msgspec.json.Decoder().decode)
encode_json: Final = msgspec.json.Encoder().encode


def _remembered(made: Callable[[_Key], _Made]) -> Callable[[_Key], _Made]:
    """Remember what is made of short values."""
    short = lru_cache(maxsize=2048)(made)

    def make(key: _Key) -> _Made:
        return short(key) if len(key) <= _SHORT else made(key)

    return make


def _parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield (number, wire type, value) of every field that is a varint or delimited."""
    pos, end = 0, len(data)
    try:
        while pos < end:
            key, pos = read_varint(data, pos)
            if key & 7 == DELIMITED:
                start, pos = read_size(data, pos, end)
                yield key >> 3, DELIMITED, data[start:pos]
            elif key & 7 == VARINT:
                value, pos = read_varint(data, pos)
                yield key >> 3, VARINT, value
            else:
                pos = skip(data, pos, end, key & 7)
    except IndexError:
        raise Malformed(TRUNCATED) from None


def fields_in(data: bytes, **wanted: tuple[int, int]) -> dict[str, Any]:
    """Return the last values of the fields that are `name=(number, wire type)`."""
    names = {place: name for name, place in wanted.items()}
    return {
        names[number, wire_type]: value
        for number, wire_type, value in _parts(data)
        if (number, wire_type) in names
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def delimited(data: bytes) -> bytes:
    return varint(len(data)) + data


# -- times


def _moment(data: bytes) -> tuple[datetime, int] | None:
    found = fields_in(data, seconds=(1, VARINT), nanos=(2, VARINT))
    seconds = signed(found.get("seconds", 0))
    if not data or seconds == _ZERO_S:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds), signed32(found.get("nanos", 0))
    except OverflowError:
        raise Malformed("year outside of range [0,9999]") from None


@_remembered
def read_time(data: bytes) -> str | None:
    """Return a Time, which has whole seconds."""
    found = _moment(data)
    return None if found is None else found[0].isoformat(timespec="seconds") + "Z"


@_remembered
def read_micro_time(data: bytes) -> str | None:
    found = _moment(data)
    if found is None:
        return None
    moment, nanos = found
    return (
        moment.replace(microsecond=nanos // 1000 % 10**6).isoformat(timespec="microseconds") + "Z"
    )


@_remembered
def write_time(text: str) -> bytes:
    """Return a Time or MicroTime."""
    since = datetime.fromisoformat(text) - _EPOCH_UTC
    seconds = varint(since.days * 86400 + since.seconds)
    return _SECONDS_TAG + seconds + _NANOS_TAG + varint(since.microseconds * 1000)


# -- quantities and unions


@_remembered
def read_quantity(data: bytes) -> str:
    """Return a Quantity; an absent one is 0."""
    return _text(fields_in(data, text=(1, DELIMITED)).get("text", b"0"))


@_remembered
def write_quantity(text: str) -> bytes:
    return _RAW_TAG + delimited(text.encode())


@_remembered
def read_int_or_string(data: bytes) -> int | str:
    found = fields_in(data, type=(1, VARINT), number=(2, VARINT), text=(3, DELIMITED))
    kind = found.get("type", 0)
    if kind > 1:
        raise Malformed("impossible IntOrString.Type")
    return _text(found.get("text", b"")) if kind else signed32(found.get("number", 0))


def write_int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return _TEXT_TAGS + delimited(value.encode())
    return _INT_TAGS + varint(value)


def read_texts(data: bytes) -> list[str]:
    """Return a message that is a list of texts."""
    return [_text(item) for number, kind, item in _parts(data) if (number, kind) == (1, DELIMITED)]


def write_texts(values: list[str]) -> bytes:
    return b"".join([_RAW_TAG + delimited(value.encode()) for value in values])


# -- raw values


def read_raw(data: bytes) -> bytes:
    """Return the bytes of a message that has nothing but those."""
    found: bytes = fields_in(data, raw=(1, DELIMITED)).get("raw", b"")
    return found


def parse_raw(raw: bytes) -> Any:
    """Return the value of raw JSON; raises Malformed."""
    if not raw:
        return None
    try:
        return decode_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"invalid raw JSON: {error}") from None


def write_json(value: Any) -> bytes:
    return _RAW_TAG + delimited(encode_json(value))


def read_bytes(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def write_bytes(text: str) -> bytes:
    return binascii.a2b_base64(text)


def read_double(data: bytes, pos: int) -> float | int:
    """Return the double at `pos`, as Go writes it: without a fraction if it has none."""
    value: float = struct.unpack_from("<d", data, pos)[0]
    if value != value or value in (float("inf"), float("-inf")):
        raise Malformed("json: unsupported value")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def write_double(value: float) -> bytes:
    return struct.pack("<d", value)
