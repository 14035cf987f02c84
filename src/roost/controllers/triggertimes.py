"""Since when the endpoints of a Service should be otherwise: what delays are measured from.

The time of the oldest change of its pods (of their readiness) that was not seen before; when the
Service is seen first, its own creation. It is written into what is written anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.decisions.controller import Key
from roost.decisions.meta import annotations_of, key_of, name_of
from roost.decisions.pods import ready_condition

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


class TriggerTimes:
    """What was seen of Services: times are RFC 3339 in whole seconds, which sort as text."""

    def __init__(self) -> None:
        self._pods: dict[Key, dict[str, str]] = {}

    def compute(self, service: Object, pods: Iterable[Object]) -> str:
        """Return the time for what is written now, "" if nothing has changed that has one."""
        key = key_of(service)
        known = self._pods.get(key)
        seen: dict[str, str] = {}
        for pod in pods:
            time = (ready_condition(pod) or {}).get("lastTransitionTime")
            if time:
                seen[name_of(pod)] = time
        self._pods[key] = seen
        if known is None:
            created: str = service["metadata"].get("creationTimestamp") or ""
            return created
        return min((time for name, time in seen.items() if time > known.get(name, "")), default="")

    def forget(self, key: Key) -> None:
        self._pods.pop(key, None)


def marked(body: Object, time: str) -> Object:
    """Return an object that is about to be written with this time, or without one."""
    annotations = {k: v for k, v in annotations_of(body).items() if k != ANNOTATION}
    if time:
        annotations[ANNOTATION] = time
    metadata = {k: v for k, v in body["metadata"].items() if k != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**body, "metadata": metadata}
