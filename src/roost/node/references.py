"""Keeps the ConfigMaps, Secrets and other objects fresh that the node's pods name, and only those.

Each named object is listed and watched by name while a pod wants it. A server that does not answer
changes nothing: what was read stays, and is kept in memory-backed files so that it outlives the agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec

from roost.api.errors import NotFound, StatusError
from roost.api.values import Object
from roost.client.port import Client, Query
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from roost.node.layout import Layout
from roost.node.sources import Ref
from roost.ports.port import Files

log = logging.getLogger(__name__)

#: Nodes may get these one by one, but not list or watch them.
_ONLY_GET = frozenset({PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES})
_GET_AGAIN_S = 10.0
_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 30.0


class References:
    """`changed(uids)` is called with the pods that an object's news concern."""

    def __init__(
        self, client: Client, files: Files, layout: Layout, changed: Callable[[set[str]], None]
    ) -> None:
        self._client = client
        self._files = files
        self._layout = layout
        self._changed = changed
        self._objects: dict[Ref, Object | None] = {}
        self._wanted_by: dict[Ref, set[str]] = {}
        self._wants: dict[str, set[Ref]] = {}
        self._keepers: dict[Ref, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def objects(self) -> dict[Ref, Object | None]:
        """What is known; None: it does not exist. Read only."""
        return self._objects

    def want(self, pod_uid: str, refs: Iterable[Ref]) -> None:
        """Say what a pod names now; replaces what was said."""
        wanted = set(refs)
        before = self._wants.get(pod_uid, set())
        for ref in sorted(wanted - before):
            self._wanted_by.setdefault(ref, set()).add(pod_uid)
            if ref not in self._objects:
                self._read_back(ref)
            self._keep(ref)
        for ref in sorted(before - wanted):
            self._drop(ref, pod_uid)
        if wanted:
            self._wants[pod_uid] = wanted
        else:
            self._wants.pop(pod_uid, None)

    def _drop(self, ref: Ref, pod_uid: str) -> None:
        self._wanted_by[ref].discard(pod_uid)
        if self._wanted_by[ref]:
            return
        del self._wanted_by[ref]
        self._objects.pop(ref, None)
        keeper = self._keepers.pop(ref, None)
        if keeper is not None:
            keeper.cancel()
        self._files.remove(self._path(ref))

    def _keep(self, ref: Ref) -> None:
        if self._tasks is not None and ref not in self._keepers:
            self._keepers[ref] = self._tasks.create_task(self._follow(ref))

    async def run(self) -> None:
        """Follow every wanted object until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._keepers.clear()
            for ref in list(self._wanted_by):
                self._keep(ref)
            await asyncio.get_running_loop().create_future()

    async def _follow(self, ref: Ref) -> None:
        delay = _FIRST_RETRY_S
        while True:
            try:
                if ref.resource in _ONLY_GET:
                    await self._get(ref)
                else:
                    await self._list_and_watch(ref)
                delay = _FIRST_RETRY_S
            except (StatusError, OSError, TimeoutError, ValueError, TypeError, KeyError) as error:
                log.debug("reading %s %s: %s", ref.resource.plural, ref.name, error)
            await asyncio.sleep(delay)
            delay = min(_MAX_RETRY_S, delay * 2)

    async def _get(self, ref: Ref) -> None:
        try:
            self._set(ref, await self._client.get(ref.resource, ref.name, ref.namespace))
        except NotFound:
            self._set(ref, None)
        await asyncio.sleep(_GET_AGAIN_S)

    async def _list_and_watch(self, ref: Ref) -> None:
        query = Query(ref.resource, ref.namespace, fields=f"metadata.name={ref.name}")
        listed = await self._client.list(query)
        if not listed.resource_version:
            raise ValueError("the list has no resource version")
        found = [one for one in listed.items if one["metadata"]["name"] == ref.name]
        self._set(ref, found[0] if found else None)
        version = listed.resource_version
        while True:
            async for batch in self._client.watch(query, version):
                for event in batch:
                    version = event.object["metadata"]["resourceVersion"]
                    if event.object["metadata"].get("name") != ref.name:
                        continue
                    if event.type == "DELETED":
                        self._set(ref, None)
                    elif event.type in {"ADDED", "MODIFIED"}:
                        self._set(ref, event.object)
            await asyncio.sleep(_FIRST_RETRY_S)

    def _set(self, ref: Ref, obj: Object | None) -> None:
        known = ref in self._objects
        if known and self._objects[ref] == obj:
            return
        self._objects[ref] = obj
        try:
            self._files.write(self._path(ref), msgspec.json.encode(obj))
        except OSError as error:
            log.warning("keeping %s %s: %s", ref.resource.plural, ref.name, error)
        self._changed(set(self._wanted_by.get(ref, ())))

    def _path(self, ref: Ref) -> str:
        namespace = ref.namespace or "-"
        return f"{self._layout.references}/{ref.resource.plural}/{namespace}/{ref.name}.json"

    def _read_back(self, ref: Ref) -> None:
        kept = self._files.read(self._path(ref))
        if kept is None:
            return
        try:
            obj = msgspec.json.decode(kept)
        except msgspec.DecodeError:
            return
        if isinstance(obj, dict):
            self._objects[ref] = obj
