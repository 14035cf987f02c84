"""Randomness, from the system."""

from __future__ import annotations

import random

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class SystemChance:
    """ports.Chance."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def uniform(self) -> float:
        return self._random.random()

    def suffix(self, length: int) -> str:
        return "".join(self._random.choice(_LETTERS) for _ in range(length))
