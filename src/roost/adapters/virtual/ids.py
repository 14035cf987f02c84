"""Identities from a seed."""

from __future__ import annotations

import random


class SeededIds:
    """ports.Ids."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uid(self) -> str:
        bits = f"{self._random.getrandbits(128):032x}"
        # The version (4) and the variant (two bits) are what makes it a UUID.
        variant = "89ab"[int(bits[16], 16) & 3]
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{variant}{bits[17:20]}-{bits[20:]}"
