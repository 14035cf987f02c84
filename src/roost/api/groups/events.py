"""The kinds of events.k8s.io."""

from __future__ import annotations

from roost.api.columns import core as core_columns
from roost.api.defaults import extension as extension_defaults
from roost.api.groups.selectable import text
from roost.api.kind import Conversion, Kind
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import events as event_rules
from roost.api.values import Object

GROUP = "events.k8s.io"

EVENT_FIELDS = {
    **{
        f"regarding.{name}": text(f"regarding.{name}")
        for name in (
            "kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath",
        )
    },
    "reason": text("reason"),
    "reportingController": text("reportingController"),
    "type": text("type"),
}  # fmt: skip

#: Field of events.k8s.io -> field of a core event. Everything else has the same name.
_CORE_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
#: What a core event has even when it is empty.
_ALWAYS_IN_CORE = ("reportingComponent", "reportingInstance")
_EVENT_NAMES = {theirs: ours for ours, theirs in _CORE_NAMES.items()}


def to_core(event: Object) -> Object:
    """Return the core/v1 form of an events.k8s.io/v1 event, which is how events are stored."""
    core = {_CORE_NAMES.get(name, name): value for name, value in event.items()}
    core["apiVersion"] = "v1"
    for name in _ALWAYS_IN_CORE:
        core.setdefault(name, "")
    return core


def from_core(event: Object) -> Object:
    """Return the events.k8s.io/v1 form of a core/v1 event."""
    ours = {_EVENT_NAMES.get(name, name): value for name, value in event.items()}
    ours["apiVersion"] = f"{GROUP}/v1"
    for name in ("reportingController", "reportingInstance"):
        if ours.get(name) == "":
            del ours[name]
    return ours


KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="Event",
        plural="events",
        namespaced=True,
        schema="io.k8s.api.events.v1.Event",
        columns=core_columns.EVENTS,
        singular="event",
        short_names=("ev",),
        fields=EVENT_FIELDS,
        create_on_update=True,
        storage_group="",
        storage_version="v1",
        convert=Conversion(to_core, from_core),
        default=extension_defaults.new_event,
        prepare=PLAIN,
        validate=event_rules.EVENTS_EVENT,
    ),
)
