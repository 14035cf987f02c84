"""The store on one machine's disk: SQLite in WAL mode, synchronous=FULL, with group commit.

The database is the log; current records and recent events are also kept in memory (table.py), so reads
never touch the disk. All writes that wait when the disk is ready become one transaction: `commit` checks
and numbers them on the event loop, one thread writes them, and only when that is on disk are they made
visible, published and acknowledged. If a transaction fails, all that were numbered after it fail too.
A write that is alone, on a disk quicker than the waking of a thread, is written at once (ADR 10).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from roost.ports.histogram import Histogram, powers
from roost.store.database import Database
from roost.store.port import Damaged, Draft, Event, Full, Page, Record, StoreError, Write
from roost.store.sealing import Sealing
from roost.store.table import Table, check_revision, event_of, expect_revision, page_of

HISTORY_BYTES: Final = 16 << 20
#: Rows that one transaction of a compaction may remove: a bound on how long it delays writers.
_COMPACTION_ROWS: Final = 2_000

#: Up to this average, a write alone is made on the event loop: to wake the thread takes about as long.
QUICK_S: Final = 0.0004
#: How much the newest write counts in the average.
_NEWEST: Final = 0.125

ResultT = TypeVar("ResultT")


class _Waiting(NamedTuple):
    """Commits that are numbered, and who is told when they are done."""

    events: Sequence[Event]
    done: asyncio.Future[None]


class SqliteStore:
    """A Store in one file; see roost.store.port.Store. Open it with `await SqliteStore.open(path)`."""

    def __init__(
        self, database: Database, thread: ThreadPoolExecutor, quick_s: float = QUICK_S
    ) -> None:
        self._database = database
        self._quick_s = quick_s
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._table = Table(HISTORY_BYTES)
        self._compacted = 0
        self._next = 0
        #: Writes that are numbered but not visible yet: key -> its newest event.
        self._staged: dict[str, Event] = {}
        self._queue: list[_Waiting] = []
        self._writing: list[_Waiting] = []
        #: Those who wait until the next transaction is over, whatever becomes of it.
        self._watching: list[asyncio.Future[None]] = []
        self._failed: StoreError | None = None
        #: How long the last writes took on average; before the first: as if the disk were slow.
        self._write_s = QUICK_S * 4
        #: What the thread has to do beside writing.
        self._chores = 0
        #: Why the last transaction was not written.
        self._fault = ""
        #: How long transactions took, in seconds.
        self.commits = Histogram(powers(0.0001, 2, 15))

    @classmethod
    async def open(
        cls, path: Path, *, quick_s: float = QUICK_S, sealing: Sealing | None = None
    ) -> SqliteStore:
        """Open or make the store in the file `path`. Raises Damaged when it cannot be used.

        `sealing` says which values are encrypted on disk, and how. While writes take less than
        `quick_s` seconds on average, one alone is made on the loop.
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        database = Database(path, sealing)
        loop = asyncio.get_running_loop()
        try:
            state = await loop.run_in_executor(thread, database.open)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        store = cls(database, thread, quick_s)
        store._table = Table(HISTORY_BYTES, state.revision)
        store._table.load(state.records)
        store._compacted = state.compacted
        store._next = state.revision + 1
        return store

    # -- reading

    async def get(self, key: str) -> Record | None:
        return self._table.get(key)

    async def list(
        self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0
    ) -> Page:
        table = self._table
        if not revision:
            return table.page(prefix, limit, after)
        check_revision(revision, self._compacted, table.revision)
        if revision >= table.floor:
            return table.page_at(prefix, limit, after, revision)
        records = await self._run(lambda: self._database.state_at(prefix, revision))
        return page_of(records, revision, limit, after)

    async def watch(self, prefix: str, since: int) -> AsyncIterator[Sequence[Event]]:
        table = self._table
        check_revision(since, self._compacted, table.revision)
        subscription, now = table.subscribe(prefix), table.revision
        if since >= table.floor:
            backlog: Sequence[Event] = table.since(prefix, since)
        else:
            try:
                backlog = await self._run(lambda: self._database.events(prefix, since, now))
            except BaseException:
                table.unsubscribe(subscription)
                raise
        async for batch in table.follow(subscription, backlog):
            yield batch

    def revision(self) -> int:
        return self._table.revision

    def fault(self) -> str:
        return self._fault

    def size_bytes(self) -> int:
        """Return how large the files of the store are."""
        return self._database.size_bytes()

    # -- writing

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        (record,) = await self.commit_together((Write(key, draft, expect),))
        return record

    async def commit_together(self, writes: Sequence[Write]) -> Sequence[Record]:
        if self._failed is not None:
            raise self._failed
        before = []
        for key, draft, expect in writes:
            staged = self._staged.get(key)
            previous = self._table.get(key) if staged is None else _state_after(staged)
            have = previous.revision if previous is not None else 0
            try:
                expect_revision(key, have, expect, deleting=draft is None)
            except StoreError:
                if staged is not None:
                    # What the caller lost against is not visible yet. Let it become so first: a
                    # caller that reads and tries again at once would otherwise only lose again.
                    await self._settled(staged)
                raise
            before.append(previous)
        events = []
        for (key, draft, _), previous in zip(writes, before, strict=True):
            event = event_of(key, draft, self._next, previous)
            self._next += 1
            self._staged[key] = event
            events.append(event)
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.append(_Waiting(events, done))
        if not self._writing and len(self._queue) == 1:
            self._loop.call_soon(self._flush)
        # A caller that goes away takes only this future with it, not the write.
        await done
        return [event.record for event in events]

    async def _settled(self, event: Event) -> None:
        """Wait until a write is visible, or has failed."""
        while self._staged.get(event.key) is event:
            over: asyncio.Future[None] = self._loop.create_future()
            self._watching.append(over)
            await over

    def _flush(self) -> None:
        """Give everything that waits to the thread, as one transaction."""
        if self._writing or not self._queue:
            return
        self._writing, self._queue = self._queue, []
        events = [event for waiting in self._writing for event in waiting.events]
        if len(self._writing) == 1 and not self._chores and self._write_s < self._quick_s:
            self._written(self._write(events))
            return
        loop = self._loop
        self._thread.submit(lambda: loop.call_soon_threadsafe(self._written, self._write(events)))

    def _write(self, events: Sequence[Event]) -> BaseException | None:
        """Write one transaction; return what went wrong."""
        began = time.perf_counter()
        try:
            self._database.append(events)
        except (StoreError, sqlite3.Error, OSError) as error:
            return error
        took_s = time.perf_counter() - began
        self._write_s += (took_s - self._write_s) * _NEWEST
        self.commits.observe(took_s)
        return None

    def _written(self, error: BaseException | None) -> None:
        batch, self._writing = self._writing, []
        if error is not None:
            self._fault = str(error) or type(error).__name__
            self._fail([*batch, *self._queue], error)
            self._tell_watching()
            return
        self._fault = ""
        events = [event for waiting in batch for event in waiting.events]
        for event in events:
            if self._staged.get(event.key) is event:
                del self._staged[event.key]
        # Before the watchers: who waits for an answer goes on first. Nobody runs before both are done.
        for _, done in batch:
            if not done.done():
                done.set_result(None)
        self._table.apply(events)
        self._tell_watching()
        self._flush()

    def _tell_watching(self) -> None:
        watching, self._watching = self._watching, []
        for over in watching:
            if not over.done():
                over.set_result(None)

    def _fail(self, writes: Sequence[_Waiting], error: BaseException) -> None:
        """Refuse these writes. Those that only waited may have built on the ones that failed."""
        self._queue.clear()
        self._staged.clear()
        self._next = self._table.revision + 1
        refusal = error if isinstance(error, StoreError) else Damaged(str(error))
        if not isinstance(refusal, Full):
            self._failed = refusal
        for _, done in writes:
            if not done.done():
                done.set_exception(refusal)
                done.exception()  # a caller that is gone must not leave a warning behind

    # -- keeping house

    async def compact(self, revision: int) -> None:
        revision = min(revision, self._table.revision)
        if revision <= self._compacted:
            return
        self._compacted = revision
        self._table.forget(revision)
        await self._run(lambda: self._database.begin_compaction(revision))
        while await self._run(lambda: self._database.compact(revision, _COMPACTION_ROWS)):
            pass

    async def close(self) -> None:
        """Finish the writes that wait, then close the file."""
        pending = [done for _, done in (*self._writing, *self._queue)]
        if pending:
            await asyncio.wait(pending)
        await self._run(self._database.close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        self._chores += 1
        try:
            return await self._loop.run_in_executor(self._thread, work)
        finally:
            self._chores -= 1


def _state_after(event: Event) -> Record | None:
    return None if event.deleted else event.record
