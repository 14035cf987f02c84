"""What waits for one watcher in this process: whoever writes never waits for who reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from roost.client.port import WatchEvent

#: A watcher with so many events waiting is ended; it lists again.
_BACKLOG_EVENTS: Final = 50_000


class Inbox:
    """Batches that wait for one watcher."""

    __slots__ = ("_batches", "_changed", "_waiting", "ended")

    def __init__(self) -> None:
        self._batches: list[Sequence[WatchEvent]] = []
        self._changed = asyncio.Event()
        self._waiting = 0
        self.ended = False

    def push(self, batch: Sequence[WatchEvent]) -> None:
        """Put a batch behind the others."""
        self._waiting += len(batch)
        self._batches.append(batch)
        if self._waiting > _BACKLOG_EVENTS:
            self.end()
        self._changed.set()

    def end(self) -> None:
        """Let nothing more come; what waits can still be taken."""
        self.ended = True
        self._changed.set()

    async def take(self, patience_s: float | None, not_before: float) -> Sequence[WatchEvent]:
        """Return all that waits, from the loop's time `not_before` on; empty when nothing came for
        `patience_s` seconds."""
        loop = asyncio.get_running_loop()
        if not self._batches and not self.ended:
            timer = None
            if patience_s is not None:
                timer = loop.call_later(patience_s, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()
        rest_s = not_before - loop.time()
        if rest_s > 0 and not self.ended:
            await asyncio.sleep(rest_s)
        self._changed.clear()
        batches, self._batches, self._waiting = self._batches, [], 0
        if len(batches) == 1:
            return batches[0]
        return [event for batch in batches for event in batch]
