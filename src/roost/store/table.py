"""The visible state of a store: current records in key order, recent events, and who listens.

Both embedded stores keep one. It lives on the event loop's thread and does no input or output: a store
decides when an event has become durable and then calls `apply`, which makes it visible and publishes it
in one step, so that nobody can see a state that a crash could take back.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice

from roost.store.port import (
    ABSENT,
    ANY,
    Compacted,
    Conflict,
    Draft,
    Event,
    FutureRevision,
    Page,
    Record,
    restamp,
)

#: Sorts after every key with the same prefix.
_LAST = "\U0010ffff"
#: So many neighbours are looked at.
_FEW = 4
#: A watcher that has this many events waiting is ended: it would only fall further behind.
WATCH_BACKLOG_EVENTS = 20_000
#: How many of the newest events are kept decoded, as a rule.
WARM_EVENTS = 256


class Subscription:
    """What one watcher has still to read: batches, shared with all watchers of the same prefix."""

    __slots__ = ("_batches", "_waiter", "_waiting", "behind", "prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.behind = False
        self._batches: list[Sequence[Event]] = []
        self._waiting = 0
        self._waiter: asyncio.Future[None] | None = None

    def push(self, batch: Sequence[Event]) -> None:
        self._waiting += len(batch)
        if self._waiting > WATCH_BACKLOG_EVENTS:
            self.behind = True
            self._batches.clear()
        else:
            self._batches.append(batch)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def take(self) -> Sequence[Event]:
        """Return all that waits, as one batch; wait for it if there is nothing."""
        if not self._batches and not self.behind:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        batches, self._batches, self._waiting = self._batches, [], 0
        if len(batches) == 1:
            return batches[0]
        return [event for batch in batches for event in batch]


class Table:
    """Current records, recent events and subscriptions.

    `history_bytes` bounds the recent events; so many of the newest, `warm_events`, keep the decoded
    forms of their states, old and new.
    """

    def __init__(
        self, history_bytes: int, revision: int = 1, warm_events: int = WARM_EVENTS
    ) -> None:
        self.revision = revision
        #: Recent events are complete after this revision.
        self.floor = revision
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []
        self._recent: deque[Event] = deque()
        self._recent_bytes = 0
        self._history_bytes = history_bytes
        self._warm_events = warm_events
        self._subscriptions: dict[str, list[Subscription]] = {}

    # -- reading

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def page(self, prefix: str, limit: int, after: str) -> Page:
        keys = self._keys
        start = bisect_left(keys, prefix)
        if after:
            start = max(start, bisect_left(keys, after + "\0"))
        end = self._end(prefix, start)
        stop = min(end, start + limit) if limit else end
        records = self._records
        return Page([records[key] for key in keys[start:stop]], self.revision, end - stop)

    def _end(self, prefix: str, start: int) -> int:
        """Return where the keys with a prefix end. Often there are none or few: neighbours are looked
        at before the whole is searched again."""
        keys = self._keys
        few = min(start + _FEW, len(keys))
        for end in range(start, few):
            if not keys[end].startswith(prefix):
                return end
        return bisect_left(keys, prefix + _LAST, lo=few)

    def page_at(self, prefix: str, limit: int, after: str, revision: int) -> Page:
        """Return a page as it was at `revision`, which must not be below `floor`."""
        if revision == self.revision:
            return self.page(prefix, limit, after)
        then: dict[str, Record | None] = {r.key: r for r in self.page(prefix, 0, "").records}
        for event in reversed(self._recent):
            if event.revision <= revision:
                break
            if event.key.startswith(prefix):
                then[event.key] = event.previous
        return page_of((r for r in then.values() if r is not None), revision, limit, after)

    # -- writing

    def apply(self, events: Sequence[Event]) -> None:
        """Make durable events visible and publish them."""
        for event in events:
            if event.deleted:
                self._remove(event.key)
            else:
                self._put(event.record)
            self.revision = event.revision
            self._remember(event)
        self._publish(events)

    def load(self, records: Iterable[Record]) -> None:
        """Fill an empty table with the records found on disk."""
        self._records = {record.key: record for record in records}
        self._keys = sorted(self._records)

    def _put(self, record: Record) -> None:
        if record.key not in self._records:
            insort(self._keys, record.key)
        self._records[record.key] = record

    def _remove(self, key: str) -> None:
        if self._records.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def _remember(self, event: Event) -> None:
        recent = self._recent
        recent.append(event)
        self._recent_bytes += len(event.record.value)
        if len(recent) > self._warm_events:
            cooled = recent[-self._warm_events - 1]
            cooled.record.cool()
            if cooled.previous is not None:
                cooled.previous.cool()
        while self._recent_bytes > self._history_bytes and len(recent) > 1:
            dropped = recent.popleft()
            self._recent_bytes -= len(dropped.record.value)
            self.floor = dropped.revision

    def forget(self, revision: int) -> None:
        """Drop recent events at or before `revision`."""
        while self._recent and self._recent[0].revision <= revision:
            self._recent_bytes -= len(self._recent.popleft().record.value)
        self.floor = max(self.floor, min(revision, self.revision))

    # -- watching

    def subscribe(self, prefix: str) -> Subscription:
        subscription = Subscription(prefix)
        self._subscriptions.setdefault(prefix, []).append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        listeners = self._subscriptions[subscription.prefix]
        listeners.remove(subscription)
        if not listeners:
            del self._subscriptions[subscription.prefix]

    def since(self, prefix: str, revision: int) -> list[Event]:
        """Return recent events after `revision`, which must not be below `floor`."""
        newer = 0
        for event in reversed(self._recent):
            if event.revision <= revision:
                break
            newer += 1
        tail = islice(self._recent, len(self._recent) - newer, None)
        return [event for event in tail if event.key.startswith(prefix)]

    async def follow(
        self, subscription: Subscription, backlog: Sequence[Event]
    ) -> AsyncIterator[Sequence[Event]]:
        """Yield the backlog, then all that the subscription gets; end it when its reader leaves."""
        try:
            yield backlog
            while True:
                batch = await subscription.take()
                if subscription.behind:
                    raise Compacted(self.revision)
                yield batch
        finally:
            self.unsubscribe(subscription)

    def _publish(self, events: Sequence[Event]) -> None:
        """Hand each subscription its part: one list per prefix, shared by all who watch it."""
        subscriptions = self._subscriptions
        if not subscriptions:
            return
        if len(events) == 1:  # as a rule
            key = events[0].key
            parts = {prefix: events for prefix in subscriptions if key.startswith(prefix)}
        else:
            parts = {
                prefix: [event for event in events if event.key.startswith(prefix)]
                for prefix in subscriptions
            }
        for prefix, part in parts.items():
            if part:
                for subscription in subscriptions[prefix]:
                    subscription.push(part)


def page_of(records: Iterable[Record], revision: int, limit: int, after: str) -> Page:
    """Return one page of records that are in no order yet."""
    found = sorted((r for r in records if r.key > after), key=lambda record: record.key)
    stop = limit or len(found)
    return Page(found[:stop], revision, max(0, len(found) - stop))


def expect_revision(key: str, have: int, expect: int, *, deleting: bool) -> None:
    """Raise Conflict unless a key at revision `have` (0: absent) is as expected."""
    if deleting and have == ABSENT:
        raise Conflict(key, have)
    if expect not in (ANY, have):
        raise Conflict(key, have)


def event_of(key: str, draft: Draft | None, revision: int, previous: Record | None) -> Event:
    """Return the event that a write causes. `previous` is not None when `draft` is None."""
    if draft is not None:
        created = previous.created if previous is not None else revision
        decoded = draft.object
        if decoded is not None:
            decoded["metadata"]["resourceVersion"] = str(revision)
        record = Record(key, revision, created, draft.stamp(revision), decoded)
        return Event(revision, key, record, previous, deleted=False)
    assert previous is not None
    record = Record(key, revision, previous.created, restamp(previous.value, revision))
    return Event(revision, key, record, previous, deleted=True)


def check_revision(revision: int, oldest: int, newest: int) -> None:
    """Raise Compacted or FutureRevision unless oldest <= revision <= newest."""
    if revision > newest:
        raise FutureRevision(newest)
    if revision < oldest:
        raise Compacted(oldest)
