"""A store in memory that keeps a journal: one line for each write, the same in every run of a seed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from roost.ports.port import WallClock
from roost.store.memory import MemoryStore
from roost.store.port import Draft, Record

#: So many of the newest entries are kept.
LIMIT: Final = 1_000_000


class Entry(NamedTuple):
    """One write. `digest` is a checksum of the object as it is stored."""

    at: float
    revision: int
    key: str
    deleted: bool
    digest: int

    def line(self, start: float) -> str:
        """Return the entry as text, with the seconds since `start`."""
        verb = "delete" if self.deleted else "put"
        return f"{self.at - start:.6f} {self.revision} {verb} {self.key} {self.digest:08x}"


class JournalStore(MemoryStore):
    """A Store that writes down what is committed."""

    def __init__(self, clock: WallClock) -> None:
        super().__init__()
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=LIMIT)

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        record = await super().commit(key, draft, expect)
        digest = zlib.crc32(record.value)
        self._entries.append(Entry(self._clock.now(), record.revision, key, draft is None, digest))
        return record

    def entries(self) -> Iterator[Entry]:
        return iter(self._entries)
