"""Sizes and costs that are not known, but have bounds: the arithmetic of estimates."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

UNBOUNDED = (1 << 64) - 1
#: What one letter of a text, and one letter of a pattern, costs.
LETTER, PATTERN_LETTER = 0.1, 0.25


def added(left: int, right: int) -> int:
    return min(left + right, UNBOUNDED)


def times(left: int, right: int) -> int:
    return min(left * right, UNBOUNDED)


def part(size: int, factor: float) -> int:
    """Return a share of a size, rounded up."""
    return UNBOUNDED if size >= UNBOUNDED else min(ceil(size * factor), UNBOUNDED)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a value is, at least and at most."""

    least: int = 0
    most: int = UNBOUNDED

    @staticmethod
    def of(size: int) -> Size:
        return Size(size, size)

    def plus(self, other: Size) -> Size:
        return Size(added(self.least, other.least), added(self.most, other.most))

    def by(self, other: Size) -> Size:
        return Size(times(self.least, other.least), times(self.most, other.most))

    def joined(self, other: Size) -> Size:
        return Size(min(self.least, other.least), max(self.most, other.most))

    def letters(self, factor: float = LETTER) -> int:
        """Return what it costs at most to read a text through."""
        return part(self.most, factor)


UNKNOWN = Size()
