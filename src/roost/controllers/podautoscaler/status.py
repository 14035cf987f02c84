"""The status of an autoscaler while it is decided, and the events that go with it."""

from __future__ import annotations

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import object_reference, ref_of, stamp, version_of
from roost.decisions.plan import Action, EmitEvent, Patch
from roost.decisions.resources import HORIZONTAL_POD_AUTOSCALERS


class Draft:
    """Collects conditions, metrics and events; `actions` is what of it is new."""

    def __init__(self, hpa: Object, now: float) -> None:
        self._hpa = hpa
        self._now = now
        self._before: Object = hpa.get("status") or {}
        self._conditions: list[Object] = list(self._before.get("conditions") or ())
        self._events: list[EmitEvent] = []
        self.metrics: list[Object] = []
        self.current: int | None = None
        self.desired: int | None = None
        self.scaled = False

    def event(self, type: str, reason: str, message: str) -> EmitEvent:
        """Return an event about the autoscaler."""
        regarding = object_reference(
            HORIZONTAL_POD_AUTOSCALERS, "HorizontalPodAutoscaler", self._hpa
        )
        return EmitEvent(regarding, type, reason, message)

    def tell(self, type: str, reason: str, message: str) -> None:
        self._events.append(self.event(type, reason, message))

    def condition(self, type: str, status: str, reason: str, message: str) -> None:
        new = conditions.make(type, status, reason, message, stamp(self._now))
        self._conditions = conditions.put(self._conditions, new)

    def actions(self) -> tuple[Action, ...]:
        """Return the events, and the status if it has changed."""
        status: Object = {"conditions": self._conditions}
        if self.current is not None:
            status["currentReplicas"] = self.current
            status["currentMetrics"] = self.metrics or None
        status["desiredReplicas"] = (
            self.desired if self.desired is not None else self._before.get("desiredReplicas", 0)
        )
        if self.scaled:
            status["lastScaleTime"] = stamp(self._now)
        known = {key: self._before.get(key) for key in status}
        if known == status:
            return tuple(self._events)
        body = {
            "metadata": {"resourceVersion": version_of(self._hpa)},
            "status": status,
        }
        ref = ref_of(HORIZONTAL_POD_AUTOSCALERS, self._hpa)
        return (*self._events, Patch(ref, body, subresource="status"))
