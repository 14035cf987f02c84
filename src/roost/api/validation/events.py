"""Rules for Events: those of core are hardly looked at, those of events.k8s.io are whole.

Both are the same objects; the messages name the fields as the older form has them.
"""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import goform
from roost.api.validation.causes import Causes
from roost.api.validation.rules import Rules
from roost.api.values import Object

_TYPES = ("Normal", "Warning")
_ELSEWHERE = "does not match event.namespace"
_NOTE_MAX_BYTES = 1024
_NAME_MAX_BYTES = 128
#: What the newer form leaves to the older: its name there, and the name in messages.
_OLD = (
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("deprecatedSource", "source"),
)
#: What never changes, in the order of the rules: its name here, the name in messages, how it is shown.
_FIXED: tuple[tuple[str, str, goform.Shape | None], ...] = (
    ("regarding", "involvedObject", goform.OBJECT_REFERENCE),
    ("reason", "reason", None),
    ("note", "message", None),
    ("deprecatedSource", "source", goform.EVENT_SOURCE),
    ("deprecatedFirstTimestamp", "firstTimestamp", None),
    ("deprecatedLastTimestamp", "lastTimestamp", None),
    ("deprecatedCount", "count", None),
    ("reason", "reason", None),
    ("type", "type", None),
    ("eventTime", "eventTime", None),
    ("action", "action", None),
    ("related", "related", goform.OBJECT_REFERENCE),
    ("reportingController", "reportingController", None),
    ("reportingInstance", "reportingInstance", None),
)
_NO_COUNT = ("deprecatedCount",)
_TIMES = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "eventTime")


def _core(change: Change, causes: Causes) -> None:
    value = change.object
    involved = (value.get("involvedObject") or {}).get("namespace") or ""
    note = value.get("message") or ""
    _any(value, involved, note, "reportingComponent", causes)


def _any(value: Object, involved: str, note: str, reporter: str, causes: Causes) -> None:
    """Check what both forms ask for: of an event with a time everything, of another nearly nothing."""
    namespace = (value.get("metadata") or {}).get("namespace") or ""
    timed = bool(value.get("eventTime"))
    if involved:
        astray = not timed and namespace != involved
    else:  # what is in no namespace has its events in those of the cluster
        astray = namespace not in (("default", "kube-system") if timed else ("default",))
    if astray:
        causes.invalid("involvedObject.namespace", involved, _ELSEWHERE)
    if timed:
        _whole(value, note, reporter, causes)


def _whole(value: Object, note: str, reporter: str, causes: Causes) -> None:
    controller = value.get(reporter) or ""
    if not controller:
        causes.required(reporter)
    causes.faults(reporter, controller, names.check_qualified_name(controller))
    for key in ("reportingInstance", "action", "reason"):
        text = value.get(key) or ""
        if not text:
            causes.required(key)
        elif len(text.encode()) > _NAME_MAX_BYTES:
            causes.invalid(key, "", f"can have at most {_NAME_MAX_BYTES} characters")
    if len(note.encode()) > _NOTE_MAX_BYTES:
        causes.invalid("message", "", f"can have at most {_NOTE_MAX_BYTES} characters")


def _newer(change: Change, causes: Causes) -> None:
    value = change.object
    involved = (value.get("regarding") or {}).get("namespace") or ""
    _any(value, involved, value.get("note") or "", "reportingController", causes)


def _create(change: Change, causes: Causes) -> None:
    value = change.object
    _series(value, causes)
    if not value.get("eventTime"):
        causes.required("eventTime")
    kind = value.get("type") or ""
    if kind not in _TYPES:
        causes.invalid("type", "", f"has invalid value: {kind}")
    for key, name in _OLD:
        found = value.get(key)
        if any(found.values()) if isinstance(found, dict) else found:
            causes.invalid(name, "", "needs to be unset")


def _series(value: Object, causes: Causes) -> None:
    series = value.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        causes.invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        causes.required("series.lastObservedTime")


def _update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    if new.get("series") != old.get("series"):
        _series(new, causes)
    for key, name, shape in _FIXED:
        mine, had = new.get(key) or None, old.get(key) or None
        if shape is not None:
            mine = None if mine is None and key == "related" else shape.show(mine or {})
            had = None if had is None and key == "related" else shape.show(had or {})
        elif key not in _TIMES:
            empty: int | str = 0 if key in _NO_COUNT else ""
            mine, had = mine or empty, had or empty
        causes.unchanged(name, mine, had)


#: Of the older form nothing but this was ever asked.
EVENT = Rules(first=_core, name_rule="path", strict_finalizers=False, whole=False)
EVENTS_EVENT = Rules(always=_newer, create=_create, update=_update, before=True)
