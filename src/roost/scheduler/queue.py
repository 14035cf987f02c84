"""Pods that wait for a node: active, backing off, unschedulable or gated.

An unschedulable pod comes back when something happens that may help the plugins that rejected it, or
after five minutes; a pod that was tried backs off from 1 s to 10 s. Times are of any monotonic clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from roost.api.values import Object
from roost.decisions.controller import Key
from roost.scheduler.profile import DEFAULT_NAME
from roost.scheduler.shape import PodInfo

FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 10.0
FLUSH_AFTER_S = 300.0


class Happening(Enum):
    """What may make a pod schedulable: with the plugins it may help (None: all)."""

    NODE_CHANGED = None
    POD_GONE = frozenset(
        {
            "NodeResourcesFit", "NodePorts", "PodTopologySpread", "InterPodAffinity",
            "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding",
        }
    )  # fmt: skip
    POD_PLACED = frozenset({"PodTopologySpread", "InterPodAffinity"})
    NAMESPACE_CHANGED = frozenset({"InterPodAffinity"})
    VOLUME_CHANGED = frozenset(
        {"VolumeBinding", "VolumeRestrictions", "VolumeZone", "NodeVolumeLimits"}
    )
    DEVICE_CHANGED = frozenset({"DynamicResources"})


#: Why a pod came to where it waits, by the names under which dashboards know them.
_ADDED, _UPDATED = "UnschedulablePodAdd", "UnschedulablePodUpdate"
_FAILED, _RESTED, _FLUSHED = "ScheduleAttemptFailure", "BackoffComplete", "UnschedulableTimeout"
_EVENTS = {
    Happening.NODE_CHANGED: "NodeUpdate",
    Happening.POD_GONE: "AssignedPodDelete",
    Happening.POD_PLACED: "AssignedPodAdd",
    Happening.NAMESPACE_CHANGED: "NamespaceUpdate",
    Happening.VOLUME_CHANGED: "PersistentVolumeClaimUpdate",
    Happening.DEVICE_CHANGED: "ResourceClaimUpdate",
}


def gated(pod: Object) -> bool:
    """Say whether scheduling gates hold the pod back."""
    return bool(pod["spec"].get("schedulingGates"))


def profile_of(pod: Object) -> str:
    """Return the name of the profile by which a pod wants to be scheduled."""
    found: str = pod["spec"].get("schedulerName") or DEFAULT_NAME
    return found


@dataclass(slots=True, eq=False)
class _Waiting:
    info: PodInfo
    added: float
    attempts: int = 0
    tried: float = 0.0
    plugins: frozenset[str] | None = None
    place: str = ""  # "active 7", "backoff 8", "unschedulable", "gated"; "" while it is decided


class SchedulingQueue:
    """See the module. `len()` is the number of pods that can be taken."""

    def __init__(self) -> None:
        #: How many pods came to each place, by (event, place).
        self.incoming: dict[tuple[str, str], int] = {}
        self._pods: dict[Key, _Waiting] = {}
        self._active: list[tuple[int, float, int, Key]] = []
        self._backoff: list[tuple[float, int, Key]] = []
        self._parked: dict[Key, None] = {}
        self._sequence = 0
        self._ready = 0

    def __len__(self) -> int:
        return self._ready

    def __contains__(self, key: Key) -> bool:
        return key in self._pods

    def history(self, key: Key) -> tuple[int, float]:
        """Return how often a pod that waits was tried, and since when it waits."""
        waiting = self._pods[key]
        return waiting.attempts, waiting.added

    def rejected(self) -> dict[tuple[str, str], int]:
        """Return how many pods each plugin keeps from being scheduled, by (plugin, profile)."""
        found: dict[tuple[str, str], int] = {}
        for key in self._parked:
            waiting = self._pods[key]
            for plugin in waiting.plugins or ():
                by = plugin, profile_of(waiting.info.pod)
                found[by] = found.get(by, 0) + 1
        return found

    def get(self, key: Key) -> PodInfo | None:
        waiting = self._pods.get(key)
        return waiting.info if waiting is not None else None

    def add(self, info: PodInfo, now: float) -> None:
        """Add a pod, or note its new state: a pod that changed is tried again."""
        event = _UPDATED
        waiting = self._pods.get(info.key)
        if waiting is None or waiting.info.uid != info.uid:
            self.remove(info.key)
            waiting, event = _Waiting(info, now), _ADDED
            self._pods[info.key] = waiting
        elif (
            waiting.place.startswith("active")
            and waiting.info.shape.priority == info.shape.priority
        ):
            waiting.info = info
            return
        elif waiting.place == "unschedulable" and waiting.info.shape is info.shape:
            waiting.info = info  # only its status changed
            return
        waiting.info = info
        if gated(info.pod):
            self._move(waiting, "gated", now, event)
        elif not waiting.place.startswith("backoff"):
            self._requeue(waiting, now, event)

    def take(self) -> PodInfo:
        """Return the pod to decide on next: highest priority, then longest waiting.

        Raises IndexError when there is none. Afterwards call `remove` or `park`.
        """
        while True:
            _, _, sequence, key = heapq.heappop(self._active)
            waiting = self._pods.get(key)
            if waiting is not None and waiting.place == f"active {sequence}":
                self._leave(waiting)
                waiting.attempts += 1
                return waiting.info

    def park(self, key: Key, plugins: Iterable[str], now: float) -> None:
        """Put back a pod that no node will take; `plugins` rejected it."""
        waiting = self._pods.get(key)
        if waiting is not None:
            waiting.tried, waiting.plugins = now, frozenset(plugins)
            self._move(waiting, "unschedulable", now, _FAILED)

    def retry(self, info: PodInfo, now: float) -> None:
        """Put back a pod that could not be bound: it backs off."""
        waiting = self._pods.get(info.key)
        if waiting is None:
            waiting = self._pods[info.key] = _Waiting(info, now, attempts=1)
        waiting.tried, waiting.plugins = now, frozenset()
        self._requeue(waiting, now, _FAILED)

    def remove(self, key: Key) -> None:
        """Forget a pod: it is bound or gone."""
        waiting = self._pods.pop(key, None)
        if waiting is not None:
            self._leave(waiting)

    def happened(self, what: Happening, now: float) -> None:
        """Bring back the pods that this may help."""
        helped = what.value
        for key in list(self._parked):
            waiting = self._pods[key]
            if helped is None or not waiting.plugins or waiting.plugins & helped:
                self._requeue(waiting, now, _EVENTS[what])

    def next_due(self) -> float | None:
        """Return when `release` has something to do next."""
        while self._backoff:
            _, sequence, key = self._backoff[0]
            waiting = self._pods.get(key)
            if waiting is not None and waiting.place == f"backoff {sequence}":
                break
            heapq.heappop(self._backoff)
        dues = [self._backoff[0][0]] if self._backoff else []
        dues += [self._pods[key].tried + FLUSH_AFTER_S for key in self._parked]
        return min(dues, default=None)

    def release(self, now: float) -> None:
        """Make active what has backed off, and flush what has been unschedulable for long."""
        while self._backoff and self._backoff[0][0] <= now:
            _, sequence, key = heapq.heappop(self._backoff)
            waiting = self._pods.get(key)
            if waiting is not None and waiting.place == f"backoff {sequence}":
                self._move(waiting, "active", now, _RESTED)
        for key in list(self._parked):
            if self._pods[key].tried + FLUSH_AFTER_S <= now:
                self._requeue(self._pods[key], now, _FLUSHED)

    def waiting(self) -> dict[str, int]:
        """Return how many pods wait in each place."""
        counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
        for waiting in self._pods.values():
            place = waiting.place.partition(" ")[0]
            if place:
                counts[place] += 1
        return counts

    def _requeue(self, waiting: _Waiting, now: float, event: str) -> None:
        backoff_s = min(FIRST_BACKOFF_S * (1 << min(waiting.attempts, 8)) / 2, LAST_BACKOFF_S)
        until = waiting.tried + backoff_s if waiting.attempts else now
        self._move(waiting, "backoff" if until > now else "active", until, event)

    def _move(self, waiting: _Waiting, place: str, at: float, event: str) -> None:
        self._leave(waiting)
        came = event, "unschedulable" if place == "gated" else place
        self.incoming[came] = self.incoming.get(came, 0) + 1
        key = waiting.info.key
        self._sequence += 1
        waiting.place = place
        if place == "active":
            self._ready += 1
            waiting.place = f"active {self._sequence}"
            priority = -waiting.info.shape.priority
            heapq.heappush(self._active, (priority, waiting.added, self._sequence, key))
        elif place == "backoff":
            waiting.place = f"backoff {self._sequence}"
            heapq.heappush(self._backoff, (at, self._sequence, key))
        elif place == "unschedulable":
            self._parked[key] = None

    def _leave(self, waiting: _Waiting) -> None:
        if waiting.place.startswith("active"):
            self._ready -= 1
        self._parked.pop(waiting.info.key, None)
        waiting.place = ""
