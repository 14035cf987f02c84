"""Requests end in time: whoever is not answered after a minute, or the time that they gave, gets a 504.

One task looks at all of them now and then, which costs a request next to nothing; a request with a time
of its own has a timer. Rule: only the wait for the answer has an end; watches, logs and the like go on
for as long as they want, elsewhere.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from roost.api.errors import BadRequest, Timeout

#: What a request may take, in seconds, as in the real server.
LIMIT_S: Final = 60.0
_PART: Final = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]*)(?P<unit>[^0-9.]*)")
_UNITS_S: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip


class Deadline:
    """One request that is being answered."""

    __slots__ = ("begun", "expired", "task", "timer")

    def __init__(self, task: asyncio.Task[Any] | None, begun: float) -> None:
        self.task = task
        self.begun = begun
        self.expired = False
        self.timer: asyncio.TimerHandle | None = None

    def expire(self) -> None:
        """End the request, unless that is being done."""
        if self.task is not None and not self.expired:
            self.expired = True
            self.task.cancel()


class Deadlines:
    """All requests that are being answered. Times are the event loop's."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._open: dict[Deadline, None] = {}
        self._some = asyncio.Event()

    def begin(self, now: float) -> Deadline:
        """Watch over the current task, until `end`."""
        deadline = Deadline(asyncio.current_task(), now)
        self._open[deadline] = None
        self._some.set()
        return deadline

    def shorten(self, deadline: Deadline, limit_s: float) -> None:
        """Let a request end so long after it began, if that is sooner."""
        if 0 < limit_s < self._limit_s:
            loop = asyncio.get_running_loop()
            deadline.timer = loop.call_at(deadline.begun + limit_s, deadline.expire)

    def end(self, deadline: Deadline) -> None:
        if deadline.timer is not None:
            deadline.timer.cancel()
        del self._open[deadline]

    def missed(self, deadline: Deadline) -> bool:
        """Was the current task cancelled only because its time was up? It may then go on."""
        if not deadline.expired or deadline.task is None:
            return False
        return deadline.task.uncancel() == 0

    async def run(self) -> None:
        """Look at the requests until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._open:
                self._some.clear()
                await self._some.wait()
            await asyncio.sleep(self._limit_s / 20)
            now = loop.time()
            for deadline in tuple(self._open):  # the oldest come first
                if now - deadline.begun < self._limit_s:
                    break
                deadline.expire()


def requested_s(timeout: str) -> float:
    """Read the `timeout` of a request, a duration of Go; 0 or less is none. Raises BadRequest."""
    text = timeout.removeprefix("-") if timeout[:1] == "-" else timeout.removeprefix("+")
    if text == "0":
        return 0.0
    seconds, at = 0.0, 0
    for part in _PART.finditer(text):
        unit = part["unit"]
        if part.start() != at or not part["number"].strip("."):
            break
        if unit not in _UNITS_S:
            why = f'unknown unit "{unit}" in' if unit else "missing unit in"
            raise _bad(f'time: {why} duration "{timeout}"')
        seconds += float(part["number"]) * _UNITS_S[unit]
        at = part.end()
    if not text or at != len(text):
        raise _bad(f'time: invalid duration "{timeout}"')
    return -seconds if timeout[:1] == "-" else seconds


def _bad(why: str) -> BadRequest:
    return BadRequest(f"invalid timeout specified in the request URL - {why}")


def timed_out() -> Timeout:
    """Return the error that ends a request whose time is up."""
    return Timeout("Timeout: request did not complete within the allotted timeout", {})
