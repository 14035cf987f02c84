"""Scalars as Go's decoders read and write them: times, base64, integers, quantities.

Every function returns the canonical form of a value, so that it is idempotent, or raises `Mismatch`
with the message of the real server.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from roost.api import quantity
from roost.api.values import Value


class Mismatch(ValueError):
    """A value is not of the type its field has; the text is that of Go's JSON decoder.

    `conversion` is what the converter says that strategic patches go through, if that is another.
    """

    def __init__(self, text: str, conversion: str = "") -> None:
        super().__init__(text)
        self.conversion = conversion or text


_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
#: Parts of a layout that a time must have, in order, to say which is the first that is wrong.
_PARTS = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
    ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"),
)  # fmt: skip
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def int32(value: int) -> int:
    """Return an integer of 32 bits."""
    if not _INT32[0] <= value <= _INT32[1]:
        raise Mismatch(f"number {value}")
    return value


def int64(value: int) -> int:
    """Return an integer of 64 bits."""
    if not _INT64[0] <= value <= _INT64[1]:
        raise Mismatch(f"number {value}")
    return value


def canonical_quantity(value: Value) -> str:
    """Return a quantity, written as text or number, in its canonical form."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Mismatch(quantity.WRONG_FORMAT)
    try:
        return quantity.canonical(value)
    except ValueError as error:
        raise Mismatch(str(error)) from None


@lru_cache(maxsize=1024)
def time(text: str) -> str:
    """Return an RFC 3339 time in UTC, to the second."""
    return _moment(text, _TIME_LAYOUT).isoformat(timespec="seconds") + "Z"


@lru_cache(maxsize=1024)
def micro_time(text: str) -> str:
    """Return an RFC 3339 time in UTC; it must have, and has, exactly six digits of the second."""
    return _moment(text, _MICRO_LAYOUT).isoformat(timespec="microseconds") + "Z"


def _moment(text: str, layout: str) -> datetime:
    """Return a time in UTC, without saying so (isoformat would write +00:00)."""
    found = _TIME.fullmatch(text)
    micro = layout == _MICRO_LAYOUT
    if found is None or (micro and len(found[7] or "") != 6):
        raise Mismatch(_time_problem(text, layout))
    fraction = f".{found[7][:6]}" if found[7] else ""
    clock = f"{found[1]}-{found[2]}-{found[3]}T{found[4]}:{found[5]}:{found[6]}{fraction}"
    try:
        moment = datetime.fromisoformat(clock + found[8].replace("Z", "+00:00"))
        # Years past 9999 cannot be written again; nor can Go's year 0 be read here.
        return moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        part = next(
            (p for p, n, top in (("month", 2, 12), ("day", 3, 31), ("hour", 4, 23),
                                 ("minute", 5, 59), ("second", 6, 59)) if int(found[n]) > top),
            "month" if found[2] == "00" else "day",
        )  # fmt: skip
        raise Mismatch(f'parsing time "{text}": {part} out of range') from None


def _time_problem(text: str, layout: str) -> str:
    rest = text
    for name, pattern in _PARTS:
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{name}"'
        rest = rest[found.end() :]
    fraction = re.match(r"[.,]\d+", rest, re.ASCII)
    if layout == _MICRO_LAYOUT and (fraction is None or fraction.end() != 7):
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"'
    rest = rest[fraction.end() :] if fraction else rest
    zone = re.match(r"Z|[+-]\d\d:\d\d", rest, re.ASCII)
    if zone is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"'
    return f'parsing time "{text}": extra text: "{rest[zone.end() :]}"'


def base64(text: str) -> str:
    """Return base64 text as it is written again: padded, without line breaks."""
    try:
        raw = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        bare = "".join(text.split("\n")).replace("\r", "")
        problem = _base64_problem(text)
        if problem is not None:
            raise Mismatch(f"illegal base64 data at input byte {problem}") from None
        raw = binascii.a2b_base64(bare.encode("ascii"))
    return base64_of(raw)


def base64_of(content: Iterable[int]) -> str:
    """Return bytes as they are written."""
    return binascii.b2a_base64(bytes(content), newline=False).decode("ascii")


def _base64_problem(text: str) -> int | None:
    """Return the offset that Go's decoder complains about, or None if it is content."""
    data = text.encode()
    digits = 0
    for offset, byte in enumerate(data):
        char = chr(byte)
        if char in "\r\n":
            continue
        if char in _ALPHABET:
            digits += 1
            continue
        if char != "=" or digits % 4 < 2:
            return offset
        return _padding_problem(data, offset, digits % 4)
    return None if digits % 4 == 0 else len(data) - digits % 4


def _padding_problem(data: bytes, offset: int, digits: int) -> int | None:
    """Return what is wrong after the first `=` at `offset`, with `digits` digits before it."""
    rest = [i for i in range(offset + 1, len(data)) if data[i] not in b"\r\n"]
    if digits == 2:
        if not rest:
            return len(data)
        if data[rest[0]] != ord("="):
            return rest[0]
        rest = rest[1:]
    return rest[0] if rest else None


def int_or_string(value: Value) -> Any:
    """Return an IntOrString; anything but text is read as an int32."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return int32(value)
    raise Mismatch("")
