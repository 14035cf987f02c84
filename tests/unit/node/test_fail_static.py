"""Nothing but a complete, authenticated list may stop a container, and an agent's end stops none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from fakes.node import World, container
from fakes.timeless import run
from roost.api.errors import (
    Forbidden,
    InternalError,
    NotFound,
    ServiceUnavailable,
    Unauthorized,
)
from roost.api.values import Object
from roost.client.port import ObjectList, Query, WatchEvent
from roost.decisions.resources import CONFIG_MAPS, PODS
from roost.runtimes.behaviour import Behaviour


def _raise(error: Exception) -> Callable[[], ObjectList]:
    def answer() -> ObjectList:
        raise error

    return answer


ANSWERS: dict[str, Callable[[], ObjectList]] = {
    "401": _raise(Unauthorized("Unauthorized")),
    "403": _raise(Forbidden("pods is forbidden")),
    "404": _raise(NotFound("the server could not find the requested resource")),
    "500": _raise(InternalError("etcd is away")),
    "503": _raise(ServiceUnavailable("starting")),
    "bad JSON": _raise(ValueError("Expecting value")),
    "refused": _raise(ConnectionRefusedError("connection refused")),
    "timeout": _raise(TimeoutError()),
    "empty body": lambda: ObjectList([], ""),
    "wrong kind": lambda: ObjectList([{"kind": "Secret", "metadata": {"name": "x"}}], "5"),
    "pods of another node": lambda: ObjectList(
        [{"metadata": {"uid": "u", "name": "x"}, "spec": {"nodeName": "other"}}], "5"
    ),
    "not a list": lambda: ObjectList([None], "5"),  # type: ignore[list-item] # what garbage is
    "half a list": lambda: ObjectList([], "5", "more"),
}


class Broken:
    """A client that answers nothing but `answer` to lists and an error to all else."""

    def __init__(self, answer: Callable[[], ObjectList]) -> None:
        self._answer = answer
        self._pages = 0

    async def list(self, query: Query, **options: Any) -> ObjectList:
        del query
        if options.get("continue_token"):
            raise ServiceUnavailable("the connection broke")
        return self._answer()

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        if query.resource is not None:
            raise ServiceUnavailable(f"no watch from {resource_version}")
        yield []

    async def get(self, *_args: Any, **_options: Any) -> Object:
        raise ServiceUnavailable("away")

    create = update = patch = delete = get


async def _up(world: World) -> None:
    """Bring up a pod and end the agent."""
    world.add_pod("web", container(), initContainers=[container("init")])
    world.behaviours["init"] = Behaviour(run_s=1.0)
    async with world.agent():
        await world.running("web")
        await asyncio.sleep(1)
    assert world.runtime.running() == ["main"]
    world.runtime.calls.clear()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_no_bad_answer_stops_anything(world: World, answer: Callable[[], ObjectList]) -> None:
    async def main() -> None:
        await _up(world)
        async with world.agent(Broken(answer)):
            await asyncio.sleep(600)
        assert world.runtime.running() == ["main"]
        assert world.runtime.calls == []

    run(main())


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_not_even_when_the_agent_lost_all_its_records(
    world: World, answer: Callable[[], ObjectList]
) -> None:
    async def main() -> None:
        await _up(world)
        world.files.content.clear()
        async with world.agent(Broken(answer)):
            await asyncio.sleep(600)
        assert world.runtime.running() == ["main"]
        assert world.runtime.calls == []

    run(main())


def test_an_agent_that_starts_again_changes_nothing(world: World) -> None:
    async def main() -> None:
        await _up(world)
        before = world.pod("web")
        async with world.agent():
            await asyncio.sleep(60)
        assert world.runtime.calls == []
        after = world.pod("web")
        assert after["status"] == before["status"]
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]

    run(main())


def test_without_records_the_pod_is_adopted_from_runtime_and_api(world: World) -> None:
    async def main() -> None:
        await _up(world)
        world.files.content.clear()
        async with world.agent():
            await asyncio.sleep(60)
        assert world.runtime.calls == []
        assert world.status("web")["restartCount"] == 0
        assert world.status("web")["ready"] is True
        assert world.status("web", "init")["state"]["terminated"]["exitCode"] == 0

    run(main())


def test_what_ended_meanwhile_is_handled_by_policy_with_its_true_code(world: World) -> None:
    async def main() -> None:
        await _up(world)
        status = world.runtime.container_named("main")
        assert status is not None
        world.runtime.finish(status.id, 42)
        async with world.agent():
            await asyncio.sleep(5)
        main = world.status("web")
        assert main["restartCount"] == 1
        assert main["lastState"]["terminated"]["exitCode"] == 42
        assert ("start", "init") not in world.runtime.calls

    run(main())


def test_pods_that_a_complete_list_lacks_are_stopped_with_grace(world: World) -> None:
    async def main() -> None:
        await _up(world)
        world.behaviours["main"] = Behaviour()
        world.cluster.remove(PODS, "web", "default")
        async with world.agent():
            await asyncio.sleep(60)
        assert ("stop", "main") in world.runtime.calls
        assert world.runtime.running() == []
        assert await world.runtime.recover() == []

    run(main())


def test_strays_without_record_are_stopped_only_after_a_complete_list(world: World) -> None:
    async def main() -> None:
        await _up(world)
        world.files.content.clear()
        world.cluster.remove(PODS, "web", "default")
        (box,) = await world.runtime.recover()
        log = f"/data/logs/default_web_{box.pod_uid}/main/0.log"
        world.files.write(log, b"kept while it runs")
        world.files.write("/data/pods/long-gone/etc-hosts", b"")
        async with world.agent(Broken(ANSWERS["503"])):
            await asyncio.sleep(100)
        assert world.runtime.running() == ["main"]
        assert world.files.read("/data/pods/long-gone/etc-hosts") is not None
        async with world.agent():
            await asyncio.sleep(1)
            assert world.files.read("/data/pods/long-gone/etc-hosts") is None
            await asyncio.sleep(60)
        assert world.runtime.running() == []
        assert await world.runtime.recover() == []
        assert world.files.read(log) is None

    run(main())


def test_with_the_server_away_containers_are_still_restarted(world: World) -> None:
    async def main() -> None:
        world.cluster.add(
            CONFIG_MAPS, {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"k": "v"}}
        )
        source = {"configMapKeyRef": {"name": "cfg", "key": "k"}}
        world.add_pod("web", container(env=[{"name": "K", "valueFrom": source}]))
        async with world.agent():
            await world.running("web")
            await asyncio.sleep(40)
        first = world.runtime.container_named("main")
        assert first is not None
        async with world.agent(Broken(ANSWERS["refused"])):
            await asyncio.sleep(5)
            world.runtime.finish(first.id, 1)
            await asyncio.sleep(20)
        second = world.runtime.container_named("main")
        assert second is not None
        assert (second.attempt, second.state) == (1, "Running")
        env = dict(world.runtime.specs[second.id].env)
        assert env["K"] == "v"
        assert env["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"

    run(main())


def test_a_server_that_comes_back_gets_the_status_it_missed(world: World) -> None:
    async def main() -> None:
        await _up(world)
        first = world.runtime.container_named("main")
        assert first is not None

        def away(verb: str, _resource: Any, _body: Object) -> None:
            raise ServiceUnavailable(verb)

        async with world.agent():
            await asyncio.sleep(5)
            world.cluster.before = away
            world.runtime.finish(first.id, 9)
            await asyncio.sleep(120)
            world.cluster.before = lambda *_: None
            await asyncio.sleep(60)
        assert world.status("web")["restartCount"] == 1

    run(main())


def test_a_full_disk_does_not_end_the_supervision(world: World) -> None:
    async def main() -> None:
        await _up(world)
        first = world.runtime.container_named("main")
        assert first is not None
        world.files.full = True
        async with world.agent():
            await asyncio.sleep(5)
        assert world.runtime.running() == ["main"]

    run(main())


def test_a_reboot_brings_the_pod_back_in_a_new_sandbox(world: World) -> None:
    async def main() -> None:
        await _up(world)
        (sandbox,) = await world.runtime.recover()
        world.runtime.lose_sandbox(sandbox.id)
        async with world.agent():
            await world.until(lambda: world.runtime.running() == ["main"])
            await asyncio.sleep(2)
        starts = [name for verb, name in world.runtime.calls if verb == "start"]
        assert starts == ["init", "main"]
        assert world.status("web")["restartCount"] == 1
        assert world.notes.of("SandboxChanged")
        assert world.pod("web")["status"]["phase"] == "Running"

    run(main())
