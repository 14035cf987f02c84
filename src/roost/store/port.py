"""The store: a revisioned log of keys, in six operations (a commit of one key, or of some at once).

One counter, the revision, grows by one with every change. Rules that every form keeps (the contract
suite in tests/contracts checks them):

- Nothing is acknowledged before it is durable, and nothing is visible before it is acknowledged.
- `commit` compares and writes atomically; a loser gets `Conflict` and nothing changes.
- A watch delivers every change after `since` exactly once, in order, in batches; a watcher that falls
  behind is ended with `Compacted` rather than slow a writer down.
- Values are bytes and are never decoded here. They carry their own revision: a `Draft` is encoded
  once, and the store puts the revision into its gap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

#: Values of `expect`: the key must not exist; any state will do. Else: the revision it must have.
ABSENT: Final = 0
ANY: Final = -1

_decode = msgspec.json.Decoder().decode
_MARK: Final = b'"resourceVersion":"'


class StoreError(Exception):
    """The abstract base of what a store may raise."""


class Conflict(StoreError):
    """The key is not in the expected state; `revision` is what it has (0: absent)."""

    def __init__(self, key: str, revision: int) -> None:
        super().__init__(f"{key} is at revision {revision}")
        self.key = key
        self.revision = revision


class Compacted(StoreError):
    """The revision asked for is older than what the log still holds, which starts at `oldest`."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the log starts at revision {oldest}")
        self.oldest = oldest


class FutureRevision(StoreError):
    """The revision asked for has not happened yet; the store is at `revision`."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the store is at revision {revision}")
        self.revision = revision


class Damaged(StoreError):
    """What is on disk cannot be used; the message says which file and what to do."""


class Full(StoreError):
    """The disk takes no more; the write did not happen."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An encoded object with a gap for its revision: head + revision + tail.

    `object` is what is encoded, if the writer gives it away: who reads it next need not decode it.
    """

    head: bytes
    tail: bytes
    object: dict[str, Any] | None = None

    def stamp(self, revision: int) -> bytes:
        return b"%b%d%b" % (self.head, revision, self.tail)


def restamp(value: bytes, revision: int) -> bytes:
    """Return the same encoded object at another revision (used for the last state of a deletion).

    The first resourceVersion of an encoded object is its own: `Draft` puts it before anything that a
    user chose.
    """
    start = value.index(_MARK) + len(_MARK)
    return b"%b%d%b" % (value[:start], revision, value[value.index(b'"', start) :])


class Record:
    """One key at one revision. `object` decodes the value once; all who read share the result.

    Decoded objects take several times the memory of their bytes, so a store lets go of those of
    records that have not changed for a while (`cool`), and who reads many takes them by `peek`.
    """

    __slots__ = ("_object", "created", "key", "message", "revision", "value")

    def __init__(
        self,
        key: str,
        revision: int,
        created: int,
        value: bytes,
        object: dict[str, Any] | None = None,
    ) -> None:
        self.key = key
        self.revision = revision
        self.created = created
        self.value = value
        #: The value in protobuf, once somebody has asked for it (in the version that is stored).
        self.message: bytes | None = None
        self._object: Any = object

    @property
    def object(self) -> dict[str, Any]:
        """The decoded value: shared, so never to be changed."""
        if self._object is None:
            self._object = _decode(self.value)
        found: dict[str, Any] = self._object
        return found

    def peek(self) -> dict[str, Any]:
        """Return the decoded value as `object` does, but do not keep it."""
        found: dict[str, Any] = _decode(self.value) if self._object is None else self._object
        return found

    def cool(self) -> None:
        """Let go of the other forms; who asks again makes them again."""
        self._object = self.message = None


class Event(NamedTuple):
    """One change. `record` is the new state; for a deletion it is the last state, restamped with the
    revision of the deletion. `previous` is the state before, None for a creation."""

    revision: int
    key: str
    record: Record
    previous: Record | None
    deleted: bool


class Page(NamedTuple):
    """Part of a listing in key order. `remaining` counts what comes after it (at least)."""

    records: list[Record]
    revision: int
    remaining: int


class Write(NamedTuple):
    """What `commit` takes: write (or with None delete) this key, if it is as expected."""

    key: str
    draft: Draft | None
    expect: int


class Store(Protocol):
    """The port. All keys are text, compared by code point."""

    async def get(self, key: str) -> Record | None:
        """Return the current record of a key, or None."""
        ...

    async def list(
        self, prefix: str, *, limit: int = 0, after: str = "", revision: int = 0
    ) -> Page:
        """Return the records whose keys start with `prefix` and come after the key `after`.

        limit 0 means all; revision 0 means now. Raises Compacted or FutureRevision.
        """
        ...

    async def commit(self, key: str, draft: Draft | None, expect: int) -> Record:
        """Write (or with None delete) one key and return its record once that is durable.

        A deletion returns the last state, restamped. Raises Conflict if the key is not as expected
        (a deletion of an absent key is a Conflict with revision 0), Full, or Damaged.
        """
        ...

    async def commit_together(self, writes: Sequence[Write]) -> Sequence[Record]:
        """Do several commits, of different keys: all of them, or none with what the first raises.

        They get neighbouring revisions in their order, and become visible at once.
        """
        ...

    def watch(self, prefix: str, since: int) -> AsyncIterator[Sequence[Event]]:
        """Yield every change after revision `since` to keys that start with `prefix`, in batches.

        An empty batch is allowed and means: all changes so far have been delivered. Raises Compacted
        when `since` is too old or the watcher fell behind, FutureRevision when it has not happened.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget states that were superseded at or before `revision`."""
        ...

    def revision(self) -> int:
        """Return the revision of the newest visible change."""
        ...

    def fault(self) -> str:
        """Return why the last write failed; "" if it did not."""
        ...
