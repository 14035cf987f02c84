"""Randomness from a seed: the same seed gives the same world."""

from __future__ import annotations

import random

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class SeededChance:
    """ports.Chance."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uniform(self) -> float:
        return self._random.random()

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(_LETTERS) for _ in range(length))
