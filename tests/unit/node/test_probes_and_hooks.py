"""Probes and hooks, over the simulated runtime."""

from __future__ import annotations

import asyncio

import pytest

from fakes.node import World, container
from fakes.timeless import run
from roost.node.probing import Streak, after
from roost.runtimes.behaviour import Behaviour

IP = "10.244.0.3"


def http(path: str = "/", port: object = 80, **more: object) -> dict[str, object]:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 5, **more}


def ready(world: World, name: str = "web") -> bool:
    statuses = world.pod(name)["status"].get("containerStatuses") or [{}]
    return bool(statuses[0].get("ready"))


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ([True], [True]),
        ([False, False, False], [None, None, False]),
        ([True, False, False, True], [True, True, True, True]),
        ([False, False, False, True], [None, None, False, True]),
    ],
)
def test_an_outcome_turns_at_its_threshold(
    answers: list[bool], outcomes: list[bool | None]
) -> None:
    streak = Streak()
    found = []
    for answer in answers:
        streak = after(streak, answer, {"successThreshold": 1, "failureThreshold": 3})
        found.append(streak.outcome)
    assert found == outcomes


def test_readiness_follows_the_probe(world: World) -> None:
    async def main() -> None:
        url = f"http://{IP}:8080/ready"
        probe = http("/ready", "http", failureThreshold=1)
        ports = [{"name": "http", "containerPort": 8080}]
        world.add_pod("web", container(readinessProbe=probe, ports=ports))
        async with world.agent():
            await world.running("web")
            await asyncio.sleep(7)
            assert not ready(world)
            conditions = {c["type"]: c for c in world.pod("web")["status"]["conditions"]}
            assert conditions["Ready"]["message"] == "containers with unready status: [main]"
            world.reach.pages[url] = (200, b"")
            await world.until(lambda: ready(world), 6)
            world.reach.pages[url] = (503, b"")
            await world.until(lambda: not ready(world), 6)
        assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in world.notes.of(
            "Unhealthy"
        )
        assert world.runtime.running() == ["main"]

    run(main())


def test_a_failed_liveness_probe_restarts_with_the_probes_own_grace(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(stop_s=1e9)
        probe = http(failureThreshold=2, terminationGracePeriodSeconds=3)
        world.add_pod("web", container(livenessProbe=probe))
        async with world.agent():
            await world.running("web")
            await world.until(lambda: world.runtime.calls.count(("start", "main")) == 2, 30)
            await asyncio.sleep(1)
            status = world.status("web")
        assert status["restartCount"] == 1
        assert status["lastState"]["terminated"]["exitCode"] == 137
        assert "Container main failed liveness probe, will be restarted" in world.notes.of(
            "Killing"
        )

    run(main())


def test_liveness_waits_for_startup(world: World) -> None:
    async def main() -> None:
        startup = http("/start", failureThreshold=30)
        world.add_pod(
            "web",
            container(startupProbe=startup, livenessProbe=http("/live"), readinessProbe=http("/r")),
        )
        async with world.agent():
            await world.running("web")
            await asyncio.sleep(20)
            assert {url.rpartition("/")[2] for url in world.reach.asked} == {"start"}
            assert world.status("web")["started"] is False
            for path in ("start", "live", "r"):
                world.reach.pages[f"http://{IP}:80/{path}"] = (200, b"")
            await world.until(lambda: ready(world), 20)
            assert world.status("web")["started"] is True
            count = world.reach.asked.count(f"http://{IP}:80/start")
            await asyncio.sleep(20)
            assert world.reach.asked.count(f"http://{IP}:80/start") == count
        assert world.runtime.running() == ["main"]

    run(main())


def test_a_startup_probe_that_never_passes_restarts_the_container(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", container(startupProbe=http(failureThreshold=2)))
        async with world.agent():
            await world.until(lambda: world.runtime.calls.count(("start", "main")) == 2, 60)
        assert "Container main failed startup probe, will be restarted" in world.notes.of("Killing")

    run(main())


def test_exec_and_tcp_probes(world: World) -> None:
    async def main() -> None:
        world.reach.listening.add((IP, 5432))
        world.add_pod(
            "web",
            container(
                livenessProbe={"exec": {"command": ["cat", "/ok"]}, "periodSeconds": 5},
                readinessProbe={"tcpSocket": {"port": 5432}, "periodSeconds": 5},
            ),
        )
        async with world.agent():
            await world.until(lambda: ready(world), 20)
            await asyncio.sleep(30)
        assert ("exec", "cat /ok") in world.runtime.calls
        assert world.runtime.running() == ["main"]

    run(main())


def test_a_failed_post_start_hook_kills_the_container(world: World) -> None:
    async def main() -> None:
        hook = {"postStart": {"httpGet": {"path": "/hook", "port": 80}}}
        world.add_pod("web", container(lifecycle=hook), restartPolicy="Never")
        async with world.agent():
            await world.until(lambda: world.pod("web")["status"]["phase"] == "Failed", 60)
        assert world.notes.of("FailedPostStartHook")
        assert ("stop", "main") in world.runtime.calls

    run(main())


def test_the_pre_stop_hook_runs_before_the_signal_and_within_the_grace(world: World) -> None:
    async def main() -> None:
        hook = {"preStop": {"sleep": {"seconds": 5}}}
        world.add_pod("web", container(lifecycle=hook))
        async with world.agent():
            await world.running("web")
            began = asyncio.get_running_loop().time()
            world.delete("web", 30)
            await world.until(lambda: ("stop", "main") in world.runtime.calls)
            assert 4.9 < asyncio.get_running_loop().time() - began < 6
        assert world.notes.of("FailedPreStopHook") == []

    run(main())


def test_a_pre_stop_hook_that_takes_too_long_is_cut_off(world: World) -> None:
    async def main() -> None:
        hook = {"preStop": {"sleep": {"seconds": 500}}}
        world.add_pod("web", container(lifecycle=hook))
        async with world.agent():
            await world.running("web")
            began = asyncio.get_running_loop().time()
            world.delete("web", 10)
            await world.until(lambda: world.gone("web"))
            assert 9.9 < asyncio.get_running_loop().time() - began < 14
        assert world.notes.of("FailedPreStopHook")

    run(main())


def test_a_shorter_deletion_cuts_a_long_one_short(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(stop_s=1e9)
        world.add_pod("web")
        async with world.agent():
            await world.running("web")
            began = asyncio.get_running_loop().time()
            world.delete("web", 600)
            await asyncio.sleep(10)
            world.delete("web", 2)
            await world.until(lambda: world.gone("web"))
            assert 11 < asyncio.get_running_loop().time() - began < 15

    run(main())


def test_an_adopted_container_keeps_its_readiness(world: World) -> None:
    async def main() -> None:
        world.reach.pages[f"http://{IP}:80/"] = (200, b"")
        world.add_pod("web", container(readinessProbe=http()))
        async with world.agent():
            await world.until(lambda: ready(world), 20)
        async with world.agent():
            for _ in range(100):
                await asyncio.sleep(0.2)
                assert ready(world)

    run(main())
