"""Logs are rotated and images removed before they fill the disk; images and secrets as values."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.node import SETTINGS, World, container, pod
from fakes.timeless import run
from roost.decisions.resources import PODS
from roost.node.agent import NodeAgent
from roost.node.housekeeping import UsedImages, excess, removable
from roost.node.images import credentials_of, go_duration, pull_policy, registry_of
from roost.node.sources import SECRETS, Ref, Sources
from roost.runtimes.port import Credentials, Image, SandboxSpec, SandboxStatus, Usage
from roost.runtimes.simulated import SimulatedRuntime


class Disk:
    """A disk that holds as many parts of a hundred as the runtime has images, times 30."""

    def __init__(self, world: World) -> None:
        self._world = world

    def disk_used(self) -> float:
        return 0.3 * len(self._world.runtime._images)

    def file_size(self, path: str) -> int:
        return len(self._world.files.read(path) or b"")


def test_unused_images_go_when_the_disk_is_full_and_no_longer(world: World) -> None:
    async def main() -> None:
        for name in ("old:1", "old:2"):
            await world.runtime.pull_image(name, {})
        world.add_pod("web")
        tools = replace(world.tools(), space=Disk(world))
        agent = NodeAgent(SETTINGS, tools)
        task = asyncio.ensure_future(agent.run())
        await world.running("web")
        assert len(await world.runtime.list_images()) == 3
        await asyncio.sleep(310)
        left = {tag for image in await world.runtime.list_images() for tag in image.tags}
        task.cancel()
        await asyncio.wait([task])
        assert "app:1" in left
        assert len(left) == 2

    run(main())


class Rotating(SimulatedRuntime):
    """A runtime that moves logs aside, as conmon does."""

    world: World

    async def rotate_log(self, container_id: str, to: str) -> bool:
        path = self.specs[container_id].log_path
        self.world.files.write(to, self.world.files.read(path) or b"")
        self.world.files.write(path, b"")
        return True


def test_a_long_log_is_moved_aside_and_the_oldest_go(world: World) -> None:
    async def main() -> None:
        runtime = world.runtime = Rotating(world.clock.now)
        runtime.world = world
        settings = replace(SETTINGS, log_max_bytes=100, log_max_files=3)
        world.add_pod("web")
        agent = NodeAgent(settings, replace(world.tools(), space=Disk(world)))
        task = asyncio.ensure_future(agent.run())
        await world.running("web")
        (spec,) = runtime.specs.values()
        for number in range(5):
            world.files.write(spec.log_path, b"%d" % number * 200)
            await asyncio.sleep(11)
        world.files.write(spec.log_path, b"now")
        await asyncio.sleep(11)
        found = agent.find_container("default", "web", "main")
        task.cancel()
        await asyncio.wait([task])
        assert found is not None
        kept = [world.files.read(path) for path in found.log_paths]
        assert kept == [b"3" * 200, b"4" * 200, b"now"]

    run(main())


def test_a_worker_that_fails_is_begun_again_and_the_others_go_on(world: World) -> None:
    class Broken(SimulatedRuntime):
        failed = False

        async def start_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
            if spec.pod_name == "bad" and not self.failed:
                self.failed = True
                raise ArithmeticError("a defect")
            return await super().start_sandbox(spec)

    async def main() -> None:
        world.runtime = Broken(world.clock.now)
        world.add_pod("bad")
        world.add_pod("good")
        agent = NodeAgent(SETTINGS, world.tools())
        task = asyncio.ensure_future(agent.run())
        await asyncio.sleep(5)
        assert world.pod("good")["status"]["phase"] == "Running"
        await world.running("bad")
        assert agent.defects == 1
        task.cancel()
        await asyncio.wait([task])

    run(main())


def image(name: str, size: int = 1) -> Image:
    return Image(f"sha256:{name}", (f"{name}:1",), (), size)


def test_what_is_used_is_not_removable() -> None:
    images = [image("a", 1), image("b", 9), image("c", 5), image("d", 5)]
    used = UsedImages(frozenset({"sha256:a"}), frozenset({"d:1"}))
    assert [one.id for one in removable(images, used)] == ["sha256:b", "sha256:c"]


def test_the_oldest_logs_are_too_many() -> None:
    names = ["0.log", "0.log.3", "0.log.1", "0.log.2", "1.log.9"]
    assert excess(names, "0.log", 3) == ["0.log.1"]
    assert excess(names, "0.log", 5) == []


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        ({"image": "app"}, "Always"),
        ({"image": "app:latest"}, "Always"),
        ({"image": "reg:5000/app"}, "Always"),
        ({"image": "app:1"}, "IfNotPresent"),
        ({"image": "app@sha256:00"}, "IfNotPresent"),
        ({"image": "app:1", "imagePullPolicy": "Never"}, "Never"),
    ],
)
def test_pull_policies(body: dict[str, Any], policy: str) -> None:
    assert pull_policy(body) == policy


@pytest.mark.parametrize(
    ("name", "host"),
    [("nginx", "docker.io"), ("lib/nginx", "docker.io"), ("localhost/x", "localhost"),
     ("reg.example:5000/a/b:1", "reg.example:5000")],
)  # fmt: skip
def test_registries(name: str, host: str) -> None:
    assert registry_of(name) == host


def secret(kind: str, content: Any) -> dict[str, Any]:
    return {"data": {kind: base64.b64encode(json.dumps(content).encode()).decode()}}


def test_pull_secrets_of_both_kinds_and_broken_ones() -> None:
    both = base64.b64encode(b"joe:pass:word").decode()
    objects: dict[Ref, Any] = {
        Ref(SECRETS, "default", "new"): secret(
            ".dockerconfigjson",
            {"auths": {"https://index.docker.io/v1/": {"auth": both}, "r.example": {
                "username": "u", "password": "p"}}},
        ),
        Ref(SECRETS, "default", "old"): secret(".dockercfg", {"r2.example": {"auth": both}}),
        Ref(SECRETS, "default", "bad"): {"data": {".dockerconfigjson": "e30="}},
        Ref(SECRETS, "default", "gone"): None,
    }  # fmt: skip
    names = [{"name": name} for name in ("new", "old", "bad", "gone")]
    found = credentials_of(pod("web", imagePullSecrets=names), Sources(objects))
    assert found == {
        "docker.io": Credentials("joe", "pass:word"),
        "r.example": Credentials("u", "p"),
        "r2.example": Credentials("joe", "pass:word"),
    }


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0ms"), (0.35, "350ms"), (1.2344, "1.234s"), (62.5, "1m2.5s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_an_ephemeral_container_joins_a_running_pod_and_is_never_restarted(world: World) -> None:
    async def main() -> None:
        world.add_pod("web")
        async with world.agent():
            await world.running("web")
            debugger = container("debug", image="tools:1")
            world.cluster.change(
                PODS, "web", "default", {"spec": {"ephemeralContainers": [debugger]}}
            )
            await world.until(lambda: "debug" in world.runtime.running(), 10)
            status = world.runtime.container_named("debug")
            assert status is not None
            world.runtime.finish(status.id, 1)
            await asyncio.sleep(60)
        found = world.pod("web")["status"]
        assert found["phase"] == "Running"
        assert found["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 1
        assert world.runtime.calls.count(("start", "debug")) == 1
        assert world.runtime.running() == ["main"]

    run(main())


def test_the_summary_tells_what_pods_use(world: World) -> None:
    async def main() -> None:
        world.add_pod("web")
        async with world.agent() as agent:
            await world.running("web")
            first = await agent.summary()
            await asyncio.sleep(10)
            second = await agent.summary()
        assert "usageNanoCores" not in first["pods"][0]["containers"][0]["cpu"]
        (one,) = second["pods"][0]["containers"]
        assert one["name"] == "main"
        assert one["cpu"]["usageNanoCores"] == 0
        assert one["memory"]["workingSetBytes"] == 1 << 20
        assert second["node"]["nodeName"] == "node-1"

    run(main())


def test_a_node_uses_what_its_machine_uses(world: World) -> None:
    class Busy:
        spent_s = 100.0

        def usage(self) -> Usage:
            self.spent_s += 20.0
            return Usage("", self.spent_s, 3 << 30, 1 << 30, 7)

    async def main() -> None:
        world.machine = Busy()
        world.add_pod("web")
        async with world.agent() as agent:
            await world.running("web")
            await agent.summary()
            await asyncio.sleep(10)
            seen = await agent.summary()
        assert seen["node"]["cpu"]["usageNanoCores"] == 2_000_000_000
        assert seen["node"]["memory"]["workingSetBytes"] == 3 << 30
        assert [len(pod["containers"]) for pod in seen["pods"]] == [1]

    run(main())


def test_whoever_asks_every_second_is_told_what_was_used_lately(world: World) -> None:
    """`kubectl top` looks twice within a second; watching it must not keep rates from being told."""
    spent = 0.0

    measure = world.runtime.usage

    async def use() -> list[Usage]:
        return [replace(one, cpu_seconds=spent) for one in await measure()]

    async def main() -> list[int | None]:
        nonlocal spent
        world.add_pod("web")
        world.runtime.usage = use  # type: ignore[method-assign]  # what a test decides is used
        rates = []
        async with world.agent() as agent:
            await world.running("web")
            for second in range(30):
                seen = await agent.summary()
                rates.append(seen["pods"][0]["containers"][0]["cpu"].get("usageNanoCores"))
                spent += 0.5 if second < 10 else 0.0
                await asyncio.sleep(1)
        return rates

    rates = run(main())
    assert rates[:3] == [None, 500_000_000, 500_000_000]
    assert rates[-1] == 0
