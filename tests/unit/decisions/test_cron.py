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


def test_a_time_that_comes_twice_counts_twice() -> None:
    schedule, found = parse("0,30 * * * *", "Europe/Berlin"), []
    at = seconds_of("2027-10-31T00:10:00Z")
    for _ in range(5):
        following = schedule.next_after(at)
        assert following is not None
        at = following
        found.append(stamp(at)[11:16])
    assert found == ["00:30", "01:00", "01:30", "02:00", "02:30"]


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("1.5h", 5400),
        ("90s", 90),
        ("1m500ms", 60),
        ("300ms", 1),
        ("0", 1),
        ("-1h", 1),
        ("2s9ns", 2),
    ],
)
def test_durations(duration: str, seconds: int) -> None:
    assert parse(f"@every {duration}").next_after(100.0) == 100.0 + seconds


def test_what_the_server_accepts_can_be_read() -> None:
    assert parse("1,,3 * * * *").minutes == (1, 3)
    assert parse("*-5 * * * *") == parse("* * * * *")


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 31 2 *").next_after(0.0) is None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "a * * * *", "@every x"]
)
def test_bad_schedules_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
