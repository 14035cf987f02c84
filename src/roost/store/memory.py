"""The store without a disk: for tests, the simulator and the browser.

Its history is bounded by bytes, so it compacts itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from roost.store.port import Draft, Event, Page, Record, Write
from roost.store.table import Table, check_revision, event_of, expect_revision

HISTORY_BYTES = 64 << 20
#: In one process much is on its way at once, and who reads a state late shares what others hold of it.
_WARM_EVENTS = 4096


class MemoryStore:
    """A Store in memory; see roost.store.port.Store."""

    def __init__(self, history_bytes: int = HISTORY_BYTES) -> None:
        self._table = Table(history_bytes, warm_events=_WARM_EVENTS)

    async def get(self, key: str) -> Record | None:
        return self._table.get(key)

    async def list(
        self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0
    ) -> Page:
        table = self._table
        if not revision:
            return table.page(prefix, limit, after)
        check_revision(revision, table.floor, table.revision)
        return table.page_at(prefix, limit, after, revision)

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        (record,) = await self.commit_together((Write(key, draft, expect),))
        return record

    async def commit_together(self, writes: Sequence[Write]) -> Sequence[Record]:
        table = self._table
        before = [table.get(write.key) for write in writes]
        for (key, draft, expect), previous in zip(writes, before, strict=True):
            have = previous.revision if previous is not None else 0
            expect_revision(key, have, expect, deleting=draft is None)
        events = [
            event_of(write.key, write.draft, revision, previous)
            for revision, (write, previous) in enumerate(
                zip(writes, before, strict=True), table.revision + 1
            )
        ]
        table.apply(events)
        return [event.record for event in events]

    async def watch(self, prefix: str, since: int) -> AsyncIterator[Sequence[Event]]:
        table = self._table
        check_revision(since, table.floor, table.revision)
        backlog = table.since(prefix, since)
        async for batch in table.follow(table.subscribe(prefix), backlog):
            yield batch

    async def compact(self, revision: int) -> None:
        self._table.forget(min(revision, self._table.revision))

    def revision(self) -> int:
        return self._table.revision

    def fault(self) -> str:
        return ""

    async def close(self) -> None:
        """Nothing is held open."""
