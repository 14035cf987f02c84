"""Watch: the state so far, then every change, as frames that all watchers of one form share.

Selectors turn transitions into synthetic ADDED and DELETED events. A watch ends quietly at its timeout;
a start that is too old is an ERROR event with code 410.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from roost.api.errors import Expired, StatusError
from roost.api.kind import Kind
from roost.api.protobuf import envelope, objects
from roost.api.table import bare
from roost.api.values import Object
from roost.apiserver import failures, keys
from roost.apiserver.core import Core, shown
from roost.apiserver.encoding import FRAME_HEADS, FRAME_TAIL, encode, frame
from roost.apiserver.feed import Render, Watcher
from roost.apiserver.forms import Forms, message_of
from roost.apiserver.messages import JSON, Frames, Sink
from roost.apiserver.negotiation import PROTOBUF, Form
from roost.apiserver.options import ListOptions, parse_version
from roost.apiserver.reading import list_records
from roost.apiserver.selection import Selection
from roost.store.port import Compacted, Event, Record, restamp

#: How long a watch lasts at least unless its client says, in seconds; up to twice that.
_TIMEOUT_S: Final = 1800
_BOOKMARK_S: Final = 60.0
#: A bookmark comes this long before the end of a watch that ends sooner than that.
_LAST_BOOKMARK_S: Final = 2.0
#: How often it is looked whether a start in the future has come.
_SOON_S: Final = 1.0
_INITIAL_END: Final = {"k8s.io/initial-events-end": "true"}
#: So many objects of the state so far go into one write.
_CHUNK: Final = 500

#: One change as a watcher sees it: type and record.
Seen: TypeAlias = tuple[str, Record]


def as_seen(events: Iterable[Event], kind: Kind, selection: Selection) -> Iterator[Seen]:
    """Yield what a watcher with this selection sees of these changes."""
    if selection.empty:
        for event in events:
            if event.deleted:
                yield "DELETED", event.record
            else:
                yield ("ADDED" if event.previous is None else "MODIFIED"), event.record
        return
    for event in events:
        before = event.previous is not None and selection.matches(kind, shown(kind, event.previous))
        if event.deleted:
            if before:
                yield "DELETED", event.record
            continue
        if selection.matches(kind, shown(kind, event.record)):
            yield ("MODIFIED" if before else "ADDED"), event.record
        elif before and event.previous is not None:
            last = event.previous
            value = restamp(last.value, event.revision)
            yield "DELETED", Record(last.key, event.revision, last.created, value)


class Framer:
    """Makes frames of one form. A Table's first frame carries the column definitions."""

    def __init__(self, forms: Forms, kind: Kind, form: Form, include: str) -> None:
        self._forms = forms
        self._kind = kind
        self._form = form
        self._include = include
        self._plain = not form.transform and kind.convert is None
        self._started = False
        self._protobuf = form.media == PROTOBUF

    @property
    def content_type(self) -> str:
        return f"{PROTOBUF};stream=watch" if self._protobuf else JSON

    @property
    def shared(self) -> bool:
        """Can watchers share these frames? Not those of a table, which differ in the first."""
        return self._form.transform != "Table"

    def body(self, record: Record) -> bytes:
        if self._plain:
            return record.value
        if self._form.transform == "Table":
            return encode(self._table(shown(self._kind, record)))
        value = shown(self._kind, record)
        return encode(self._bare(value) if self._form.transform else value)

    def _enveloped(self, record: Record) -> bytes:
        kind = self._kind
        if self._form.transform:
            return objects.encode(self._bare(shown(kind, record)))
        return envelope.wrap(kind.api_version, kind.name, message_of(kind, record))

    def _bare(self, value: Object) -> Object:
        return bare(self._kind, value, self._form.version)

    def _table(self, value: Object) -> Object:
        metadata = {"resourceVersion": value["metadata"].get("resourceVersion", "")}
        table = self._forms.tables.table(
            self._kind,
            [value],
            self._form.version,
            self._include,
            metadata,
            with_definitions=not self._started,
        )
        self._started = True
        return table

    def frames(self, seen: Iterable[Seen]) -> Frames | None:
        parts: list[bytes] = []
        if self._protobuf:
            parts = [envelope.frame(kind, self._enveloped(record)) for kind, record in seen]
            return Frames(b"".join(parts)) if parts else None
        for kind, record in seen:
            parts += (FRAME_HEADS[kind], self.body(record), FRAME_TAIL)
        return Frames(b"".join(parts)) if parts else None

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> Frames:
        metadata: Object = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        value: Object = {
            "kind": self._kind.name,
            "apiVersion": self._kind.api_version,
            "metadata": metadata,
        }
        if self._form.transform == "Table":
            value = self._table(value)
        elif self._form.transform:
            value = self._bare(value)
        return self.event("BOOKMARK", value)

    def event(self, kind: str, value: Object) -> Frames:
        """Return an event with an object that no record holds."""
        if self._protobuf:
            return Frames(envelope.frame(kind, objects.encode(value)))
        return Frames(frame(kind, encode(value)))


