"""A key is not decided on before the caches have seen its last write."""

from __future__ import annotations

from fakes.cluster import Cluster, NoChance
from fakes.timeless import run
from roost.client.informer import Informers
from roost.decisions.controller import Key
from roost.decisions.resources import PODS
from roost.engine.barrier import TIMEOUT_S, Barrier, Write, seen

MARK = ("test", Key("default", "a"))


def informers(version: str, *pods: tuple[str, str, str]) -> Informers:
    found = Informers(Cluster(), NoChance())
    informer = found.informer(PODS)
    informer.version = version
    for name, uid, written in pods:
        metadata = {"name": name, "namespace": "d", "uid": uid, "resourceVersion": written}
        informer.cache.put({"metadata": metadata})
    return found


def write(version: str, uid: str = "u") -> Write:
    return Write(PODS, "d", "p", uid, version)


def test_numbers_are_compared_as_numbers() -> None:
    async def scenario() -> None:
        assert seen(write("9"), informers("10"))
        assert not seen(write("10"), informers("9"))

    run(scenario())


def test_other_versions_are_seen_when_the_cache_has_that_very_object() -> None:
    async def scenario() -> None:
        assert not seen(write("b7"), informers("c1", ("p", "u", "a3")))
        assert seen(write("b7"), informers("c1", ("p", "u", "b7")))

    run(scenario())


def test_a_deletion_is_seen_when_the_object_is_gone_ending_or_another() -> None:
    async def scenario() -> None:
        assert seen(write(""), informers("1"))
        assert not seen(write(""), informers("1", ("p", "u", "1")))
        assert seen(write(""), informers("1", ("p", "other", "1")))

    run(scenario())


def test_what_nobody_follows_is_not_waited_for() -> None:
    async def scenario() -> None:
        assert seen(write("10"), Informers(Cluster(), NoChance()))

    run(scenario())


def test_a_closed_key_opens_when_its_resource_moves() -> None:
    async def scenario() -> None:
        found = informers("9")
        barrier = Barrier(found)
        barrier.note(MARK, [write("10")], now=0.0)
        assert barrier.closed_until(MARK, 1.0) == TIMEOUT_S
        found.informer(PODS).version = "10"
        assert barrier.opened(PODS) == [MARK]
        assert barrier.closed_until(MARK, 1.0) is None

    run(scenario())


def test_a_write_that_never_shows_is_given_up_and_counted() -> None:
    async def scenario() -> None:
        barrier = Barrier(informers("9"))
        barrier.note(MARK, [write("10")], now=0.0)
        assert barrier.closed_until(MARK, TIMEOUT_S + 1) is None
        assert barrier.given_up == 1

    run(scenario())
