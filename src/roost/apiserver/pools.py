"""A pool of numbers: finding a free one at once."""

from __future__ import annotations

from itertools import chain
from typing import Final

from roost.ports.port import Chance

_RANDOM_TRIES: Final = 16


class Pool:
    """A range of numbers of which some are taken. The first `reserved` are only given when asked for."""

    def __init__(
        self, first: int, size: int, reserved: int, chance: Chance, taken: set[int] | None = None
    ) -> None:
        self.first = first
        self.size = size
        self._reserved = reserved
        self._chance = chance
        self.taken: set[int] = set() if taken is None else taken

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + self.size

    def take_any(self) -> int | None:
        """Take a free number, None when there is none. Like the real server's, it is random."""
        low = self._reserved if self.size > self._reserved else 0
        for _ in range(_RANDOM_TRIES):
            number = self.first + low + int(self._chance.uniform() * (self.size - low))
            if number in self and number not in self.taken:
                self.taken.add(number)
                return number
        for offset in chain(range(low, self.size), range(low)):
            if self.first + offset not in self.taken:
                self.taken.add(self.first + offset)
                return self.first + offset
        return None

    def take(self, number: int) -> bool:
        """Take this number; False when it is taken."""
        if number in self.taken:
            return False
        self.taken.add(number)
        return True
