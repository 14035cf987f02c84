"""[sig-instrumentation] of Kubernetes' conformance tests: both APIs of events."""

from __future__ import annotations

from typing import Any

import pytest
from framework import Framework
from kinds import EVENTS, NEW_EVENTS
from typedclient import STRATEGIC, until

pytestmark = pytest.mark.slow
_MOMENT = "2017-09-19T13:49:16.000000Z"


def core_event(f: Framework, name: str, label: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {label: "true"}},
        "message": f"This is {name}", "reason": "Test", "type": "Normal", "count": 1,
        "involvedObject": {"namespace": f.namespace},
    }  # fmt: skip


def new_event(f: Framework, name: str, label: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {label: "true"}},
        "regarding": {"namespace": f.namespace}, "eventTime": _MOMENT, "note": f"This is {name}",
        "action": "Do", "reason": "Test", "type": "Normal",
        "reportingController": "test-controller", "reportingInstance": "test-node",
    }  # fmt: skip


def bare(value: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what the server sets anew."""
    unset = ("resourceVersion", "managedFields")
    kept = {key: item for key, item in value["metadata"].items() if key not in unset}
    return {**value, "metadata": kept}


def test_core_event_lifecycle(f: Framework):
    """Events should manage the lifecycle of an event"""
    events, everywhere = f.typed(EVENTS), f.typed(EVENTS, "")
    events.create(core_event(f, "event-test", "testevent-constant"))

    def listed() -> list[str]:
        found = everywhere.items("testevent-constant=true")
        return [
            item["metadata"]["name"]
            for item in found
            if item["metadata"]["namespace"] == f.namespace
        ]

    assert listed() == ["event-test"]
    events.patch("event-test", {"message": "patched"}, STRATEGIC)
    event = events.get("event-test")
    assert event["message"] == "patched"
    event["series"] = {"count": 100, "lastObservedTime": _MOMENT}
    events.update(event)
    after = events.get("event-test")
    assert bare(after) == bare(event)
    events.delete("event-test")
    assert listed() == []


def test_core_event_collection(f: Framework):
    """Events should delete a collection of events"""
    events = f.typed(EVENTS)
    for number in (1, 2, 3):
        events.create(core_event(f, f"test-event-{number}", "testevent-set"))
    assert len(events.items("testevent-set=true")) == 3
    events.delete_collection("testevent-set=true")
    until(lambda: not events.items("testevent-set=true"))


def test_events_api_lifecycle(f: Framework):
    """Events API should ensure that an event can be fetched, patched, deleted, and listed"""
    events = f.typed(NEW_EVENTS)
    events.create(new_event(f, "event-test", "testevent-constant"))
    for where in (f.typed(NEW_EVENTS, ""), events):
        names = [item["metadata"]["name"] for item in where.items("testevent-constant=true")]
        assert "event-test" in names
    by_source = f.typed(EVENTS).items(fields="source=test-controller")
    assert [item["metadata"]["name"] for item in by_source] == ["event-test"]
    by_controller = events.items(fields="reportingController=test-controller")
    assert [item["metadata"]["name"] for item in by_controller] == ["event-test"]
    before = events.get("event-test")
    series = {"count": 2, "lastObservedTime": "2017-09-15T18:55:51.000000Z"}
    events.patch("event-test", {"series": series}, STRATEGIC)
    after = events.get("event-test")
    before["series"] = series
    assert bare(after) == bare(before)
    # The update has the old resourceVersion set to nothing, so it is unconditional.
    series = {"count": 100, "lastObservedTime": _MOMENT}
    wanted = {**bare(before), "series": series}
    events.update(wanted)
    assert bare(events.get("event-test")) == wanted
    events.delete("event-test")
    for where in (f.typed(NEW_EVENTS, ""), events):
        found = where.items("testevent-constant=true")
        assert f.namespace not in [item["metadata"]["namespace"] for item in found]


def test_events_api_collection(f: Framework):
    """Events API should delete a collection of events"""
    events = f.typed(NEW_EVENTS)
    for number in (1, 2, 3):
        events.create(new_event(f, f"test-event-{number}", "testevent-set"))
    assert len(events.items("testevent-set=true")) == 3
    events.delete_collection("testevent-set=true")
    assert events.items("testevent-set=true") == []
