"""Tokens in Secrets that nobody uses: noted, marked, and removed a year later."""

from __future__ import annotations

from typing import Any

import pytest

from roost.controllers.legacytokens import (
    INVALID_SINCE,
    LAST_USED,
    UNUSED_S,
    TrackingView,
    View,
    day,
    day_begins,
    keep_tracking,
    reconcile,
)
from roost.controllers.secrettokens import TYPE
from roost.decisions.meta import stamp
from roost.decisions.plan import NOTHING, Create, Delete, Patch, Update

DAY_S = 24 * 3600.0
NOW = 1_800_000_000.0
LONG_AGO = NOW - 3 * UNUSED_S


def secret(**labels: str) -> dict[str, Any]:
    metadata = {
        "name": "s", "namespace": "ns", "uid": "u-s", "resourceVersion": "7", "labels": labels,
        "creationTimestamp": stamp(LONG_AGO),
    }  # fmt: skip
    return {"type": TYPE, "metadata": metadata}


def view(
    obj: dict[str, Any], *, since: str = day(LONG_AGO), listed: bool = True, mounted: bool = False
) -> View:
    return View(obj, since, listed, mounted, NOW)


def test_an_unused_token_is_marked_and_removed_a_year_later() -> None:
    (mark,) = reconcile(view(secret())).actions
    assert isinstance(mark, Patch)
    assert mark.body == {"metadata": {"uid": "u-s", "labels": {INVALID_SINCE: day(NOW)}}}
    marked = secret(**{INVALID_SINCE: day(NOW - UNUSED_S / 2)})
    assert reconcile(view(marked)).actions == ()
    (gone,) = reconcile(view(secret(**{INVALID_SINCE: day(NOW - UNUSED_S - 2 * DAY_S)}))).actions
    assert isinstance(gone, Delete)
    assert (gone.ref.uid, gone.resource_version) == ("u-s", "7")


def test_a_mark_that_is_no_day_is_put_right() -> None:
    (mark,) = reconcile(view(secret(**{INVALID_SINCE: "yesterday"}))).actions
    assert isinstance(mark, Patch)


@pytest.mark.parametrize(
    ("used", "acts"),
    [(NOW - 10, False), (NOW - UNUSED_S, False), (NOW - UNUSED_S - 2 * DAY_S, True)],
)
def test_a_token_that_was_used_waits_until_it_was_not_for_a_year(
    used: float, *, acts: bool
) -> None:
    plan = reconcile(view(secret(**{LAST_USED: day(used)})))
    assert bool(plan.actions) is acts
    if not acts:
        begins = day_begins(day(used))
        assert begins is not None
        assert plan.wake_at == begins + DAY_S + UNUSED_S + 1


def test_whoever_still_needs_it_keeps_it() -> None:
    assert reconcile(view(secret(), mounted=True)).wake_at == NOW + DAY_S
    assert reconcile(view(secret(), listed=False)) == NOTHING  # made by hand
    assert reconcile(view(secret(**{LAST_USED: "never"}))) == NOTHING
    assert reconcile(view(secret(), since="")) == NOTHING  # nobody notes uses
    assert reconcile(view(secret(), since=day(NOW - DAY_S))).actions == ()


def test_since_when_uses_are_noted_is_said_and_kept() -> None:
    (made,) = keep_tracking(TrackingView(None, NOW)).actions
    assert isinstance(made, Create)
    assert made.object["data"] == {"since": day(NOW)}
    assert keep_tracking(TrackingView(made.object, NOW + 9 * DAY_S)) == NOTHING
    damaged = {**made.object, "data": {"since": "?", "more": "x"}}
    (mended,) = keep_tracking(TrackingView(damaged, NOW)).actions
    assert isinstance(mended, Update)
    assert mended.object["data"] == {"since": day(NOW), "more": "x"}
