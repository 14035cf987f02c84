"""What may be asked of moments and lengths of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import NS, Duration, EvaluationError, Timestamp

declarations = Declarations()
_add = declarations.add
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)$")


def _zone(name: str) -> tzinfo:
    found = _OFFSET.match(name)
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3])
        return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    if name in ("UTC", ""):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None


def _date(moment: Timestamp, zone: str) -> datetime:
    return moment.at(_zone(zone))


def _declare(name: str, read: Any) -> None:
    def part(moment: Timestamp, zone: str = "UTC") -> int:
        return int(read(_date(moment, zone)))

    _add(f"timestamp . {name}() int", f"timestamp . {name}(string) int")(part)


_PARTS = {
    "getFullYear": lambda d: d.year,
    "getMonth": lambda d: d.month - 1,
    "getDate": lambda d: d.day,
    "getDayOfMonth": lambda d: d.day - 1,
    "getDayOfYear": lambda d: d.timetuple().tm_yday - 1,
    "getDayOfWeek": lambda d: d.isoweekday() % 7,
}
for _name, _read in _PARTS.items():
    _declare(_name, _read)


def _clock(name: str, read: Any, length: Any) -> None:
    """A part that a moment and a length of time both have."""
    _declare(name, read)
    _add(f"duration . {name}() int")(length)


def _truncated(value: int, unit: int) -> int:
    return value // unit if value >= 0 else -(-value // unit)


_clock("getHours", lambda d: d.hour, lambda length: _truncated(length.ns, 3600 * NS))
_clock("getMinutes", lambda d: d.minute, lambda length: _truncated(length.ns, 60 * NS))
_clock("getSeconds", lambda d: d.second, lambda length: _truncated(length.ns, NS))


@_add("timestamp . getMilliseconds() int", "timestamp . getMilliseconds(string) int")
def milliseconds(moment: Timestamp, _zone: str = "UTC") -> int:
    return moment.ns % NS // 1_000_000


@_add("duration . getMilliseconds() int")
def duration_milliseconds(length: Duration) -> int:
    return _truncated(length.ns, 1_000_000)
