"""The feed: one watch of the whole store, handed on to everybody who watches a part of it.

Watchers that see the same thing (same prefix, same form) are one audience: what they get is built once
per batch and shared. The newest changes of each topic are kept, so that most watches can start from
memory; older ones catch up from the store first. All of it runs synchronously between two awaits, so a
watcher neither misses a change nor sees one twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from roost.apiserver.keys import ROOT, topic_of
from roost.store.port import Compacted, Event, Store

#: How many of a topic's newest changes are kept, at most, and how many bytes of all topics.
RECENT_EVENTS: Final = 1024
RECENT_BYTES: Final = 16 << 20

#: So much of an error is logged, in characters.
_SAID: Final = 500
#: The rest between two batches: so many times as long as the last one took, and never longer than
#: this, in seconds.
_REST_FACTOR: Final = 2.0
_REST_S: Final = 0.02

_log: Final = logging.getLogger("roost.watch")

#: Builds what an audience gets for a batch; None when the batch holds nothing for it.
Render: TypeAlias = Callable[[Sequence[Event]], Any]


class Watcher:
    """One member of an audience. It gets only changes after revision `since`."""

    __slots__ = ("deliver", "drop", "since")

    def __init__(
        self, since: int, deliver: Callable[[Any], None], drop: Callable[[], None]
    ) -> None:
        self.since = since
        self.deliver = deliver
        #: Called once when the feed has lost changes and the watcher must start again.
        self.drop = drop


class Audience:
    """All watchers of one prefix that get the same."""

    __slots__ = ("members", "pending", "render", "sent")

    def __init__(self, render: Render) -> None:
        self.render = render
        #: How many events the members were handed by the last batch.
        self.sent = 0
        self.members: dict[Watcher, None] = {}  # in order of their coming
        #: Those whose start lies ahead of the feed.
        self.pending: list[Watcher] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.sent = len(events) * len(self.members)
        try:
            if self.pending:
                self._admit(events)
            payload = self.render(events) if self.members else None
        except Exception as error:  # noqa: BLE001 - what one form cannot show must not end all others
            self._give_up(events, error)
            return
        if payload is not None:
            for watcher in tuple(self.members):
                watcher.deliver(payload)

    def _give_up(self, events: Sequence[Event], error: Exception) -> None:
        """End the watches, and tell the operator: those who list again may meet the same object."""
        _log.error(
            "%d watches of %s end, as what changed at revisions %d to %d cannot be shown: %s: %s",
            len(self.members) + len(self.pending), topic_of(events[0].key),
            events[0].revision, events[-1].revision, type(error).__name__, str(error)[:_SAID],
        )  # fmt: skip
        self.drop()

    def drop(self) -> None:
        """End every watch of this audience; its watchers have to list again."""
        for watcher in (*self.members, *self.pending):
            watcher.drop()
        self.members.clear()
        self.pending.clear()

    def _admit(self, events: Sequence[Event]) -> None:
        """Let in whose start has come; those in the middle of the batch get its rest."""
        first, last = events[0].revision, events[-1].revision
        waiting, self.pending = self.pending, []
        late: list[Watcher] = []
        for watcher in waiting:
            if watcher.since < first:
                self.members[watcher] = None
            elif watcher.since <= last:
                late.append(watcher)
            else:
                self.pending.append(watcher)
        for watcher in late:
            rest = [event for event in events if event.revision > watcher.since]
            payload = self.render(rest) if rest else None
            if payload is not None:
                watcher.deliver(payload)
                self.sent += len(rest)
        if late:
            # They become members only after this batch has been published.
            self.pending.extend(late)
            for watcher in late:
                watcher.since = last


def nodes_of(event: Event) -> tuple[str, ...]:
    """Return the nodes whose pods a change of a pod concerns."""
    before = event.previous
    old = "" if before is None else (before.object.get("spec") or {}).get("nodeName") or ""
    if event.deleted:
        return (old,) if old else ()
    new = (event.record.object.get("spec") or {}).get("nodeName") or ""
    return tuple(dict.fromkeys(name for name in (old, new) if name))


class Prefix:
    """All audiences of one prefix. Those that see only the pods of one node are found by its name:
    there are as many of them as nodes, and a change concerns one."""

    __slots__ = ("by_form", "by_node", "plain")

    def __init__(self) -> None:
        self.by_form: dict[Hashable, Audience] = {}
        self.plain: dict[Hashable, Audience] = {}
        self.by_node: dict[str, dict[Hashable, Audience]] = {}

    def put(self, form: Hashable, node: str, audience: Audience) -> None:
        self.by_form[form] = audience
        (self.by_node.setdefault(node, {}) if node else self.plain)[form] = audience

    def remove(self, form: Hashable, node: str) -> None:
        del self.by_form[form]
        if not node:
            del self.plain[form]
            return
        del self.by_node[node][form]
        if not self.by_node[node]:
            del self.by_node[node]

    def publish(self, events: Sequence[Event]) -> int:
        """Hand events to everybody whom they concern; return how many were handed out."""
        sent = 0
        for audience in tuple(self.plain.values()):
            audience.publish(events)
            sent += audience.sent
        if not self.by_node:
            return sent
        parts: dict[str, list[Event]] = {}
        for event in events:
            for node in nodes_of(event):
                if node in self.by_node:
                    parts.setdefault(node, []).append(event)
        for node, mine in parts.items():
            for audience in tuple(self.by_node[node].values()):
                audience.publish(mine)
                sent += audience.sent
        return sent


class Topic:
    """One stored resource: its newest changes and its audiences by prefix."""

    __slots__ = ("audiences", "floor", "recent", "sent", "watching")

    def __init__(self, floor: int) -> None:
        #: `recent` is complete after this revision.
        self.floor = floor
        self.recent: deque[Event] = deque()
        self.audiences: dict[str, Prefix] = {}
        #: How many events were handed to watchers, before what they select.
        self.sent = 0
        #: How many watch it, without those who see one node's part of it.
        self.watching = 0

    def publish(self, events: Sequence[Event], prefix: str) -> None:
        if not self.audiences:
            return
        if len(self.audiences) == 1 and prefix in self.audiences:
            parts = {prefix: events}
        else:
            parts = self._parts(events, prefix)
        for part, mine in parts.items():
            self.sent += self.audiences[part].publish(mine)

    def _parts(self, events: Sequence[Event], prefix: str) -> dict[str, Sequence[Event]]:
        """Sort events by the prefixes that are watched: all, one namespace, one object."""
        audiences = self.audiences
        parts: dict[str, list[Event]] = {}
        for event in events:
            key = event.key
            namespace = key[: key.rfind("/") + 1]
            for part in (prefix, namespace, key) if namespace != prefix else (prefix, key):
                if part in audiences:
                    parts.setdefault(part, []).append(event)
        return dict(parts)


class Recent:
    """What all topics keep: the oldest changes go first, whichever topic they are of."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._order: deque[tuple[Topic, int, int]] = deque()

    def keep(self, topic: Topic, events: Sequence[Event]) -> None:
        """Keep the newest changes of a topic, and let go of the oldest of all."""
        recent, order = topic.recent, self._order
        for event in events:
            size_bytes = len(event.record.value)
            self._bytes += size_bytes
            order.append((topic, event.revision, size_bytes))
        recent.extend(events)
        while len(recent) > RECENT_EVENTS:
            topic.floor = recent.popleft().revision
        while order and (self._bytes > self._limit_bytes or order[0][1] <= order[0][0].floor):
            old, revision, size_bytes = order.popleft()
            self._bytes -= size_bytes
            if revision > old.floor:
                old.recent.popleft()
                old.floor = revision


