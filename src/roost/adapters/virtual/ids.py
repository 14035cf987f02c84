"""Identities from a seed."""

from __future__ import annotations

import random
import uuid


class SeededIds:
    """ports.Ids."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
