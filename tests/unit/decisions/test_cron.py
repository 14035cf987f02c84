"""Cron schedules in time."""

from __future__ import annotations

import pytest

from roost.decisions.cron import parse
from roost.decisions.meta import seconds_of, stamp


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2027-01-01T00:00:00Z", "2027-01-01T00:01:00Z"),
        ("*/15 * * * *", "2027-01-01T00:16:10Z", "2027-01-01T00:30:00Z"),
        ("5 4 * * *", "2027-01-01T05:00:00Z", "2027-01-02T04:05:00Z"),
        ("0 0 1 */3 *", "2027-01-02T00:00:00Z", "2027-04-01T00:00:00Z"),
        ("0 12 * * mon-fri", "2027-01-01T13:00:00Z", "2027-01-04T12:00:00Z"),
        ("0 0 * * 7", "2027-01-01T00:00:00Z", "2027-01-03T00:00:00Z"),
        ("0 0 13 * 5", "2027-01-02T00:00:00Z", "2027-01-08T00:00:00Z"),
        ("0 0 29 2 *", "2027-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("10-12,40 3 * jan *", "2027-01-01T03:12:00Z", "2027-01-01T03:40:00Z"),
        ("@daily", "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"),
        ("@every 1h30m", "2027-01-01T00:00:00Z", "2027-01-01T01:30:00Z"),
    ],
)
def test_the_next_time(schedule: str, after: str, expected: str) -> None:
    found = parse(schedule).next_after(seconds_of(after))
    assert found is not None
    assert stamp(found) == expected


def test_a_time_that_the_clock_skips_is_skipped() -> None:
    schedule = parse("30 2 * * *", "Europe/Berlin")
    found = schedule.next_after(seconds_of("2027-03-27T12:00:00Z"))
    assert found is not None
    assert stamp(found) == "2027-03-29T00:30:00Z"


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 31 2 *").next_after(0.0) is None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "a * * * *", "@every x"]
)
def test_bad_schedules_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
