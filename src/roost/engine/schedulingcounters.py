"""What the scheduler did since it started, as plain numbers that a metrics endpoint may show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from roost.ports.histogram import Histogram, powers
from roost.scheduler.decide import Bind, Preempt, Unschedulable
from roost.scheduler.queue import profile_of
from roost.scheduler.shape import PodInfo

SCHEDULED: Final = "scheduled"
UNSCHEDULABLE: Final = "unschedulable"
ERROR: Final = "error"
RESULTS: Final = (SCHEDULED, UNSCHEDULABLE, ERROR)

_ATTEMPT_SECONDS: Final = powers(0.001, 2, 15)
_WHOLE_SECONDS: Final = powers(0.01, 2, 20)
#: From here on attempts are not told apart.
_MANY: Final = 15


@dataclass(slots=True)
class Attempt:
    """One try to place a pod: what was decided, and when it began by the stopwatch.

    `count` and `since` say the how manieth it is of this pod, and since when the pod waits.
    """

    info: PodInfo
    decision: Bind | Preempt | Unschedulable
    begun: float
    count: int
    since: float


def _attempt_seconds() -> Histogram:
    return Histogram(_ATTEMPT_SECONDS)


@dataclass(slots=True)
class SchedulingCounters:
    """See the module; `attempts` is by (profile, result), `pods` by how many attempts it took."""

    attempts: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    algorithm: Histogram = field(default_factory=_attempt_seconds)
    pods: dict[int, Histogram] = field(default_factory=dict)
    tries: Histogram = field(default_factory=lambda: Histogram(powers(1, 2, 5)))
    preemptions: int = 0
    victims: Histogram = field(default_factory=lambda: Histogram(powers(1, 2, 7)))

    def attempted(self, info: PodInfo, result: str, seconds: float) -> None:
        """Count one try that has ended."""
        key = profile_of(info.pod), result
        found = self.attempts.get(key)
        if found is None:
            found = self.attempts[key] = _attempt_seconds()
        found.observe(seconds)

    def placed(self, attempts: int, seconds: float) -> None:
        """Count a pod that has its node, after so many tries and so long a time."""
        self.tries.observe(attempts)
        found = self.pods.get(min(attempts, _MANY))
        if found is None:
            found = self.pods[min(attempts, _MANY)] = Histogram(_WHOLE_SECONDS)
        found.observe(seconds)


def times_tried(attempts: int) -> str:
    """Return how often pods were tried, as a label."""
    return str(attempts) if attempts < _MANY else f"{_MANY}+"
