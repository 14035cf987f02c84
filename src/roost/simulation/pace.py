"""How virtual time follows the time of a real clock: at a speed, or not at all while paused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Between two looks at the real clock, in seconds.
_FRAME_S: Final = 0.02


class Pace:
    """`speed` is virtual seconds for each real one; None: as fast as they can be reckoned."""

    def __init__(self, advance: Callable[[float], object]) -> None:
        self.speed: float | None = 1.0
        self.paused = False
        self._advance = advance
        self._last: float | None = None

    def pause(self) -> None:
        """Let `tick` and `run` pass no time until `resume`."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._last = None

    def tick(self, real_now: float) -> float:
        """Pass the time since the last tick (both seconds of one real clock); return how much.

        For those who have a clock of their own, as the frames of a page. The first tick, and the first
        after a pause, only set the clock.
        """
        last, self._last = self._last, real_now
        if self.paused:
            self._last = None
            return 0.0
        if last is None or self.speed is None:
            return 0.0
        passed = max(0.0, real_now - last) * self.speed
        self._advance(passed)
        return passed

    def run(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep pace with a real clock until it is `seconds` later."""
        if self.speed is None:
            if not self.paused:
                self._advance(seconds)
            return
        end = clock() + seconds
        self._last = None
        self.tick(clock())
        while clock() < end:
            sleep(min(_FRAME_S, max(0.0, end - clock())))
            self.tick(min(clock(), end))
