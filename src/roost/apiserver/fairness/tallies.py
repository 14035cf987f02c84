"""What is counted of flows: by the schema and the level that a request belongs to.

There are as many tallies as schemas in force: what belongs to no schema any more is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from roost.apiserver.exposition import Family
from roost.ports.histogram import Histogram

_SECONDS: Final = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_LABELS: Final = ("flow_schema", "priority_level")

#: (schema, level)
_Key = tuple[str, str]


class Tally:
    """The requests of one schema."""

    __slots__ = ("dispatched", "executing", "refused", "rejected", "seats", "waited", "waiting")

    def __init__(self) -> None:
        #: Who is answered now, with how many seats, who waits, and how many were let in in all.
        self.executing = 0
        self.seats = 0
        self.waiting = 0
        self.dispatched = 0
        #: How long those waited who did not get a seat at once: who got one later, and who never did.
        self.waited = Histogram(_SECONDS)
        self.refused = Histogram(_SECONDS)
        self.rejected: dict[str, int] = {}

    def begin(self, seats: int) -> None:
        """Count a request that begins."""
        self.executing += 1
        self.seats += seats
        self.dispatched += 1

    def end(self, seats: int) -> None:
        """Count a request that gives its seats back."""
        self.executing -= 1
        self.seats -= seats

    def reject(self, reason: str, after_s: float) -> None:
        """Count a request that is refused."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.refused.observe(after_s)

    def waits(self) -> Histogram:
        """Return how long all waited who were let in: most of them not at all."""
        waited = Histogram(_SECONDS, self.waited.counts, self.waited.sum)
        waited.counts[0] += self.dispatched - waited.total()
        return waited


class Tallies:
    """The tallies of one server."""

    def __init__(self) -> None:
        self._by: dict[_Key, Tally] = {}

    def of(self, schema: str, level: str) -> Tally:
        """Return the tally of a schema."""
        return self._by.setdefault((schema, level), Tally())

    def keep(self, schemas: Iterable[_Key]) -> None:
        """Let go of what belongs to other schemas, unless somebody still is or waits there."""
        kept = set(schemas)
        self._by = {
            key: tally
            for key, tally in self._by.items()
            if key in kept or tally.executing or tally.waiting
        }

    def families(self) -> Iterator[Family]:
        """Yield what was counted, for metrics."""
        tallies = sorted(self._by.items())
        for name, kind, text, value in _SHOWN:
            samples = [(key, value(tally)) for key, tally in tallies]
            yield Family(f"apiserver_flowcontrol_{name}", kind, text, _LABELS, samples)
        yield Family(
            "apiserver_flowcontrol_rejected_requests_total", "counter",
            "Number of requests rejected by API Priority and Fairness subsystem",
            (*_LABELS, "reason"),
            [
                ((*key, reason), count)
                for key, tally in tallies
                for reason, count in sorted(tally.rejected.items())
            ],
        )  # fmt: skip
        yield Family(
            "apiserver_flowcontrol_request_wait_duration_seconds", "histogram",
            "Length of time a request spent waiting in its queue", ("execute", *_LABELS),
            [
                sample
                for key, tally in tallies
                for sample in (
                    (("false", *key), tally.refused), (("true", *key), tally.waits()),
                )
                if sample[1].total()
            ],
        )  # fmt: skip


_SHOWN: Final[tuple[tuple[str, str, str, Callable[[Tally], float]], ...]] = (
    (
        "current_inqueue_requests", "gauge",
        "Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        lambda tally: tally.waiting,
    ),
    (
        "current_executing_requests", "gauge",
        ("Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage"
        " in the API Priority and Fairness subsystem"),
        lambda tally: tally.executing,
    ),
    (
        "current_executing_seats", "gauge",
        ("Concurrency (number of seats) occupied by the currently executing (initial stage for"
        " a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem"),
        lambda tally: tally.seats,
    ),
    (
        "dispatched_requests_total", "counter",
        "Number of requests executed by API Priority and Fairness subsystem",
        lambda tally: tally.dispatched,
    ),
)  # fmt: skip
