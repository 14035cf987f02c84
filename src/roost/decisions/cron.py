"""Cron schedules: five fields, or a name such as @hourly, in any time zone. Pure.

As in Kubernetes (robfig/cron): when both days of the month and days of the week are restricted, either
is enough. A local time that does not exist (clocks go forward) is skipped, one that comes twice (clocks
go back) counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from roost.decisions.meta import stamp

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_HORIZON_DAYS = 366 * 5
_EVERY = "@every "
_UNITS = {
    "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule, ready to be asked; `every_s` is set instead of the rest for `@every 5m`."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    zone: str = "UTC"
    every_s: float = 0.0

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week

    def next_after(self, epoch_s: float) -> float | None:
        """Return the first time after `epoch_s`; None if there is none within five years."""
        if self.every_s:
            return float(int(epoch_s)) + self.every_s
        zone = _zone(self.zone)
        start = datetime.fromtimestamp(int(epoch_s), UTC).astimezone(zone)
        for offset in range(_HORIZON_DAYS):
            day = start.date() + timedelta(days=offset)
            if not self._on(day):
                continue
            found = self._first_on(day, epoch_s, zone)
            if found is not None:
                return found
        return None

    def _first_on(self, day: date, epoch_s: float, zone: tzinfo) -> float | None:
        for hour in self.hours:
            for fold in (0, 1):  # an hour that clocks go through twice counts twice
                for minute in self.minutes:
                    local = datetime(
                        day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold
                    )
                    at = local.timestamp()
                    if at > epoch_s and datetime.fromtimestamp(at, zone).hour == hour:
                        return at
        return None


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Say whether there is a time zone of this name."""
    try:
        _zone(name)
    except (ValueError, OSError, KeyError):  # what zoneinfo raises for names that it cannot find
        return False
    return True


def zoned_stamp(epoch_s: float, zone: str) -> str:
    """Write a time in RFC 3339 as the clocks of a zone show it."""
    if zone == "UTC":
        return stamp(epoch_s)
    return datetime.fromtimestamp(int(epoch_s), _zone(zone)).isoformat().replace("+00:00", "Z")


def _number(text: str, names: Mapping[str, int]) -> int:
    return names[text.lower()] if text.lower() in names else int(text)


def _field(
    text: str, least: int, most: int, names: Mapping[str, int]
) -> tuple[Iterable[int], bool]:
    """Return the numbers that a field means, and whether it is unrestricted."""
    found: set[int] = set()
    unrestricted = False
    for part in filter(None, text.split(",")):
        spread, _, step_text = part.partition("/")
        step = int(step_text) if step_text else 1
        if step < 1:
            raise ValueError(f"step of range should be a positive number: {part}")
        low, dash, high = spread.partition("-")
        if low in {"*", "?"}:
            first, last = least, most
            unrestricted = unrestricted or step == 1
        else:
            first = _number(low, names)
            last = _number(high, names) if dash else most if step_text else first
        if names is _DAYS and last == 7:
            last = 7 if first != 7 else 0
            first = 0 if first == 7 else first
        limit = 7 if names is _DAYS else most
        if first < least or last > limit or first > last:
            raise ValueError(f"range out of bounds: {part}")
        found.update(
            number % 7 if names is _DAYS else number for number in range(first, last + 1, step)
        )
    return found, unrestricted


@lru_cache(maxsize=1024)
def parse(text: str, zone: str = "UTC") -> Schedule:
    """Read a schedule; raise ValueError (or zoneinfo's errors, for an unknown zone)."""
    if text.startswith(_EVERY):
        return Schedule(every_s=_duration_s(text.removeprefix(_EVERY)))
    fields = _NAMED.get(text, text).split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{text}]")
    _zone(zone)
    minutes, _ = _field(fields[0], 0, 59, {})
    hours, _ = _field(fields[1], 0, 23, {})
    days, any_day = _field(fields[2], 1, 31, {})
    months, _ = _field(fields[3], 1, 12, _MONTHS)
    weekdays, any_weekday = _field(fields[4], 0, 6, _DAYS)
    return Schedule(
        tuple(sorted(minutes)), tuple(sorted(hours)), frozenset(days), frozenset(months),
        frozenset(weekdays), any_day, any_weekday, zone,
    )  # fmt: skip


def _duration_s(text: str) -> float:
    """Read a duration of Go; a schedule is never shorter than a second, nor finer."""
    whole = _DURATION.fullmatch(text)
    if whole is None:
        raise ValueError(f"failed to parse duration @every {text}")
    parts = _PART.findall(text)
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return max(float(int(-total if text.startswith("-") else total)), 1.0)
