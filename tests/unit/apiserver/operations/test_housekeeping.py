"""What the server does by itself, over hours of virtual time."""

from __future__ import annotations

import asyncio

from fakes.apiserver import running
from fakes.timeless import run
from roost.apiserver.housekeeping import EVENT_TTL_S
from roost.store.memory import MemoryStore
from roost.store.port import ANY, Draft, Full

_DRAFT = Draft(b'{"metadata":{"resourceVersion":"', b'"}}')
_EVENT = "/registry/core/events/n/e"


class FillingStore(MemoryStore):
    """A store whose disk can be full: nothing is written, removed or compacted then."""

    full = False

    async def commit(self, key, draft, expect):
        if self.full:
            raise Full("no space")
        return await super().commit(key, draft, expect)

    async def compact(self, revision):
        if self.full:
            raise Full("no space")
        await super().compact(revision)


def test_an_idle_store_moves_on_and_a_busy_one_is_left_alone():
    async def scenario() -> None:
        store = MemoryStore()
        async with running(store):
            begun = store.revision()
            await asyncio.sleep(601)
            assert 3 <= store.revision() - begun <= 5  # one mark in two minutes or so
            begun = store.revision()
            for _ in range(600):
                await asyncio.sleep(1)
                await store.commit("/registry/core/configmaps/n/a", _DRAFT, ANY)
            assert store.revision() - begun == 600

    run(scenario())


def test_a_full_disk_ends_no_housekeeping():
    async def scenario() -> None:
        store = FillingStore()
        async with running(store) as api:
            await store.commit(_EVENT, _DRAFT, ANY)
            store.full = True
            await asyncio.sleep(EVENT_TTL_S + 600)
            assert (await store.list(_EVENT)).records
            store.full = False
            await asyncio.sleep(120)
            assert not (await store.list(_EVENT)).records
            assert await api.ready() is None

    run(scenario())
