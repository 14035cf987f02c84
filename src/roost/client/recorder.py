"""Records Events about objects, as client-go's recorder and correlator do.

`record` never waits and never fails its caller: events wait in a bounded queue and `run` writes them.
The same event again becomes a PATCH of count and lastTimestamp; from the tenth event on that differs
only in its message within ten minutes they are combined; an object may have 25 new events at once and
one more every five minutes. Used by the engine (one per component) and by the node agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from roost.api.errors import NotFound, StatusError
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import Client
from roost.decisions.meta import stamp
from roost.ports.port import WallClock

QUEUE_LENGTH = 1000
REMEMBERED = 4096
SIMILAR_LIMIT = 10
SIMILAR_WINDOW_S = 600.0
BURST = 25
REFILL_S = 300.0
TRIES = 12
RETRY_DELAY_S = 10.0
#: About so many objects at once events are written: a server that is slow to answer holds up few.
LANES = 8
#: How long events of what shares its machine and its disk with an API server wait (`rest_s`).
EVENTS_REST_S = 0.02

_EVENTS = Resource("", "v1", "events")
_NO_NAMESPACE = "default"
_COMBINED = "(combined from similar events): "

log = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")


class _Recent(Generic[ValueT]):
    """A map that forgets what was used least recently."""

    def __init__(self) -> None:
        self._items: OrderedDict[object, ValueT] = OrderedDict()

    def get(self, key: object) -> ValueT | None:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: object, value: ValueT) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > REMEMBERED:
            self._items.popitem(last=False)


@dataclass(slots=True)
class _Similar:
    messages: set[str]
    last: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    last: float


@dataclass(slots=True)
class _Written:
    name: str
    namespace: str
    count: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    regarding: Object
    type: str
    reason: str
    message: str
    at: float


class EventRecorder:
    """Writes core/v1 Events of one component (and host, for a node agent).

    `dropped` counts events lost to the spam filter, a full queue or a server that refuses them.
    `rest_s` is how long events wait before they are written: they tell of work whose next step should
    not have to wait for them.
    """

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        component: str,
        host: str = "",
        *,
        rest_s: float = 0.0,
    ) -> None:
        self.dropped = 0
        self._rest_s = rest_s
        self._client = client
        self._clock = clock
        self._component = component
        self._host = host
        self._queue: deque[_Waiting] = deque()
        #: What waits behind an event that is being written about the same object.
        self._lanes: dict[object, deque[_Waiting]] = {}
        self._wake = asyncio.Event()
        self._similar: _Recent[_Similar] = _Recent()
        self._buckets: _Recent[_Bucket] = _Recent()
        self._written: _Recent[_Written] = _Recent()
        self._last_ns = 0

    def record(self, regarding: Object, type: str, reason: str, message: str) -> None:
        """Queue an Event about the object that the ObjectReference `regarding` names."""
        if len(self._queue) + sum(map(len, self._lanes.values())) >= QUEUE_LENGTH:
            self.dropped += 1
            return
        self._queue.append(_Waiting(regarding, type, reason, message, self._clock.now()))
        self._wake.set()

    async def run(self) -> None:
        """Write queued events until cancelled, those about one object in their order."""
        free = asyncio.Semaphore(LANES)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                if self._rest_s:
                    await asyncio.sleep(self._rest_s)
                self._wake.clear()
                while self._queue:
                    about = _identity(self._queue[0].regarding)
                    if about not in self._lanes:
                        await free.acquire()
                        self._lanes[about] = deque()
                        tasks.create_task(self._drain(about, free))
                    self._lanes[about].append(self._queue.popleft())

    async def _drain(self, about: object, free: asyncio.Semaphore) -> None:
        lane = self._lanes[about]
        while lane:
            await self._write(lane.popleft())
        del self._lanes[about]
        free.release()

    async def flush(self) -> None:
        """Write what waits now; for a component that is about to end, and no longer runs."""
        waiting = [event for lane in self._lanes.values() for event in lane]
        waiting += self._queue
        self._lanes.clear()
        self._queue.clear()
        for event in waiting:
            await self._write(event)

    async def _write(self, event: _Waiting) -> None:
        about = _identity(event.regarding)
        message, key = self._correlate(event, about)
        if not self._allowed(about, event.at):
            self.dropped += 1
            return
        for _ in range(TRIES):
            try:
                await self._send(event, message, key)
            except StatusError as error:
                if not error.retriable:
                    self.dropped += 1
                    log.debug("event %s was refused: %s", event.reason, error.message)
                    return
            except (OSError, TimeoutError) as error:
                log.debug("event %s was not sent: %s", event.reason, error)
            else:
                return
            await asyncio.sleep(RETRY_DELAY_S)
        self.dropped += 1

    def _correlate(self, event: _Waiting, about: object) -> tuple[str, object]:
        """Return the message to write and the key under which repeats are found."""
        similar_key = (about, event.type, event.reason)
        similar = self._similar.get(similar_key)
        if similar is None or event.at - similar.last > SIMILAR_WINDOW_S:
            similar = _Similar(set(), event.at)
            self._similar.put(similar_key, similar)
        similar.last = event.at
        similar.messages.add(event.message)
        if len(similar.messages) < SIMILAR_LIMIT:
            return event.message, (similar_key, event.message)
        similar.messages.pop()
        return _COMBINED + event.message, similar_key

    def _allowed(self, about: object, at: float) -> bool:
        bucket = self._buckets.get(about)
        if bucket is None:
            bucket = _Bucket(float(BURST), at)
            self._buckets.put(about, bucket)
        bucket.tokens = min(float(BURST), bucket.tokens + max(at - bucket.last, 0) / REFILL_S)
        bucket.last = at
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _send(self, event: _Waiting, message: str, key: object) -> None:
        at = stamp(event.at)
        written = self._written.get(key)
        if written is not None:
            body = {"count": written.count + 1, "lastTimestamp": at, "message": message}
            try:
                await self._client.patch(_EVENTS, written.name, body, written.namespace)
            except NotFound:  # it has expired
                pass
            else:
                written.count += 1
                return
        created = self._object(event, message, at)
        namespace = created["metadata"]["namespace"]
        await self._client.create(_EVENTS, created, namespace)
        self._written.put(key, _Written(created["metadata"]["name"], namespace, 1))

    def _object(self, event: _Waiting, message: str, at: str) -> Object:
        self._last_ns = max(int(event.at * 1e9), self._last_ns + 1)
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{event.regarding.get('name', '')}.{self._last_ns:x}",
                "namespace": event.regarding.get("namespace") or _NO_NAMESPACE,
            },
            "involvedObject": event.regarding,
            "reason": event.reason,
            "message": message,
            "type": event.type,
            "source": source,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }


def _identity(regarding: Object) -> object:
    fields = ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")
    return tuple(regarding.get(field, "") for field in fields)
