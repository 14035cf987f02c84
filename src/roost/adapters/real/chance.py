"""Randomness, from the system."""

from __future__ import annotations

import os
import random

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
#: Bytes from here on would make some letters likelier than others.
_FAIR = 256 - 256 % len(_LETTERS)


class SystemChance:
    """ports.Chance."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def uniform(self) -> float:
        return self._random.random()

    def suffix(self, length: int) -> str:
        text = ""
        while len(text) < length:
            drawn = os.urandom(length - len(text))
            text += "".join([_LETTERS[byte % len(_LETTERS)] for byte in drawn if byte < _FAIR])
        return text
