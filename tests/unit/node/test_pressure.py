"""What a node does that runs low on memory, disk or process numbers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.node import NODE, World, container, pod
from fakes.timeless import run
from roost.adapters.real.levels import MachineLevels
from roost.adapters.virtual.levels import GivenLevels
from roost.adapters.virtual.trees import MemoryTrees
from roost.decisions.resources import NODES
from roost.node.facts import Verdict
from roost.node.pressure import Pressure, Taken, eviction, first_to_go, pressed, refusal
from roost.node.storage import Size
from roost.node.thresholds import DEFAULT, Level, Threshold, parse_thresholds
from roost.runtimes.behaviour import Behaviour

MEMORY = "memory.available"
MIB = 1 << 20


def asking(memory: str, **more: Any) -> Any:
    return container(resources={"requests": {"memory": memory}}, **more)


# -- --eviction-hard


def test_thresholds_are_written_as_the_kubelet_s():
    assert parse_thresholds("memory.available<100Mi, nodefs.available < 10%") == (
        Threshold(MEMORY, "100Mi"),
        Threshold("nodefs.available", percent=10),
    )
    assert parse_thresholds("") == ()
    assert parse_thresholds("nodefs.available<0%,imagefs.available<100%") == ()
    assert [one.signal for one in parse_thresholds(DEFAULT)] == [
        MEMORY, "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("memory.free<1", "unsupported eviction signal memory.free"),
        ("memory.available", "'memory.available' is no threshold like memory.available<100Mi"),
        ("memory.available<1,", "'' is no threshold"),
        ("memory.available<-1", "eviction threshold memory.available must be positive: -1"),
        ("memory.available<0", "eviction threshold memory.available must be positive: 0"),
        ("memory.available<much", "eviction threshold memory.available is no quantity: much"),
        ("nodefs.available<x%", "eviction threshold nodefs.available is no percentage: x%"),
        ("nodefs.available<101%", "must be between 0% and 100%: 101%"),
        ("pid.available<1,pid.available<2", "there are two thresholds for pid.available"),
    ],
)
def test_what_is_no_threshold_is_named(text, why):
    with pytest.raises(ValueError) as refused:
        parse_thresholds(text)
    assert why in str(refused.value)


# -- conditions


def test_a_condition_comes_at_once_and_goes_five_minutes_after_its_threshold():
    thresholds = parse_thresholds("memory.available<100,nodefs.inodesFree<5%")
    low = {MEMORY: Level(99, 1000), "nodefs.inodesFree": Level(50, 1000)}
    seen = pressed(Pressure(), thresholds, low, 1000.0)
    assert seen.crossed == (thresholds[0],)
    assert seen.conditions(1000.0) == ("MemoryPressure",)
    high = {MEMORY: Level(100, 1000), "nodefs.inodesFree": Level(49, 1000)}
    seen = pressed(seen, thresholds, high, 1010.0)
    assert seen.crossed == (thresholds[1],)
    assert seen.conditions(1299.9) == ("DiskPressure", "MemoryPressure")
    assert seen.conditions(1300.0) == ("DiskPressure",)
    assert pressed(seen, thresholds, {}, 1310.0).conditions(1310.0) == ()


def test_memory_is_the_most_urgent():
    thresholds = parse_thresholds("pid.available<10,nodefs.available<10,memory.available<10")
    levels = {one.signal: Level(1, 100) for one in thresholds}
    crossed = pressed(Pressure(), thresholds, levels, 0.0).crossed
    assert [one.signal for one in crossed] == [MEMORY, "pid.available", "nodefs.available"]


TOLERANT = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("body", "conditions", "refused"),
    [
        (pod("p"), [], ""),
        (pod("p"), ["MemoryPressure"], "[MemoryPressure]"),
        (pod("p", asking("1Mi")), ["MemoryPressure"], ""),
        (pod("p", tolerations=TOLERANT), ["MemoryPressure"], ""),
        (pod("p", asking("1Mi")), ["DiskPressure"], "[DiskPressure]"),
        (
            pod("p", tolerations=TOLERANT),
            ["DiskPressure", "MemoryPressure"],
            "[DiskPressure MemoryPressure]",
        ),
        (pod("p", priority=2_000_000_000), ["DiskPressure"], ""),
    ],
)
def test_who_is_refused(body, conditions, refused):
    verdict = Verdict("Evicted", f"Pod was rejected: The node had condition: {refused}. ")
    assert refusal(body, conditions) == (verdict if refused else None)


# -- who goes


def order(resource: str, *pods: tuple[Any, Taken]) -> list[str]:
    return [one["metadata"]["name"] for one in first_to_go(pods, resource)]


def test_who_takes_more_memory_than_requested_goes_first_then_by_priority_then_by_how_much():
    assert order(
        "memory",
        (pod("within", asking("100Mi")), Taken(memory=90 * MIB)),
        (pod("dear", asking("1Mi"), priority=10), Taken(memory=900 * MIB)),
        (pod("little", asking("50Mi")), Taken(memory=60 * MIB)),
        (pod("much"), Taken(memory=20 * MIB)),
        (pod("unknown", priority=100), Taken()),
    ) == ["unknown", "much", "little", "dear", "within"]


def test_who_takes_process_numbers_goes_by_priority():
    assert order(
        "pids",
        (pod("dear", priority=1), Taken(processes=100)),
        (pod("few"), Taken(processes=1)),
        (pod("many"), Taken(processes=9)),
    ) == ["many", "few", "dear"]


def test_who_fills_the_disk_goes_by_what_it_wrote():
    asked = container(resources={"requests": {"ephemeral-storage": "1Gi"}})
    pods = (
        (pod("asked", asked), Taken(disk=Size(100, 50))),
        (pod("small"), Taken(disk=Size(1, 30))),
        (pod("big"), Taken(disk=Size(50, 20))),
    )
    assert order("ephemeral-storage", *pods) == ["big", "small", "asked"]
    assert order("inodes", *pods[1:]) == ["small", "big"]


def test_what_an_evicted_pod_is_told():
    threshold = Threshold(MEMORY, "100Mi")
    body = pod("p", container("a"), asking("4Mi", name="b"), asking("1Gi", name="c"))
    used = {"a": 5 * MIB, "b": 5 * MIB + 1, "c": 9}
    taken = Taken(memory=10 * MIB, containers=used)
    found = eviction(body, taken, threshold, {MEMORY: Level(90112, 1 << 30)})
    assert found.disruption
    assert found.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Ki. "
        "Container a was using 5Mi, request is 0, has larger consumption of memory. "
        "Container b was using 5242881, request is 4Mi, has larger consumption of memory. "
    )


def test_what_a_pod_with_resources_of_its_own_is_told():
    body = pod("p", resources={"requests": {"memory": "1Gi"}})
    taken = Taken(memory=MIB, containers={})
    threshold = Threshold("pid.available", percent=10)
    words = eviction(
        body, taken, replace(threshold, signal=MEMORY), {MEMORY: Level(1, 100)}
    ).message
    assert words.endswith("Pod p was using 1Mi, request is 1Gi, has larger consumption of memory. ")
    words = eviction(body, Taken(), threshold, {"pid.available": Level(2, 30)}).message
    assert words == "The node was low on resource: pids. Threshold quantity: 3, available: 2. "


# -- the machine, and the agent


def test_this_machine_has_levels(tmp_path: Path):
    levels = MachineLevels(tmp_path, tmp_path).read()
    assert {MEMORY, "nodefs.available", "imagefs.available", "pid.available"} <= set(levels)
    for signal, level in levels.items():
        assert 0 <= level.available <= level.capacity, signal


def conditions(world: World) -> dict[str, Any]:
    node = world.cluster.find(NODES, NODE)
    return {one["type"]: one for one in (node or {}).get("status", {}).get("conditions", [])}


def test_a_node_without_memory_evicts_one_pod_each_ten_seconds(world: World) -> None:
    async def main() -> None:
        world.levels = levels = GivenLevels()
        levels.known[MEMORY] = Level(1 << 30, 8 << 30)
        world.behaviours["main"] = Behaviour(memory_bytes=10 * MIB)
        for name, body in (("asked", asking("20Mi")), ("a", container()), ("b", container())):
            world.add_pod(name, body)
        world.add_pod("vital", priority=2_000_000_000)
        async with world.agent():
            for name in ("asked", "a", "b", "vital"):
                await world.running(name)
            await asyncio.sleep(20)
            assert conditions(world)["MemoryPressure"]["status"] == "False"
            levels.known[MEMORY] = Level(50 * MIB, 8 << 30)

            def failed() -> list[str]:
                names = ("asked", "a", "b", "vital")
                return [one for one in names if world.pod(one)["status"]["phase"] == "Failed"]

            await world.until(lambda: len(failed()) == 1, 12)
            first = failed()[0]
            assert first in {"a", "b"}
            await asyncio.sleep(5)
            assert failed() == [first]
            await world.until(lambda: sorted(failed()) == ["a", "b"], 8)
            status = world.pod(first)["status"]
            assert status["reason"] == "Evicted"
            message = (
                "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
                "Container main was using 10Mi, request is 0, has larger consumption of memory. "
            )
            assert status["message"] == message
            target = next(one for one in status["conditions"] if one["type"] == "DisruptionTarget")
            assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
            assert target["message"] == message
            assert "Attempting to reclaim memory" in world.notes.of("EvictionThresholdMet")

            levels.known[MEMORY] = Level(1 << 30, 8 << 30)
            await asyncio.sleep(30)
            assert failed() == ["a", "b"]
            shown = conditions(world)["MemoryPressure"]
            assert (shown["status"], shown["reason"], shown["message"]) == (
                "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
            )  # fmt: skip
            world.add_pod("late")
            await world.until(lambda: world.pod("late")["status"].get("phase") == "Failed", 5)
            late = world.pod("late")["status"]
            assert late["reason"] == "Evicted"
            assert late["message"] == (
                "Pod was rejected: The node had condition: [MemoryPressure]. "
            )
            assert world.notes.of("Evicted")[-1] == "The node had condition: [MemoryPressure]. "
            await asyncio.sleep(300)
            assert conditions(world)["MemoryPressure"]["status"] == "False"
            assert world.notes.of("NodeHasInsufficientMemory") == [
                f"Node {NODE} status is now: NodeHasInsufficientMemory"
            ]
            assert len(world.notes.of("NodeHasSufficientMemory")) == 1
            world.add_pod("later")
            await world.running("later")

    run(main())


def test_unused_images_go_before_pods(world: World) -> None:
    async def main() -> None:
        world.trees = MemoryTrees(world.files)
        await world.runtime.pull_image("old:1", {})
        images = world.runtime._images

        class Disk:
            def read(self) -> dict[str, Level]:
                return {"imagefs.available": Level(10 - 5 * ("old:1" in images), 100)}

        world.levels = Disk()
        world.add_pod("web")
        async with world.agent():
            await world.until(lambda: "old:1" not in images, 15)
            await asyncio.sleep(60)
            assert conditions(world)["DiskPressure"]["reason"] == "KubeletHasDiskPressure"

    world.settings = replace(world.settings, eviction_hard=parse_thresholds("imagefs.available<8%"))
    run(main())
