"""A store in memory that keeps a journal: one line for each write, the same in every run of a seed."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from roost.ports.causes import Cause, current_cause
from roost.ports.port import WallClock
from roost.store.memory import MemoryStore
from roost.store.port import Event, Full, Record, Write

#: So many of the newest entries are kept.
LIMIT: Final = 1_000_000

_UNKNOWN: Final = Cause("")


class Entry(NamedTuple):
    """One write. `digest` is a checksum of the object as it is stored; `seen` is the revision of the
    write that it answers, 0 if it is the first of its history."""

    at: float
    revision: int
    key: str
    deleted: bool
    digest: int
    actor: str = ""
    about: str = ""
    seen: int = 0

    def line(self, start: float) -> str:
        """Return the entry as text, with the seconds since `start`."""
        verb = "delete" if self.deleted else "put"
        why = f" by {self.actor}" if self.actor else ""
        why += f" for {self.about}" if self.about else ""
        why += f" after {self.seen}" if self.seen else ""
        at = f"{self.at - start:.6f}"
        return f"{at} {self.revision} {verb} {self.key} {self.digest:08x}{why}"


class Note(NamedTuple):
    """Something that was done to the cluster from outside: a command, or a fault."""

    at: float
    revision: int  # the newest then
    text: str

    def line(self, start: float) -> str:
        """Return the note as text, with the seconds since `start`."""
        return f"{self.at - start:.6f} {self.revision} # {self.text}"


#: Called with each change as soon as it is visible.
Observer = Callable[[Event], None]


class JournalStore(MemoryStore):
    """A Store that writes down what is committed, and why. While it is `full` it takes no writes."""

    def __init__(self, clock: WallClock) -> None:
        super().__init__()
        self.full = False
        self.observers: list[Observer] = []
        self._clock = clock
        self._entries: deque[Entry | Note] = deque(maxlen=LIMIT)
        self._last: dict[str, int] = {}  # key -> revision of its newest entry

    async def commit_together(self, writes: Sequence[Write]) -> Sequence[Record]:
        if self.full:
            raise Full("no space left on the server's disk")
        before = [self.peek(write.key) if self.observers else None for write in writes]
        records = await super().commit_together(writes)
        for record, write, previous in zip(records, writes, before, strict=True):
            self._enter(record, previous, deleted=write.draft is None)
        return records

    def _enter(self, record: Record, previous: Record | None, *, deleted: bool) -> None:
        """Write one commit down, and tell the observers."""
        key, digest = record.key, zlib.crc32(record.value)
        actor, about, seen = current_cause.get() or _UNKNOWN
        self._entries.append(
            Entry(
                self._clock.now(), record.revision, key, deleted, digest,
                actor, about, seen or self._last.get(key, 0),
            )
        )  # fmt: skip
        if deleted:
            self._last.pop(key, None)
        else:
            self._last[key] = record.revision
        for observer in self.observers:
            observer(Event(record.revision, key, record, previous, deleted))

    def peek(self, key: str) -> Record | None:
        """Return the current record of a key at once."""
        return self._table.get(key)

    def all(self, prefix: str = "") -> list[Record]:
        """Return all records under a prefix at once, in the order of their keys."""
        return self._table.page(prefix, 0, "").records

    def note(self, text: str) -> None:
        """Write down what was done from outside."""
        self._entries.append(Note(self._clock.now(), self.revision(), text))

    def entries(self) -> Iterator[Entry]:
        """Yield the writes, oldest first."""
        return (entry for entry in self._entries if isinstance(entry, Entry))

    def lines(self, start: float) -> Iterator[str]:
        """Yield writes and notes as text."""
        return (entry.line(start) for entry in self._entries)
