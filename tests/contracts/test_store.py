"""The store's contract, over every form of it. What each form adds is in tests/unit/store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from math import inf
from pathlib import Path

import pytest

from roost.apiserver.storetimes import TimedStore
from roost.store.memory import MemoryStore
from roost.store.port import (
    ABSENT,
    ANY,
    Compacted,
    Conflict,
    Draft,
    Event,
    FutureRevision,
    Store,
    Write,
)
from roost.store.sqlite import SqliteStore

AnyStore = MemoryStore | SqliteStore | TimedStore
Scenario = Callable[[AnyStore], Awaitable[None]]


def draft(text: str = "") -> Draft:
    return Draft(b'{"metadata":{"resourceVersion":"', b'","name":"%b"}}' % text.encode())


@pytest.fixture(params=["memory", "sqlite", "sqlite on the loop", "timed"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario against a fresh store."""

    async def run(scenario: Scenario) -> None:
        store: MemoryStore | SqliteStore
        if request.param == "memory":
            store = MemoryStore()
        else:
            quick_s = inf if "loop" in request.param else 0.0
            store = await SqliteStore.open(tmp_path / "roost.db", quick_s=quick_s)
        seen = TimedStore(store) if request.param == "timed" else store
        async with asyncio.timeout(20):
            await scenario(seen)
        await store.close()

    return lambda scenario: asyncio.run(run(scenario))


async def read(watch: AsyncIterator[Sequence[Event]], count: int) -> list[tuple[int, str, bool]]:
    seen: list[tuple[int, str, bool]] = []
    async for batch in watch:
        seen += [(event.revision, event.key, event.deleted) for event in batch]
        if len(seen) >= count:
            break
    return seen


def test_a_commit_stamps_its_revision_into_the_value(play):
    async def scenario(store: Store):
        before = store.revision()
        record = await store.commit("/a", draft("x"), ABSENT)
        assert record.revision == record.created == before + 1 == store.revision()
        assert record.object == {"metadata": {"resourceVersion": str(record.revision), "name": "x"}}
        found = await store.get("/a")
        assert found is not None
        assert found.value == record.value

    play(scenario)


def test_an_update_keeps_the_revision_of_the_creation(play):
    async def scenario(store: Store):
        first = await store.commit("/a", draft("1"), ABSENT)
        second = await store.commit("/a", draft("2"), first.revision)
        assert second.created == first.revision
        assert second.revision > first.revision

    play(scenario)


def test_losers_get_a_conflict_and_nothing_changes(play):
    async def scenario(store: Store):
        first = await store.commit("/a", draft("1"), ABSENT)
        for expect, value in ((ABSENT, draft()), (first.revision + 7, draft()), (1, None)):
            with pytest.raises(Conflict) as caught:
                await store.commit("/a", value, expect)
            assert caught.value.revision == first.revision
        with pytest.raises(Conflict) as caught:
            await store.commit("/b", None, ANY)
        assert caught.value.revision == 0
        assert store.revision() == first.revision
        found = await store.get("/a")
        assert found is not None
        assert found.object["metadata"]["name"] == "1"

    play(scenario)


def test_of_many_parallel_increments_none_is_lost(play):
    async def scenario(store: Store):
        await store.commit("/n", draft("0"), ABSENT)

        async def increment() -> None:
            while True:
                record = await store.get("/n")
                assert record is not None
                value = int(record.object["metadata"]["name"]) + 1
                try:
                    await store.commit("/n", draft(str(value)), record.revision)
                except Conflict:
                    continue
                return

        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(increment())
        found = await store.get("/n")
        assert found is not None
        assert found.object["metadata"]["name"] == "50"

    play(scenario)


def test_commits_together_happen_all_or_not_at_all(play):
    async def scenario(store: Store):
        old = await store.commit("/old", draft("1"), ABSENT)
        async with aclosing(store.watch("/", old.revision)) as watch:
            assert await anext(watch) == []
            new, gone = await store.commit_together(
                [Write("/new", draft("2"), ABSENT), Write("/old", None, old.revision)]
            )
            batch = await anext(watch)
        assert (new.revision, gone.revision) == (old.revision + 1, old.revision + 2)
        assert [(event.key, event.deleted) for event in batch] == [("/new", False), ("/old", True)]
        for writes in (
            [Write("/third", draft(), ABSENT), Write("/new", draft(), ABSENT)],
            [Write("/third", draft(), ABSENT), Write("/old", None, ANY)],
        ):
            with pytest.raises(Conflict) as caught:
                await store.commit_together(writes)
            assert caught.value.key == writes[1].key
        assert store.revision() == gone.revision
        assert [record.key for record in (await store.list("/")).records] == ["/new"]

    play(scenario)


def test_a_deletion_returns_the_last_state_at_its_own_revision(play):
    async def scenario(store: Store):
        record = await store.commit("/a", draft("last"), ABSENT)
        gone = await store.commit("/a", None, record.revision)
        assert gone.object == {"metadata": {"resourceVersion": str(gone.revision), "name": "last"}}
        assert gone.revision == record.revision + 1
        assert await store.get("/a") is None
        again = await store.commit("/a", draft("new"), ABSENT)
        assert again.created == again.revision

    play(scenario)


