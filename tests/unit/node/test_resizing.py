"""In-place resize: done, deferred, refused, or by a restart."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.node import World, container
from fakes.timeless import run
from roost.decisions.resources import PODS


def sized(cpu: str, **more: Any) -> dict[str, Any]:
    return container(resources={"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}, **more)


def resize(world: World, name: str, one: dict[str, Any]) -> None:
    world.cluster.change(PODS, name, "default", {"spec": {"containers": [one]}})


def conditions(world: World, name: str) -> dict[str, Any]:
    return {one["type"]: one for one in world.pod(name)["status"]["conditions"]}


def test_a_running_container_gets_its_new_limits(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", sized("1"))
        async with world.agent():
            await world.running("web")
            resize(world, "web", sized("2"))
            await world.until(lambda: world.status("web")["resources"]["limits"]["cpu"] == "2", 10)
        (spec,) = world.runtime.specs.values()
        assert spec.limits.cpu_millis == 2000
        assert world.status("web")["allocatedResources"] == {"cpu": "2"}
        assert world.status("web")["restartCount"] == 0
        assert world.notes.of("ResizeCompleted")

    run(main())


def test_what_does_not_fit_now_is_deferred_until_it_does(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", sized("1"))
        world.add_pod("other", sized("2"))
        async with world.agent():
            await world.running("web")
            await world.running("other")
            resize(world, "web", sized("3"))
            await world.until(lambda: "PodResizePending" in conditions(world, "web"), 10)
            pending = conditions(world, "web")["PodResizePending"]
            assert pending["reason"] == "Deferred"
            assert pending["message"].startswith("Node didn't have enough resource: cpu")
            assert world.status("web")["resources"]["limits"]["cpu"] == "1"
            assert world.status("web")["allocatedResources"] == {"cpu": "1"}
            world.delete("other", 1)
            await world.until(lambda: world.status("web")["resources"]["limits"]["cpu"] == "3", 60)
        assert world.runtime.calls.count(("resize", "main")) == 1

    run(main())


def test_what_can_never_fit_is_infeasible_and_changes_nothing(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", sized("1"))
        async with world.agent():
            await world.running("web")
            resize(world, "web", sized("9"))
            await asyncio.sleep(60)
        assert conditions(world, "web")["PodResizePending"]["reason"] == "Infeasible"
        assert ("resize", "main") not in world.runtime.calls
        assert world.runtime.running() == ["main"]

    run(main())


def test_a_resize_policy_may_ask_for_a_restart(world: World) -> None:
    async def main() -> None:
        policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
        world.add_pod("web", sized("1", resizePolicy=policy))
        async with world.agent():
            await world.running("web")
            resize(world, "web", sized("2", resizePolicy=policy))
            await world.until(lambda: world.runtime.calls.count(("start", "main")) == 2, 10)
            await asyncio.sleep(1)
        assert world.status("web")["restartCount"] == 1
        assert world.status("web")["resources"]["limits"]["cpu"] == "2"
        assert "Container main resize requires restart" in world.notes.of("Killing")

    run(main())
