"""The wire format: variable-length integers, field tags, and what is skipped.

Errors have the texts of the real server's generated decoders. Reading past the end of the data is
an IndexError of Python, which the callers turn into `TRUNCATED`.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
DELIMITED: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

TRUNCATED: Final = "unexpected EOF"
TOO_DEEP: Final = "exceeded max depth"
_OVERFLOW: Final = "proto: integer overflow"
_NEGATIVE: Final = "proto: negative length found during unmarshaling"
_STRAY_END: Final = "proto: unexpected end of group"
_VARINT_BITS: Final = 64
_SIGN: Final = 1 << 63
_SMALL: Final = tuple(bytes((number,)) for number in range(0x80))


class Malformed(ValueError):
    """The data is not the message it should be; the text is that of Go's decoder."""


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    """Return an unsigned integer of up to 64 bits and where it ends."""
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (_SIGN * 2 - 1), pos
        shift += 7
        if shift >= _VARINT_BITS:
            raise Malformed(_OVERFLOW)


def read_size(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Return where a length-delimited value starts and stops, given where its length is."""
    size, start = read_varint(data, pos)
    if size >= _SIGN:
        raise Malformed(_NEGATIVE)
    if start + size > end:
        raise Malformed(TRUNCATED)
    return start, start + size


def varint(value: int) -> bytes:
    """Return an integer as it is written; negative ones take ten bytes."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= _SIGN * 2 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def signed(value: int) -> int:
    """Return an unsigned integer of 64 bits as what two's complement makes of it."""
    return value - _SIGN * 2 if value >= _SIGN else value


def signed32(value: int) -> int:
    """Return the lower 32 bits of an integer as a signed one."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def skip(data: bytes, pos: int, end: int, wire_type: int) -> int:
    """Return where an unknown value ends that starts at `pos`."""
    depth = 0
    while True:
        if wire_type == VARINT:
            pos = read_varint(data, pos)[1]
        elif wire_type == FIXED64:
            pos += 8
        elif wire_type == DELIMITED:
            pos = read_size(data, pos, end)[1]
        elif wire_type == START_GROUP:
            depth += 1
        elif wire_type == END_GROUP:
            if depth == 0:
                raise Malformed(_STRAY_END)
            depth -= 1
        elif wire_type == FIXED32:
            pos += 4
        else:
            raise Malformed(f"proto: illegal wireType {wire_type}")
        if pos > end:
            raise Malformed(TRUNCATED)
        if depth == 0:
            return pos
        key, pos = read_varint(data, pos)
        wire_type = key & 7
