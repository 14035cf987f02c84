"""Reading the schedules of CronJobs, only to say what is wrong with them.

The grammar and the messages are those of the cron library that Kubernetes uses: five fields, or a
descriptor such as @daily or @every 1h.
"""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from roost.api.numerals import whole

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_DAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DESCRIPTORS = (
    "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
)  # fmt: skip
_STEP = r"(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[-+]?({_STEP})+")


@lru_cache(maxsize=512)
def is_time_zone(name: str) -> bool:
    """Tell whether there is a time zone of this name."""
    if name in ("", "UTC"):
        return True
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True


@lru_cache(maxsize=1024)
def fault_of(schedule: str) -> str:
    """Return what is wrong with a schedule, "" if nothing is."""
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        zone, blank, rest = schedule.partition(" ")
        name = zone.partition("=")[2]
        if not blank or not is_time_zone(name):
            return f"provided bad location {name}: unknown time zone {name}"
        schedule = rest.strip()
    if schedule.startswith("@"):
        return _descriptor_fault(schedule)
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, (low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            fault = _part_fault(part, low, high, words) if part else ""
            if fault:
                return fault
    return ""


def _descriptor_fault(schedule: str) -> str:
    if schedule in _DESCRIPTORS:
        return ""
    if schedule.startswith("@every "):
        text = schedule.removeprefix("@every ")
        if text in ("0", "+0", "-0") or _DURATION.fullmatch(text):
            return ""
        return f'failed to parse duration {schedule}: time: invalid duration "{text}"'
    return f"unrecognized descriptor: {schedule}"


def _number(text: str, words: dict[str, int]) -> int | str:
    found = words.get(text.lower())
    if found is not None:
        return found
    number = whole(text)
    if number is None:
        quoted = f'strconv.Atoi: parsing "{text}": invalid syntax'
        return f"failed to parse int from {text}: {quoted}"
    if number < 0:
        return f"negative number ({number}) not allowed: {text}"
    return number


def _part_fault(part: str, low: int, high: int, words: dict[str, int]) -> str:
    """Return what is wrong with one range of a field."""
    base, *steps = part.split("/")
    first, *ends = base.split("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        begin = _number(first, words)
        if isinstance(begin, str):
            return begin
        start = end = begin
        if len(ends) == 1:
            last = _number(ends[0], words)
            if isinstance(last, str):
                return last
            end = last
        elif ends:
            return f"too many hyphens: {part}"
    if len(steps) > 1:
        return f"too many slashes: {part}"
    step = 1
    if steps:
        found = _number(steps[0], {})
        if isinstance(found, str):
            return found
        step = found
        if first not in ("*", "?") and not ends:
            end = high
    return _range_fault(part, start, end, step, low, high)


def _range_fault(part: str, start: int, end: int, step: int, low: int, high: int) -> str:
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {part}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {part}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {part}"
    if step == 0:
        return f"step of range should be a positive number: {part}"
    return ""
