"""Counts of values by size: what a histogram of a metrics endpoint shows.

To observe a value is a search in a short tuple and two additions; nothing is made on the way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def powers(first: float, factor: float, count: int) -> tuple[float, ...]:
    """Return bounds of which each is `factor` times the one before."""
    bounds = [first]
    while len(bounds) < count:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


class Histogram:
    """One number for each bound (not summed up), one for what is beyond the last, and the sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(
        self, bounds: Sequence[float], counts: Sequence[int] = (), sum: float = 0.0
    ) -> None:
        self.bounds = bounds
        self.counts = list(counts) or [0] * (len(bounds) + 1)
        self.sum = sum

    def observe(self, value: float) -> None:
        """Count one value; a bound counts what equals it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def move(self, value: float, to: float) -> None:
        """Count one value, that was counted here or where this is added to, as another."""
        self.counts[bisect_left(self.bounds, value)] -= 1
        self.counts[bisect_left(self.bounds, to)] += 1
        self.sum += to - value

    def add(self, other: Histogram) -> None:
        """Count what another one of the same bounds has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def total(self) -> int:
        """Return how many values were counted."""
        return sum(self.counts)
