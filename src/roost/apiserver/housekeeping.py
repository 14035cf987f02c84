"""What the server does by itself: forget old history, and Events after an hour."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Sequence
from typing import Final

from roost.apiserver.core import Core
from roost.ports.heartbeats import rest
from roost.store.port import ANY, Conflict, Draft, Event, Full

#: For how long a list can be continued, or a watch taken up, for certain.
_HISTORY_S: Final = 300.0
_COMPACT_EVERY_S: Final = 60.0
_SWEEP_EVERY_S: Final = 30.0
#: How long an Event is kept after its last write, in seconds.
EVENT_TTL_S: Final = 3600.0
_EVENTS: Final = "/registry/core/events/"
#: No object: written if nothing was for two minutes, so that the newest revision is superseded too
#: and forgotten five minutes later: lists of it cannot be continued for longer than others.
_MARK: Final = "/registry/roost/compactions/mark"
_MARK_DRAFT: Final = Draft(b'{"metadata":{"resourceVersion":"', b'"}}')


class Housekeeping:
    """Two loops. Times are the event loop's, so a restart gives Events one more hour."""

    def __init__(self, core: Core) -> None:
        self._core = core
        #: (when due, key, revision) of Events.
        self._due: list[tuple[float, str, int]] = []
        self._some = asyncio.Event()

    async def run(self) -> None:
        page = await self._core.store.list(_EVENTS)
        due = asyncio.get_running_loop().time() + EVENT_TTL_S
        self._due = [(due, record.key, record.revision) for record in page.records]
        heapq.heapify(self._due)
        self._core.feed.listen(self._note)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._compact(), name="compaction")
            tasks.create_task(self._sweep(), name="event-ttl")

    def _note(self, batch: Sequence[Event]) -> None:
        due = asyncio.get_running_loop().time() + EVENT_TTL_S
        for event in batch:
            if event.key.startswith(_EVENTS) and not event.deleted:
                heapq.heappush(self._due, (due, event.key, event.revision))
                self._some.set()

    async def _compact(self) -> None:
        """Each minute forget what was superseded five minutes ago or earlier; see also _MARK."""
        store, now = self._core.store, asyncio.get_running_loop().time
        noted: deque[tuple[float, int]] = deque()  # when, and the revision then
        while True:
            noted.append((now(), store.revision()))
            await rest(_COMPACT_EVERY_S)
            old = 0
            while noted and noted[0][0] <= now() - _HISTORY_S:
                _, old = noted.popleft()
            with contextlib.suppress(Full):  # there will be another minute
                if old:
                    await store.compact(old)
                if len(noted) > 1 and noted[-2][1] == store.revision():
                    await store.commit(_MARK, _MARK_DRAFT, ANY)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._due:
                self._some.clear()
                await self._some.wait()
            await asyncio.sleep(max(_SWEEP_EVERY_S, self._due[0][0] - loop.time()))
            while self._due and self._due[0][0] <= loop.time():
                _, key, revision = heapq.heappop(self._due)
                try:
                    await self._core.store.commit(key, None, revision)
                except Conflict:
                    # Written again since (and then noted again), or deleted.
                    continue
                except Full:
                    heapq.heappush(self._due, (loop.time() + _SWEEP_EVERY_S, key, revision))
