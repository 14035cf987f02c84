"""A queue of keys with client-go's contract.

- Fair: keys come out in the order in which they went in.
- Stingy: a key that is added many times before it is taken comes out once.
- One at a time: a key that is added while it is processed comes out again, but only after `done`.
- Patient: `retry` delays by 5 ms, doubled with every failure of that key up to 1000 s, until `forget`;
  `add_after` delays by any time, and the earliest of several wins.

It never waits: its owner asks `next_due` when to call `release`. Times are of any monotonic clock, in
seconds. What is measured goes by a stopwatch of its own, which may be finer than that clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from roost.ports.histogram import Histogram, powers

FIRST_DELAY_S = 0.005
LAST_DELAY_S = 1000.0
_SECONDS: Final = powers(1e-8, 10, 10)

KeyT = TypeVar("KeyT", bound=Hashable)


class WorkQueue(Generic[KeyT]):
    """See the module. `len()` is the number of keys that are ready."""

    def __init__(
        self,
        stopwatch: Callable[[], float] = float,
        first_delay_s: float = FIRST_DELAY_S,
        last_delay_s: float = LAST_DELAY_S,
    ) -> None:
        #: How often a key came, and how often one was put off; how long keys waited, and took.
        self.adds = 0
        self.retries = 0
        self.waited = Histogram(_SECONDS)
        self.worked = Histogram(_SECONDS)
        self._stopwatch = stopwatch
        self._first_delay_s = first_delay_s
        self._last_delay_s = last_delay_s
        self._ready: deque[KeyT] = deque()
        #: By the stopwatch, since when keys wait, and since when they are processed.
        self._dirty: dict[KeyT, float] = {}
        self._processing: dict[KeyT, float] = {}
        self._failures: dict[KeyT, int] = {}
        self._due: dict[KeyT, float] = {}
        self._delayed: list[tuple[float, int, KeyT]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: KeyT) -> None:
        """Ask for `key` to be processed."""
        if key in self._dirty:
            return
        self._dirty[key] = self._stopwatch()
        self.adds += 1
        if key not in self._processing:
            self._ready.append(key)

    def take(self) -> KeyT:
        """Return the next key, which is now being processed; raises IndexError if none is ready."""
        key = self._ready.popleft()
        now = self._processing[key] = self._stopwatch()
        self.waited.observe(now - self._dirty.pop(key))
        return key

    def done(self, key: KeyT) -> None:
        """Say that processing `key` has ended, well or not."""
        begun = self._processing.pop(key, None)
        if begun is not None:
            self.worked.observe(self._stopwatch() - begun)
        if key in self._dirty:
            self._ready.append(key)

    def add_after(self, key: KeyT, delay_s: float, now: float) -> None:
        """Add `key` when `delay_s` has passed; at once if that is not positive."""
        self.retries += 1
        self.postpone(key, delay_s, now)

    def postpone(self, key: KeyT, delay_s: float, now: float) -> None:
        """Do as `add_after` for a key that nobody has tried yet."""
        if delay_s <= 0:
            self.add(key)
            return
        due = now + delay_s
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._delayed, (due, self._sequence, key))

    def retry(self, key: KeyT, now: float, *, at_most_s: float | None = None) -> float:
        """Add `key` after its back-off, which grows, and return the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = min(self._first_delay_s * (1 << min(failures, 40)), self._last_delay_s)
        if at_most_s is not None:
            delay_s = min(delay_s, at_most_s)
        self.add_after(key, delay_s, now)
        return delay_s

    def forget(self, key: KeyT) -> None:
        """Reset the back-off of `key`: it succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: KeyT) -> int:
        """Return how often `key` was retried since it was last forgotten."""
        return self._failures.get(key, 0)

    def depth(self) -> int:
        """Return how many keys wait, with those that will be ready when they are `done`."""
        return len(self._dirty)

    def unfinished(self) -> list[float]:
        """Return for how long each key has been processed."""
        now = self._stopwatch()
        return [now - begun for begun in self._processing.values()]

    def next_due(self) -> float | None:
        """Return when the next delayed key is due."""
        while self._delayed:
            due, _, key = self._delayed[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._delayed)
        return None

    def release(self, now: float) -> None:
        """Add all delayed keys that are due."""
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
