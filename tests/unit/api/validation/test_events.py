"""Events, in the form of core and in that of events.k8s.io."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
TIME = "2026-01-01T00:00:00.000000Z"
NEW = {
    "eventTime": TIME,
    "reportingController": "example.com/c",
    "reportingInstance": "i",
    "action": "Do",
    "reason": "R",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "ns"},
}
WHERE = "involvedObject.namespace"


@pytest.mark.parametrize(
    ("namespace", "involved", "time", "wrong"),
    [
        ("ns", "ns", None, False),
        ("ns", "other", None, True),
        ("ns", "", None, True),
        ("default", "", None, False),
        ("kube-system", "", None, True),
        ("kube-system", "", TIME, False),
        ("ns", "", TIME, True),
        ("ns", "other", TIME, False),
    ],
)
def test_namespaces(
    refused: Refused, namespace: str, involved: str, time: str | None, *, wrong: bool
) -> None:
    event: dict[str, Any] = {
        "metadata": {"namespace": namespace},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": involved},
    }
    if time:
        event |= {key: NEW[key] for key in ("eventTime", "reportingInstance", "action", "reason")}
        event["reportingComponent"] = NEW["reportingController"]
    cause = f'{WHERE}: Invalid value: "{involved}": does not match event.namespace'
    assert refused("", "Event", event) == ([cause] if wrong else [])


def test_new_events_have_nothing_of_the_old(refused: Refused) -> None:
    group = "events.k8s.io"
    assert not refused(group, "Event", dict(NEW))
    more = {
        "series": {"count": 1},
        "deprecatedCount": 1,
        "deprecatedSource": {"host": "h"},
        "note": "x" * 1025,
    }
    assert refused(group, "Event", {**NEW, **more}) == [
        'message: Invalid value: "": can have at most 1024 characters',
        'series.count: Invalid value: "": should be at least 2',
        "series.lastObservedTime: Required value",
        'count: Invalid value: "": needs to be unset',
        'source: Invalid value: "": needs to be unset',
    ]


def test_only_the_series_of_an_event_changes(refused: Refused) -> None:
    group = "events.k8s.io"
    series = {"count": 2, "lastObservedTime": TIME}
    assert not refused(group, "Event", {**NEW, "series": series}, dict(NEW))
    other: dict[str, Any] = {**NEW, "note": "n", "related": {"kind": "Node"}}
    assert refused(group, "Event", other, dict(NEW)) == [
        'message: Invalid value: "n": field is immutable',
        (
            'related: Invalid value: {"Kind":"Node","Namespace":"","Name":"","UID":"",'
            '"APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable'
        ),
    ]


def test_an_event_of_the_older_form_has_any_name_that_fits_a_path(refused: Refused) -> None:
    event = {"metadata": {"name": "A_b:c"}, "involvedObject": {"namespace": "ns"}}
    assert refused("", "Event", event) == []
    event["metadata"] = {"name": "a/b"}
    assert refused("", "Event", event) == [
        """metadata.name: Invalid value: "a/b": may not contain '/'"""
    ]
    assert refused("events.k8s.io", "Event", {**NEW, "metadata": {"name": "A"}})
