"""Requests end in time: whoever is not answered after a minute gets a 504.

One task looks at all of them now and then, which costs a request next to nothing. Rule: only the wait
for the answer has an end; watches, logs and the like go on for as long as they want, elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from roost.api.errors import Timeout

#: What a request may take, in seconds, as in the real server.
LIMIT_S: Final = 60.0


class Deadline:
    """One request that is being answered."""

    __slots__ = ("begun", "expired", "task")

    def __init__(self, task: asyncio.Task[Any] | None, begun: float) -> None:
        self.task = task
        self.begun = begun
        self.expired = False


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

    def end(self, deadline: Deadline) -> None:
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
                if deadline.task is not None and not deadline.expired:
                    deadline.expired = True
                    deadline.task.cancel()


def timed_out() -> Timeout:
    """Return the error that ends a request whose time is up."""
    return Timeout("Timeout: request did not complete within the allotted timeout", {})
