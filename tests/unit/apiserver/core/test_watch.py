"""Watches: where they start, what they share, how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from roost.apiserver.feed import Recent

MAPS = "/api/v1/namespaces/n/configmaps"
MERGE = "application/merge-patch+json"
Play = Callable[[Callable[[Any], Any]], None]


def cm(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


def test_without_a_version_the_state_comes_first(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("a"))
        watching = await asker.watch(f"{MAPS}?watch=1")
        await watching.until(1)
        await asker.ask("POST", MAPS, cm("b"))
        events = await watching.until(2)
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
            ("ADDED", "a"), ("ADDED", "b"),
        ]  # fmt: skip
        await watching.end()

    play(scene)


def test_initial_events_end_with_a_bookmark(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("a"))
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        watching = await asker.watch(f"{MAPS}?{query}&allowWatchBookmarks=true")
        mark = (await watching.until(2))[1]
        assert mark["type"] == "BOOKMARK"
        metadata = mark["object"]["metadata"]
        assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert metadata["resourceVersion"] == "2"
        await watching.end()

    play(scene)


def test_the_bookmark_after_initial_events_waits_for_a_start_in_the_future(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("a"))
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=4"
        watching = await asker.watch(f"{MAPS}?{query}&allowWatchBookmarks=true")
        await watching.until(1)
        await asyncio.sleep(2)
        for name in ("b", "c", "d"):
            await asker.ask("POST", MAPS, cm(name))
        events = await watching.until(3)
        assert [(e["type"], e["object"]["metadata"].get("name", "")) for e in events] == [
            ("ADDED", "a"), ("ADDED", "d"), ("BOOKMARK", ""),
        ]  # fmt: skip
        mark = events[2]["object"]["metadata"]
        assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert mark["resourceVersion"] == "5"
        await watching.end()

    play(scene)


def test_watchers_of_one_form_share_their_frames(play: Play) -> None:
    async def scene(asker: Any) -> None:
        watches = [await asker.watch(f"{MAPS}?watch=1&resourceVersion=1") for _ in range(3)]
        await asyncio.sleep(0)
        await asker.ask("POST", MAPS, cm("a"))
        for watching in watches:
            await watching.until(1)
        assert watches[0].writes[0] is watches[1].writes[0] is watches[2].writes[0]
        for watching in watches:
            await watching.end()

    play(scene)


def test_a_start_in_the_future_waits_for_it(play: Play) -> None:
    async def scene(asker: Any) -> None:
        watching = await asker.watch(f"{MAPS}?watch=1&resourceVersion=3")
        await asyncio.sleep(0)
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name))
        events = await watching.until(1)
        assert events[0]["object"]["metadata"]["name"] == "c"
        await watching.end()

    play(scene)


def test_a_start_that_is_too_old_is_an_error_event(play: Play) -> None:
    async def scene(asker: Any) -> None:
        feed = asker.api.feed
        for name in "ab":
            await asker.ask("POST", MAPS, cm(name))
        await asker.api.core.store.compact(3)
        feed._start = 3  # what a server that started after the compaction has
        feed._topics.clear()
        feed.revision = 3
        watching = await asker.watch(f"{MAPS}?watch=1&resourceVersion=2")
        events = await watching.until(1)
        assert events[0]["type"] == "ERROR"
        assert events[0]["object"]["message"] == "too old resource version: 2 (3)"
        assert events[0]["object"]["code"] == 410
        await watching.task

    play(scene)


def test_old_changes_come_from_the_store(play: Play) -> None:
    async def scene(asker: Any) -> None:
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name))
        await asyncio.sleep(0.01)
        feed = asker.api.feed
        feed._topics.clear()
        feed._start = feed.revision
        watching = await asker.watch(f"{MAPS}?watch=1&resourceVersion=2")
        await watching.until(2)
        await asker.ask("POST", MAPS, cm("d"))
        events = await watching.until(3)
        assert [event["object"]["metadata"]["name"] for event in events] == ["b", "c", "d"]
        await watching.end()

    play(scene)


def test_a_watch_of_one_object_sees_nothing_else(play: Play) -> None:
    async def scene(asker: Any) -> None:
        watching = await asker.watch(f"{MAPS}?watch=1&fieldSelector=metadata.name%3Db")
        await asyncio.sleep(0)
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name))
        await asker.ask("DELETE", f"{MAPS}/b")
        events = await watching.until(2)
        assert [event["type"] for event in events] == ["ADDED", "DELETED"]
        await asyncio.sleep(0.01)
        assert len(watching.events) == 2
        await watching.end()

    play(scene)


def test_only_the_first_table_has_the_columns(play: Play) -> None:
    async def scene(asker: Any) -> None:
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        watching = await asker.watch(f"{MAPS}?watch=1", accept=table)
        await asyncio.sleep(0)
        for name in "ab":
            await asker.ask("POST", MAPS, cm(name))
        first, second = await watching.until(2)
        assert first["object"]["columnDefinitions"]
        assert second["object"]["columnDefinitions"] is None
        await watching.end()

    play(scene)


def test_nobody_is_left_in_the_feed(play: Play) -> None:
    async def scene(asker: Any) -> None:
        watching = await asker.watch(f"{MAPS}?watch=1&resourceVersion=1")
        await asyncio.sleep(0)
        await watching.end()
        await asker.ask("POST", MAPS, cm("a"))
        topics = asker.api.feed._topics.values()
        assert all(not topic.audiences for topic in topics)

    play(scene)


def test_a_form_that_fails_ends_only_its_own_watches(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(asker: Any) -> None:
        good = await asker.watch(f"{MAPS}?watch=1&resourceVersion=1")
        bad = await asker.watch(f"{MAPS}?watch=1&resourceVersion=1&labelSelector=a%3Db")
        await asyncio.sleep(0)
        (topic,) = asker.api.feed._topics.values()
        forms = [a for p in topic.audiences.values() for a in p.by_form.values()]
        audience = next(a for a in forms if bad_of(a, bad))
        audience.render = fail
        await asker.ask("POST", MAPS, cm("a"))
        await good.until(1)
        await bad.task
        assert not bad.events
        await asker.ask("POST", MAPS, cm("b"))
        await good.until(2)
        await good.end()

    play(scene)
    (record,) = caplog.records  # once, though changes go on
    told = record.getMessage()
    assert told.startswith("1 watches of /registry/core/configmaps/ end")
    assert "KeyError: 'spec'" in told


def test_recent_changes_are_bounded_in_bytes(play: Play) -> None:
    async def scene(asker: Any) -> None:
        feed = asker.api.feed
        feed._recent = Recent(8_000)
        for number in range(20):
            await asker.ask("POST", MAPS, {**cm(f"big{number}"), "data": {"a": "b" * 1000}})
        await asker.ask("POST", MAPS, cm("last"))
        for _ in range(100):
            await asyncio.sleep(0)
        (topic,) = feed._topics.values()
        kept = [event.revision for event in topic.recent]
        assert 2 < len(kept) < 8
        assert topic.floor == kept[0] - 1
        old = await asker.watch(f"{MAPS}?watch=1&resourceVersion=1")  # from the store
        await old.until(21)
        await old.end()

    play(scene)


def bad_of(audience: Any, watching: Any) -> bool:
    return any(member.deliver.__self__ is watching for member in audience.members)


def fail(_events: Any) -> None:
    raise KeyError("spec")


def test_who_watches_one_node_is_told_of_its_pods_alone(play: Play) -> None:
    pods = "/api/v1/namespaces/default/pods"

    async def scene(asker: Any) -> None:
        here, there = [
            await asker.watch(
                f"{pods}?watch=1&resourceVersion=1&fieldSelector=spec.nodeName%3D{node}"
            )
            for node in ("n1", "n2")
        ]
        everywhere = await asker.watch(f"{pods}?watch=1&resourceVersion=1")
        for name in ("a", "b"):
            await asker.ask("POST", pods, pod_on(name, ""))
        for name, node in (("a", "n1"), ("b", "n2")):
            target = {"target": {"kind": "Node", "name": node}, "metadata": {"name": name}}
            await asker.ask("POST", f"{pods}/{name}/binding", target)
        await asker.ask("DELETE", f"{pods}/a?gracePeriodSeconds=0")
        await everywhere.until(6)
        await here.until(3)
        await there.until(1)
        assert {e["object"]["metadata"]["name"] for e in here.events} == {"a"}
        assert [e["type"] for e in here.events] == ["ADDED", "MODIFIED", "DELETED"]
        assert [e["object"]["metadata"]["name"] for e in there.events] == ["b"]
        for watching in (here, there, everywhere):
            await watching.end()
        assert not asker.api.feed._topics["/registry/core/pods/"].audiences

    play(scene)


def pod_on(name: str, node: str) -> Any:
    spec = {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
