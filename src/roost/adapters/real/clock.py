"""The time of day, from the system."""

from __future__ import annotations

import time


class SystemClock:
    """ports.WallClock."""

    def now(self) -> float:
        return time.time()