def expired(since: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {since} ({oldest})")


@dataclass(slots=True)
class WatchRequest:
    """What to watch: a kind, where, what of it, from when, for how long."""

    kind: Kind
    namespace: str
    selection: Selection
    options: ListOptions

    @property
    def prefix(self) -> str:
        """The keys to watch: of one object where the name is known."""
        where = self.namespace or self.selection.namespace
        if self.selection.name and (where or not self.kind.namespaced):
            return keys.key_of(self.kind, where, self.selection.name)
        return keys.prefix_of(self.kind, self.namespace)

    @property
    def node(self) -> str:
        """The node whose pods alone are watched, if there is one."""
        if self.kind.plural != "pods" or self.kind.group:
            return ""
        return self.selection.fields.exact("spec.nodeName") or ""

    def start(self) -> int:
        """Return the revision asked for; raises what the real server answers to a bad one."""
        version = self.options.resource_version
        if not version:
            return 0
        wanted = parse_version(version)
        if wanted is None:
            raise failures.bad_version(version)
        return wanted


async def begin(core: Core, request: WatchRequest) -> tuple[list[Record], int]:
    """Return the state with which a watch begins, and the revision from which changes follow."""
    since = request.start()
    if request.options.initial_events:
        options = ListOptions()
        listing = await list_records(
            core, request.kind, request.namespace, request.selection, options
        )
        return listing.records, max(listing.revision, since)
    if since == 0:
        return [], core.store.revision()
    return [], since


def renderer(framer: Framer, request: WatchRequest) -> Render:
    def render(events: Sequence[Event]) -> Frames | None:
        return framer.frames(as_seen(events, request.kind, request.selection))

    return render


class FramedWatch:
    """One watch that writes frames into a sink."""

    def __init__(
        self, core: Core, request: WatchRequest, framer: Framer, form_key: Hashable
    ) -> None:
        self._core = core
        self._request = request
        self._framer = framer
        self._form_key: Hashable = form_key if framer.shared else object()

    async def run(self, sink: Sink) -> None:
        """Write until the timeout; a start that is too old is one ERROR event."""
        options = self._request.options
        timeout = options.timeout_s
        if timeout is None or timeout <= 0:
            timeout_s = _TIMEOUT_S * (1.0 + self._core.chance.uniform())
        else:
            timeout_s = float(timeout)
        try:
            await self._follow(sink, timeout_s)
        except Compacted as error:
            status = expired(self._request.start(), error.oldest).status()
            sink.write(self._framer.event("ERROR", status))
        except StatusError as error:
            # The answer has begun: what goes wrong now can only be told in the stream.
            sink.write(self._framer.event("ERROR", error.status()))

    async def _follow(self, sink: Sink, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        options = self._request.options
        records, since = await begin(self._core, self._request)
        for start in range(0, len(records), _CHUNK):
            part = records[start : start + _CHUNK]
            frames = self._framer.frames(("ADDED", record) for record in part)
            if frames is not None:
                sink.write(frames)
            await asyncio.sleep(0)
        promised = bool(options.initial_events and options.bookmarks)
        if promised and since <= self._core.store.revision():
            sink.write(self._framer.bookmark(since, _INITIAL_END))
            promised = False
        dropped = asyncio.Event()
        watcher = Watcher(since, sink.write, dropped.set)
        render = renderer(self._framer, self._request)
        leave = await self._core.feed.join(
            self._request.prefix, self._form_key, render, watcher, self._request.node
        )
        try:
            await self._idle(sink, since, end, dropped, promised=promised)
        finally:
            leave()

    async def _idle(
        self, sink: Sink, since: int, end: float, dropped: asyncio.Event, *, promised: bool
    ) -> None:
        """Wait for the end, with a bookmark now and then.

        The one that is `promised` after the initial events comes when the start has come.
        """
        loop = asyncio.get_running_loop()
        bookmarks = self._request.options.bookmarks
        while not dropped.is_set():
            left = end - loop.time()
            if left <= 0:
                return
            pause = left
            if bookmarks:
                pause = min(_BOOKMARK_S, max(left - _LAST_BOOKMARK_S, 0.0)) or left
                pause = min(_SOON_S, left) if promised else pause
            try:
                async with asyncio.timeout(pause):
                    await dropped.wait()
            except TimeoutError:
                if bookmarks and loop.time() < end and self._core.feed.revision >= since:
                    marks = _INITIAL_END if promised else None
                    sink.write(self._framer.bookmark(self._core.feed.revision, marks))
                    promised = False
