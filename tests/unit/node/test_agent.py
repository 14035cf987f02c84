"""The agent over the simulated runtime: pods come up, restart, and go."""

from __future__ import annotations

import asyncio

from fakes.timeless import run

from .conftest import World


def test_a_pod_reaches_running(world: World) -> None:
    async def main() -> None:
        world.add_pod("web")
        async with world.agent():
            await world.running("web")
            await asyncio.sleep(1)
        status = world.pod("web")["status"]
        assert status["podIP"] == "10.244.0.3"
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        assert world.status("web")["state"]["running"]["startedAt"]
        assert world.runtime.running() == ["main"]

    run(main())
