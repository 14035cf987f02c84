"""Keeps the objects of priority and fairness, and has the server use them.

At the start the default ones are made and mended. From then on every change of an object is taken over
at once, and FlowSchemas are told whether their priority level exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roost.api.errors import AlreadyExists, StatusError
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.fairness.defaults import (
    DEFAULT_LEVELS,
    DEFAULT_SCHEMAS,
    LEVELS,
    SCHEMAS,
    dangling,
    wanted_spec,
)
from roost.apiserver.fairness.flows import Flows
from roost.client.informer import Delta, Informers
from roost.client.port import Client, Query
from roost.decisions import conditions
from roost.decisions.meta import name_of, stamp
from roost.ports.port import WallClock


async def bootstrap_flows(client: Client) -> None:
    """Create the default objects that are missing, and mend those that the server keeps."""
    for resource, defaults in ((LEVELS, DEFAULT_LEVELS), (SCHEMAS, DEFAULT_SCHEMAS)):
        listed = await client.list(Query(resource))
        found = {name_of(obj): obj for obj in listed.items}
        async with asyncio.TaskGroup() as tasks:  # side by side: the store writes them together
            for default in defaults:
                existing = found.get(name_of(default))
                tasks.create_task(_settle(client, resource, existing, default))


async def _settle(
    client: Client, resource: Resource, existing: Object | None, default: Object
) -> None:
    if existing is None:
        try:
            await client.create(resource, default)
        except AlreadyExists:
            return  # a second server of the same cluster was faster
        return
    spec = wanted_spec(existing, default)
    if spec is not None:
        await client.update(resource, {**existing, "spec": spec})


class Upkeep:
    """Follows the objects through informers, which somebody else runs."""

    def __init__(
        self, flows: Flows, client: Client, clock: WallClock, informers: Informers
    ) -> None:
        self._flows = flows
        self._client = client
        self._clock = clock
        self._informers = informers
        self._changed = asyncio.Event()
        for resource in (SCHEMAS, LEVELS):
            informers.informer(resource).listen(self._note)

    def _note(self, deltas: Sequence[Delta]) -> None:
        if deltas:
            self._changed.set()

    async def run(self) -> None:
        """Take changes over until cancelled."""
        for resource in (SCHEMAS, LEVELS):
            await self._informers.informer(resource).synced.wait()
        while True:
            schemas = tuple(self._informers[SCHEMAS].all())
            levels = tuple(self._informers[LEVELS].all())
            self._flows.use(schemas, levels)
            await self._tell(schemas, frozenset(map(name_of, levels)))
            await self._changed.wait()
            self._changed.clear()

    async def _tell(self, schemas: Sequence[Object], levels: frozenset[str]) -> None:
        """Write into every schema whether its level is there, where it does not say so yet."""
        for schema in schemas:
            old = (schema.get("status") or {}).get("conditions") or ()
            wanted = dangling(schema, levels)
            found = conditions.find(old, wanted["type"])
            if found is not None and all(found.get(key) == wanted[key] for key in wanted):
                continue
            new = {**wanted, "lastTransitionTime": stamp(self._clock.now())}
            status = {"conditions": conditions.put(old, new)}
            try:
                told = {**schema, "status": status}
                await self._client.update(SCHEMAS, told, subresource="status")
            except StatusError:
                continue  # it has changed or is gone: its change comes here too
