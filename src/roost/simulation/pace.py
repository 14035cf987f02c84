"""How virtual time follows the time of a real clock: at a speed, or not at all while paused.

Two ways: `run` holds up whoever calls it; `keep` lets the event loop go on that runs around: so a page,
a notebook or a server has a cluster that lives beside it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: Between two looks at the real clock, in seconds.
_FRAME_S: Final = 0.02
#: So long `keep` reckons before it lets the loop go on that runs around; an instant is not cut in two.
_SLICE_S: Final = 0.008
#: Who is further behind, because of too much to reckon or a page nobody sees, does not catch up.
_BEHIND_S: Final = 1.0

#: So far at once, of the cluster's time, where it is to pass as fast as it can be reckoned.
_AHEAD_S: Final = 3600.0


class Pace:
    """`speed` is virtual seconds for each real one; None: as fast as they can be reckoned."""

    def __init__(
        self,
        advance: Callable[[float], object],
        step_to: Callable[[float], bool],
        now: Callable[[], float],
    ) -> None:
        """`step_to` goes to the next thing that happens, at most to an instant; False if it is then."""
        self.speed: float | None = 1.0
        self.paused = False
        self._advance = advance
        self._step_to = step_to
        self._now = now
        self._last: float | None = None
        self._kept = False

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

    async def keep(
        self,
        seconds: float = math.inf,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """As `run`, in slices between which the loop that runs around goes on. Ends when cancelled.

        Raises RuntimeError if somebody else keeps the pace already.
        """
        if self._kept:
            raise RuntimeError("somebody keeps the pace of this cluster already")
        self._kept = True
        try:
            if self.speed is None:
                await self._hurry(self._now() + seconds, clock, sleep)
            else:
                await self._follow(seconds, clock, sleep)
        finally:
            self._kept = False

    async def _follow(
        self,
        seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        last = clock()
        end, goal, late = last + seconds, self._now(), False
        while last < end:
            await sleep(0 if late else min(_FRAME_S, end - last))
            begun = min(clock(), end)
            passed, last = begun - last, begun
            now, speed, late = self._now(), self.speed, False
            if self.paused:
                goal = now
            elif speed is None:
                late = not self._slice(now + _AHEAD_S, clock)
                goal = self._now()
            else:
                goal = min(max(goal, now) + passed * speed, now + _BEHIND_S * speed)
                late = not self._slice(goal, clock)

    async def _hurry(
        self,
        goal: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        while self.paused or not self._slice(goal, clock):
            await sleep(_FRAME_S if self.paused else 0)

    def _slice(self, goal: float, clock: Callable[[], float]) -> bool:
        """Go on towards an instant for as long as a slice is; return whether it is that instant."""
        end = clock() + _SLICE_S
        while self._step_to(goal):
            if clock() >= end:
                return False
        return True
