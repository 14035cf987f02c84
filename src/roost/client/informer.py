"""Informers: one list and one endless watch per resource, shared by all who are interested.

Rules: only a complete list replaces a cache, and every failure leaves it as it is; when the server has
forgotten the version (Expired) the list is taken again and compared; back-off grows from 0.2 s to 30 s
with jitter. Listeners are called synchronously, once per batch, after the cache holds all of it. What
is cached is slim: without managedFields, and sharing equal parts (slimming.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from roost.api.errors import Expired, Gone, StatusError
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.cache import Cache
from roost.client.port import Client, Query, WatchEvent
from roost.client.slimming import Slimmer
from roost.ports.port import Chance

PAGE = 500
FIRST_DELAY_S = 0.2
LAST_DELAY_S = 30.0

log = logging.getLogger(__name__)


class Delta(NamedTuple):
    """One change: `old` is None for what is new, `new` is None for what is gone."""

    old: Object | None
    new: Object | None


Listener: TypeAlias = Callable[[Sequence[Delta]], None]


class Informer:
    """Keeps `cache` like the server's objects of one resource.

    `version` is the resourceVersion up to which the cache has seen everything; `synced` is set once
    the first list is in.
    """

    def __init__(self, client: Client, chance: Chance, query: Query) -> None:
        self.query = query
        self.cache = Cache()
        self.version = ""
        self.synced = asyncio.Event()
        self.lists = 0
        self._client = client
        self._chance = chance
        self._listeners: list[Listener] = []
        self._slimmer = Slimmer()

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every batch of changes from now on (an empty batch: only progress)."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    async def run(self) -> None:
        """List and watch until cancelled."""
        delay_s = FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while True:
            started, started_at = self.version, clock()
            try:
                if not self.version:
                    await self._list()
                await self._watch()
                if self.version != started:
                    delay_s = FIRST_DELAY_S
                    continue
            except (Expired, Gone):
                self.version = ""
                log.info("the server forgot where we were in %s; listing again", self._label)
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("cannot follow %s: %s", self._label, error)
            self.cache.connected = False
            if clock() - started_at > LAST_DELAY_S:  # it worked for a while: this is a new failure
                delay_s = FIRST_DELAY_S
            await asyncio.sleep(delay_s * (1 + self._chance.uniform()))
            delay_s = min(delay_s * 2, LAST_DELAY_S)

    @property
    def _label(self) -> str:
        resource = self.query.resource
        return f"{resource.plural}.{resource.group}" if resource.group else resource.plural

    async def _list(self) -> None:
        items: list[Object] = []
        token = ""
        while True:
            page = await self._client.list(self.query, limit=PAGE, continue_token=token)
            # Page by page: a long list of whole objects would take several times the memory.
            items.extend(map(self._slim, page.items))
            token = page.continue_token
            if not token:
                break
            await asyncio.sleep(0)  # a server in the same process has others to answer
        self.lists += 1
        gone = dict.fromkeys(self.cache.keys())
        deltas: list[Delta] = []
        for obj in items:
            metadata = obj["metadata"]
            gone.pop((metadata.get("namespace", ""), metadata["name"]), None)
            self._put(obj, deltas)
        for namespace, name in gone:
            deltas.append(Delta(self.cache.remove(namespace, name), None))
        self.version = page.resource_version
        self.cache.connected = True
        self.synced.set()
        self._tell(deltas)

    async def _watch(self) -> None:
        async for batch in self._client.watch(self.query, self.version):
            self._apply(batch)

    def _apply(self, batch: Sequence[WatchEvent]) -> None:
        self.cache.connected = True
        deltas: list[Delta] = []
        version = self.version
        for event in batch:
            metadata = event.object["metadata"]
            version = metadata.get("resourceVersion", version)
            if event.type == "BOOKMARK":
                continue
            if event.type == "DELETED":
                old = self.cache.remove(metadata.get("namespace", ""), metadata["name"])
                deltas.append(Delta(old if old is not None else event.object, None))
            else:
                self._put(self._slim(event.object), deltas)
        self.version = version
        self._tell(deltas)

    def _slim(self, obj: Object) -> Object:
        metadata = obj["metadata"]
        old = self.cache.get(metadata.get("namespace", ""), metadata["name"])
        return self._slimmer.slim(obj, old)

    def _put(self, obj: Object, deltas: list[Delta]) -> None:
        old = self.cache.put(obj)
        if old is None:
            deltas.append(Delta(None, obj))
        elif old["metadata"].get("uid") != obj["metadata"].get("uid"):
            deltas.extend((Delta(old, None), Delta(None, obj)))
        elif old["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion"):
            deltas.append(Delta(old, obj))

    def _tell(self, deltas: Sequence[Delta]) -> None:
        for listener in tuple(self._listeners):
            listener(deltas)


class Informers:
    """All informers of one process; it is the `Caches` that views look into."""

    def __init__(self, client: Client, chance: Chance) -> None:
        self._client = client
        self._chance = chance
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def __getitem__(self, resource: Resource) -> Cache:
        return self._informers[resource].cache

    def informer(self, resource: Resource) -> Informer:
        """Return the informer of a resource, making it (and starting it, if running) at need."""
        informer = self._informers.get(resource)
        if informer is None:
            informer = Informer(self._client, self._chance, Query(resource))
            self._informers[resource] = informer
            self._start(resource, informer)
        return informer

    def find(self, resource: Resource) -> Informer | None:
        return self._informers.get(resource)

    def drop(self, resource: Resource) -> None:
        """Stop following a resource that nobody needs any more, and forget its objects."""
        self._informers.pop(resource, None)
        task = self._tasks.pop(resource, None)
        if task is not None:
            task.cancel()

    def resources(self) -> tuple[Resource, ...]:
        return tuple(self._informers)

    async def run(self) -> None:
        """Run all informers, present and future, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for resource, informer in self._informers.items():
                    self._start(resource, informer)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self._tasks.clear()

    def _start(self, resource: Resource, informer: Informer) -> None:
        if self._group is not None and resource not in self._tasks:
            self._tasks[resource] = self._group.create_task(
                informer.run(), name=f"informer {resource.plural}"
            )