class Feed:
    """See the module's text. `run` must be running for anything to arrive."""

    def __init__(self, store: Store, recent_bytes: int = RECENT_BYTES) -> None:
        self._store = store
        self._recent_bytes = recent_bytes
        self._recent = Recent(recent_bytes)
        #: Every change up to here has been handed on.
        self.revision = store.revision()
        self._start = self.revision
        self._topics: dict[str, Topic] = {}
        #: Awaited with each batch before it is handed on, if there is anything to prepare.
        self.prepare: Callable[[Sequence[Event]], Awaitable[None]] | None = None
        self._listeners: list[Callable[[Sequence[Event]], None]] = []

    def listen(self, listener: Callable[[Sequence[Event]], None]) -> None:
        """Call `listener` with every batch of changes, whatever their topics."""
        self._listeners.append(listener)

    def counts(self) -> Iterator[tuple[str, int, int]]:
        """Yield each topic's prefix, how many watch it, and how many events they were handed."""
        for prefix, topic in self._topics.items():
            watchers = sum(
                len(audience.members) + len(audience.pending)
                for audiences in topic.audiences.values()
                for audience in audiences.by_form.values()
            )
            if watchers or topic.sent:
                yield prefix, watchers, topic.sent

    def watching(self, prefix: str) -> int:
        """Return how many watchers a change of a topic goes to, about."""
        topic = self._topics.get(prefix)
        return 0 if topic is None else topic.watching

    async def run(self) -> None:
        """Hand on changes until cancelled.

        Handing on rests for longer than it took: where many watch, changes come in larger batches,
        which costs far less, and requests have most of the time.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                async for batch in self._store.watch(ROOT, self.revision):
                    start = loop.time()
                    if batch:
                        if self.prepare is not None:
                            await self.prepare(batch)
                        self._publish(batch)
                    await asyncio.sleep(min((loop.time() - start) * _REST_FACTOR, _REST_S))
            except Compacted:
                self._restart()

    def _publish(self, batch: Sequence[Event]) -> None:
        self.revision = batch[-1].revision
        for listener in self._listeners:
            listener(batch)
        parts: dict[str, list[Event]] = {}
        for event in batch:
            parts.setdefault(topic_of(event.key), []).append(event)
        for prefix, events in parts.items():
            topic = self._topic(prefix)
            self._recent.keep(topic, events)
            topic.publish(events, prefix)

    def end(self, prefix: str) -> None:
        """End every watch of a stored resource: its kind has changed, and watchers must begin again."""
        topic = self._topics.get(prefix)
        if topic is not None:
            for audiences in tuple(topic.audiences.values()):
                for audience in tuple(audiences.by_form.values()):
                    audience.drop()

    def _restart(self) -> None:
        """Begin again from now: everybody has to list again."""
        self.revision = self._start = self._store.revision()
        topics, self._topics = self._topics, {}
        self._recent = Recent(self._recent_bytes)
        for topic in topics.values():
            for audiences in topic.audiences.values():
                for audience in audiences.by_form.values():
                    audience.drop()

    def _topic(self, prefix: str) -> Topic:
        topic = self._topics.get(prefix)
        if topic is None:
            topic = self._topics[prefix] = Topic(self._start)
        return topic

    async def join(
        self, prefix: str, form: Hashable, render: Render, watcher: Watcher, node: str = ""
    ) -> Callable[[], None]:
        """Deliver every change under `prefix` after `watcher.since`, then go on live.

        With `node`, `render` shows nothing but pods of that node. Returns what must be called to
        leave. Raises Compacted when the start is too old.
        """
        topic_prefix = topic_of(prefix)
        topic = self._topic(topic_prefix)
        while watcher.since < topic.floor and watcher.since < self.revision:
            await self._catch_up(prefix, render, watcher)
            topic = self._topic(topic_prefix)
        if watcher.since < self.revision:
            missed = [
                event
                for event in topic.recent
                if event.revision > watcher.since and event.key.startswith(prefix)
            ]
            payload = render(missed) if missed else None
            if payload is not None:
                watcher.deliver(payload)
                topic.sent += len(missed)
            watcher.since = self.revision
        audiences = topic.audiences.get(prefix)
        if audiences is None:
            audiences = topic.audiences[prefix] = Prefix()
        audience = audiences.by_form.get(form)
        if audience is None:
            audience = Audience(render)
            audiences.put(form, node, audience)
        if watcher.since > self.revision:
            audience.pending.append(watcher)
        else:
            audience.members[watcher] = None
        topic.watching += not node

        def leave() -> None:
            topic.watching -= not node
            audience.members.pop(watcher, None)
            if watcher in audience.pending:
                audience.pending.remove(watcher)
            if not audience.members and not audience.pending:
                if audiences.by_form.get(form) is audience:
                    audiences.remove(form, node)
                if not audiences.by_form and topic.audiences.get(prefix) is audiences:
                    del topic.audiences[prefix]

        return leave

    async def _catch_up(self, prefix: str, render: Render, watcher: Watcher) -> None:
        """Deliver what the store still has after `watcher.since`, up to about now.

        The first batch of a store's watch is everything that had happened when it began.
        """
        goal = self.revision
        batches = self._store.watch(prefix, watcher.since)
        try:
            batch = await anext(batches)
        finally:
            close = getattr(batches, "aclose", None)
            if close is not None:
                await close()
        if batch and self.prepare is not None:
            await self.prepare(batch)
        payload = render(batch) if batch else None
        if payload is not None:
            watcher.deliver(payload)
        watcher.since = max(goal, batch[-1].revision if batch else 0)
