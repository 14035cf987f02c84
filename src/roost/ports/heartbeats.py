"""Rests of those who only keep something alive, declared as such to a loop that can leap over them.

On a plain event loop these are ordinary timers. A virtual loop (roost.simulation.loop) need not play
every one of a day's beats: see there. Rule: rest here only if a beat that is left out changes nothing
that anybody could see after the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


async def rest(period_s: float, heart: str = "") -> None:
    """Sleep for a period between two beats; `heart` is the name that a watchdog listens to."""
    beat: Any = getattr(asyncio.get_running_loop(), "heartbeat", None)
    if beat is None:
        await asyncio.sleep(period_s)
    else:
        await beat(period_s, heart)


def watch_over(heart: str, when: float, callback: Callable[[], object]) -> asyncio.Handle | None:
    """Call back at `when` (time of the loop) unless the heart is known to beat.

    Returns None where the loop does not know hearts: set an ordinary timer then.
    """
    watchdog: Any = getattr(asyncio.get_running_loop(), "watchdog", None)
    handle: asyncio.Handle | None = None if watchdog is None else watchdog(heart, when, callback)
    return handle
