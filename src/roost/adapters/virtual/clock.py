"""The time of day as the event loop's clock tells it: in a virtual loop a day passes in a moment."""

from __future__ import annotations

import asyncio

#: 2025-01-01T00:00:00Z
NEW_YEAR_2025 = 1_735_689_600.0


class LoopClock:
    """ports.WallClock: `start` (epoch seconds) is the loop's time zero."""

    def __init__(self, start: float = NEW_YEAR_2025) -> None:
        self._start = start

    def now(self) -> float:
        return self._start + asyncio.get_running_loop().time()