def test_lists_come_in_key_order_by_page(play):
    async def scenario(store: Store):
        for name in ("b/2", "a/1", "b/10", "b/1", "c/1"):
            await store.commit(f"/{name}", draft(), ABSENT)
        page = await store.list("/b/")
        assert [record.key for record in page.records] == ["/b/1", "/b/10", "/b/2"]
        assert page.remaining == 0
        first = await store.list("/b/", limit=2)
        assert [record.key for record in first.records] == ["/b/1", "/b/10"]
        assert (first.remaining, first.revision) == (1, store.revision())
        rest = await store.list("/b/", limit=2, after="/b/10")
        assert [record.key for record in rest.records] == ["/b/2"]

    play(scenario)


def test_a_list_at_a_revision_is_the_state_of_then(play):
    async def scenario(store: Store):
        await store.commit("/x/1", draft("old"), ABSENT)
        await store.commit("/x/2", draft("old"), ABSENT)
        then = store.revision()
        await store.commit("/x/1", draft("new"), ANY)
        await store.commit("/x/2", None, ANY)
        await store.commit("/x/3", draft("new"), ABSENT)
        page = await store.list("/x/", revision=then)
        assert [(r.key, r.object["metadata"]["name"]) for r in page.records] == [
            ("/x/1", "old"),
            ("/x/2", "old"),
        ]
        assert page.revision == then
        one = await store.list("/x/", revision=then, limit=1, after="/x/1")
        assert [record.key for record in one.records] == ["/x/2"]

    play(scenario)


def test_a_watch_replays_what_was_and_goes_on_with_what_comes(play):
    async def scenario(store: Store):
        since = store.revision()
        await store.commit("/w/1", draft("a"), ABSENT)
        await store.commit("/other", draft(), ABSENT)

        async def write() -> None:
            await store.commit("/w/2", draft(), ABSENT)
            await store.commit("/w/1", draft("b"), ANY)
            await store.commit("/w/1", None, ANY)

        async with asyncio.TaskGroup() as group, aclosing(store.watch("/w/", since)) as watch:
            first = await anext(watch)
            assert [event.key for event in first] == ["/w/1"]
            group.create_task(write())
            seen = await read(watch, 3)
        assert [(key, deleted) for _, key, deleted in seen] == [
            ("/w/2", False),
            ("/w/1", False),
            ("/w/1", True),
        ]
        assert [revision for revision, _, _ in seen] == sorted(r for r, _, _ in seen)

    play(scenario)


def test_an_event_knows_the_state_before_it(play):
    async def scenario(store: Store):
        since = store.revision()
        await store.commit("/a", draft("1"), ABSENT)
        await store.commit("/a", draft("2"), ANY)
        await store.commit("/a", None, ANY)
        async with aclosing(store.watch("/a", since)) as watch:
            made, changed, gone = await anext(watch)
        assert made.previous is None
        assert changed.previous is not None
        assert changed.previous.object["metadata"]["name"] == "1"
        assert gone.previous is not None
        assert gone.record.object["metadata"]["name"] == "2"

    play(scenario)


def test_every_watcher_of_a_prefix_sees_every_change_once(play):
    async def scenario(store: Store):
        since = store.revision()
        count, watchers = 120, 7

        async def follow() -> list[int]:
            async with aclosing(store.watch("/k/", since)) as watch:
                return [revision for revision, _, _ in await read(watch, count)]

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follow()) for _ in range(watchers)]
            for number in range(count):
                group.create_task(store.commit(f"/k/{number}", draft(), ABSENT))
        for task in tasks:
            assert task.result() == list(range(since + 1, since + count + 1))

    play(scenario)


def test_revisions_out_of_range_are_refused(play):
    async def scenario(store: Store):
        for number in range(10):
            await store.commit("/a", draft(str(number)), ANY)
        now = store.revision()
        with pytest.raises(FutureRevision):
            await anext(store.watch("/", now + 1))
        with pytest.raises(FutureRevision):
            await store.list("/", revision=now + 1)
        await store.compact(now - 2)
        with pytest.raises(Compacted):
            await anext(store.watch("/", now - 3))
        with pytest.raises(Compacted):
            await store.list("/", revision=now - 3)
        async with aclosing(store.watch("/", now - 2)) as watch:
            assert [event.revision for event in await anext(watch)] == [now - 1, now]
        page = await store.list("/", revision=now - 1)
        assert page.records[0].object["metadata"]["name"] == "8"

    play(scenario)


def test_a_watcher_that_does_not_read_is_dropped_and_stops_no_writer(play, monkeypatch):
    monkeypatch.setattr("roost.store.table.WATCH_BACKLOG_EVENTS", 20)

    async def scenario(store: Store):
        async with aclosing(store.watch("/", store.revision())) as watch:
            assert list(await anext(watch)) == []
            for _ in range(30):
                await store.commit("/a", draft(), ANY)
            with pytest.raises(Compacted):
                await anext(watch)

    play(scenario)
