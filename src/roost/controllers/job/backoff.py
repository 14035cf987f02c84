"""How failures delay the pods that come after them.

The delay is 10 s after the first failure and doubles with each further one, to 10 minutes at most; a
success starts it anew. What counted is remembered: pods may be gone before their delay is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from roost.api.values import Object
from roost.controllers.job import facts
from roost.decisions.meta import deleting, uid_of

FIRST_S = 10.0
LAST_S = 600.0


@dataclass(frozen=True, slots=True)
class Record:
    """Failures since the last success, when the last of them was, and which pods are in it."""

    failures: int = 0
    last_s: float = 0.0
    seen: frozenset[str] = field(default_factory=frozenset)

    @property
    def until_s(self) -> float:
        """When the next pod may be made, in epoch seconds."""
        return self.last_s + delay_s(self.failures) if self.failures else 0.0


def delay_s(failures: int) -> float:
    """Return how long so many failures in a row delay the next try."""
    return min(FIRST_S * (1 << min(max(failures - 1, 0), 16)), LAST_S)


def updated(job: Object, leaving: Sequence[Object], before: Record) -> Record:
    """Add pods that ended since, of those that have ended or are being deleted."""
    fresh = [p for p in leaving if uid_of(p) not in before.seen and _counts(job, p)]
    good = [facts.ended_at(p) for p in fresh if facts.succeeded(p)]
    bad = [facts.ended_at(p) for p in fresh if not facts.succeeded(p)]
    failures, last_s = before.failures, before.last_s
    if good:
        failures, last_s = 0, 0.0
        bad = [at for at in bad if at > max(good)]
    if bad:
        failures, last_s = failures + len(bad), max(bad)
    if not fresh and len(before.seen) <= len(leaving):
        return before
    here = {uid_of(p) for p in leaving}
    return Record(failures, last_s, (before.seen & here) | {uid_of(p) for p in fresh})


def _counts(job: Object, pod: Object) -> bool:
    """Say whether a pod ended, and not because the controller gave it up."""
    if not facts.in_range(job, pod) or (not facts.tracked(pod) and deleting(pod)):
        return False
    return facts.succeeded(pod) or facts.failed(job, pod)
