"""The scheduler at work over a cluster in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fakes.cluster import Cluster, NoChance, refuse
from fakes.objects import node, pod
from fakes.objects import running as run_pod
from fakes.timeless import run
from roost.api.errors import InternalError
from roost.decisions.controller import Key
from roost.decisions.resources import EVENTS, NODES, PODS
from roost.engine.scheduling import Scheduling
from roost.scheduler.profile import Profile


@asynccontextmanager
async def scheduling(cluster: Cluster, **more: Any) -> AsyncIterator[Scheduling]:
    component = Scheduling(cluster, cluster.clock, NoChance(), **more)
    task = asyncio.create_task(component.run())
    try:
        await asyncio.wait_for(component.synced.wait(), 60)
        yield component
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def nodes_of(cluster: Cluster) -> dict[str, str]:
    return {p["metadata"]["name"]: p["spec"].get("nodeName", "") for p in cluster.all(PODS)}


def test_a_burst_of_pods_is_bound_and_told() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        for name in ("a", "b"):
            cluster.add(NODES, node(name, cpu="50", pods=200))
        async with scheduling(cluster) as component:
            for number in range(100):
                cluster.add(PODS, pod(f"p{number}", cpu="500m"))
            await asyncio.sleep(5)
            placed = list(nodes_of(cluster).values())
            assert (placed.count("a"), placed.count("b")) == (50, 50)
            attempts = component.counters.attempts
            assert {key: each.total() for key, each in attempts.items()} == {
                ("default-scheduler", "scheduled"): 100
            }
            assert {tries: each.total() for tries, each in component.counters.pods.items()} == {
                1: 100
            }
            told = {e["message"] for e in cluster.all(EVENTS) if e["reason"] == "Scheduled"}
            assert f"Successfully assigned default/p7 to {nodes_of(cluster)['p7']}" in told
            assert cluster.all(EVENTS)[0]["source"] == {"component": "default-scheduler"}

    run(scenario())


def test_an_unschedulable_pod_says_why_and_comes_back_with_a_node() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="1"))
        async with scheduling(cluster):
            cluster.add(PODS, pod("p", cpu="2"))
            await asyncio.sleep(5)
            condition = cluster.find(PODS, "p", "default")["status"]["conditions"][0]
            message = (
                "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
                "1 Preemption is not helpful for scheduling."
            )
            assert (condition["type"], condition["status"]) == ("PodScheduled", "False")
            assert (condition["reason"], condition["message"]) == ("Unschedulable", message)
            failed = [e for e in cluster.all(EVENTS) if e["reason"] == "FailedScheduling"]
            assert [(e["type"], e["message"]) for e in failed] == [("Warning", message)]
            cluster.add(NODES, node("b", cpu="2"))
            await asyncio.sleep(5)
            assert nodes_of(cluster) == {"p": "b"}

    run(scenario())


def test_a_pod_that_ends_makes_room() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="2"))
        cluster.add(PODS, run_pod(pod("old", cpu="2", nodeName="a")))
        async with scheduling(cluster):
            cluster.add(PODS, pod("new", cpu="2"))
            await asyncio.sleep(30)
            assert nodes_of(cluster)["new"] == ""
            cluster.change(PODS, "old", "default", {"status": {"phase": "Succeeded"}})
            await asyncio.sleep(30)
            assert nodes_of(cluster)["new"] == "a"

    run(scenario())


def test_a_binding_that_fails_is_taken_back_and_tried_again() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="2"))
        cluster.before = refuse(InternalError("busy"), "create binding", "pods")
        async with scheduling(cluster) as component:
            cluster.add(PODS, pod("p", cpu="2"))
            await asyncio.sleep(0.5)
            assert component.counters.attempts["default-scheduler", "error"].total() == 1
            assert component.scheduler.snapshot.nodes["a"].requested.get("cpu", 0) == 0
            cluster.before = lambda verb, resource, body: None
            await asyncio.sleep(20)
            assert nodes_of(cluster) == {"p": "a"}
            assert component.scheduler.snapshot.nodes["a"].requested["cpu"] == 2000

    run(scenario())


def test_pods_of_other_schedulers_and_gated_pods_are_left_alone() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a"))
        async with scheduling(cluster):
            cluster.add(PODS, pod("other", schedulerName="mine"))
            cluster.add(PODS, pod("gated", schedulingGates=[{"name": "g"}]))
            await asyncio.sleep(400)
            assert set(nodes_of(cluster).values()) == {""}
            gates: Any = {"spec": {"schedulingGates": None}}
            cluster.change(PODS, "gated", "default", gates)
            await asyncio.sleep(1)
            assert nodes_of(cluster)["gated"] == "a"

    run(scenario())


def test_preemption_deletes_the_victim_and_takes_its_place() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="2"))
        cluster.add(PODS, run_pod(pod("low", cpu="2", nodeName="a", priority=1)))
        async with scheduling(cluster):
            cluster.add(PODS, pod("high", cpu="2", priority=10))
            await asyncio.sleep(1)
            victim = cluster.find(PODS, "low", "default")
            assert "deletionTimestamp" in victim["metadata"]
            reasons = {c["type"]: c.get("reason") for c in victim["status"]["conditions"]}
            assert reasons["DisruptionTarget"] == "PreemptionByScheduler"
            waiting = cluster.find(PODS, "high", "default")
            assert waiting["status"]["nominatedNodeName"] == "a"
            cluster.remove(PODS, "low", "default")
            await asyncio.sleep(15)
            assert nodes_of(cluster) == {"high": "a"}

    run(scenario())


def test_nothing_happens_when_nothing_changes() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a"))
        cluster.add(PODS, pod("p"))
        async with scheduling(cluster) as component:
            await asyncio.sleep(5)
            asked = len(cluster.requests)
            heartbeat: Any = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            cluster.change(NODES, "a", "", heartbeat)
            await asyncio.sleep(600)
            assert len(cluster.requests) == asked
            assert component.counters.algorithm.total() == 1

    run(scenario())


def test_room_that_was_made_is_known_again_after_a_restart() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="2"))
        cluster.add(NODES, node("b", cpu="1"))
        status = {"phase": "Pending", "nominatedNodeName": "a"}
        cluster.add(PODS, pod("high", cpu="2", priority=10, schedulingGates=[{"name": "g"}]))
        cluster.change(PODS, "high", "default", {"status": status})
        async with scheduling(cluster):
            cluster.add(PODS, pod("low", cpu="1"))
            await asyncio.sleep(5)
            assert nodes_of(cluster) == {"high": "", "low": "b"}

    run(scenario())


def test_a_more_important_pod_takes_the_room_that_was_made_for_another() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a", cpu="2"))
        cluster.add(PODS, run_pod(pod("low", cpu="2", nodeName="a", priority=1)))
        async with scheduling(cluster) as component:
            cluster.add(PODS, pod("middle", cpu="2", priority=5))
            await asyncio.sleep(1)
            assert component.scheduler.nominated[Key("default", "middle")][1] == "a"
            cluster.add(PODS, pod("high", cpu="2", priority=10))
            await asyncio.sleep(1)
            status = cluster.find(PODS, "middle", "default")["status"]
            assert not status.get("nominatedNodeName")
            assert list(component.scheduler.nominated) == [Key("default", "high")]

    run(scenario())


def test_pods_of_all_profiles_are_scheduled_and_hear_from_their_own() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NODES, node("a"))
        profiles = (Profile(), Profile("packer"))
        async with scheduling(cluster, profiles=profiles):
            for name, by in (("p", "default-scheduler"), ("q", "packer"), ("r", "another")):
                cluster.add(PODS, pod(name, schedulerName=by))
            await asyncio.sleep(5)
            assert nodes_of(cluster) == {"p": "a", "q": "a", "r": ""}

    run(scenario())
