"""The agent over the simulated runtime: pods come up, restart, and go."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from fakes.node import NODE, World, container
from fakes.timeless import run
from roost.decisions.resources import NODES
from roost.node.nodeobject import LEASES
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.simulated import Registry, SimulatedRuntime


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


def test_a_crashing_container_backs_off_10_20_40_s_and_counts_restarts(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(run_s=1.0, exit_code=7)
        world.add_pod("web")
        starts: list[float] = []
        async with world.agent():
            seen = 0
            while len(starts) < 5:
                if world.runtime.calls.count(("start", "main")) > seen:
                    seen += 1
                    starts.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.1)
            gaps = [round(b - a) for a, b in pairwise(starts)]
            assert gaps == [1, 11, 21, 41]
            await asyncio.sleep(3)
            status = world.status("web")
        assert status["restartCount"] == 4
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert status["state"]["waiting"]["message"].startswith(
            "back-off 1m20s restarting failed container=main pod=web_default(uid"
        )
        assert status["lastState"]["terminated"]["exitCode"] == 7
        assert world.notes.of("BackOff")[0].startswith(
            "Back-off restarting failed container main in pod web_default("
        )
        assert world.pod("web")["status"]["phase"] == "Running"

    run(main())


def test_a_job_like_pod_succeeds_and_its_sandbox_goes(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(run_s=5.0)
        world.add_pod("job", restartPolicy="Never")
        async with world.agent():
            await world.until(lambda: world.pod("job")["status"]["phase"] == "Succeeded")
            await asyncio.sleep(1)
        assert ("stop_sandbox", "job") in world.runtime.calls
        assert world.status("job")["state"]["terminated"]["reason"] == "Completed"
        conditions = {c["type"]: c for c in world.pod("job")["status"]["conditions"]}
        assert conditions["Ready"]["reason"] == "PodCompleted"

    run(main())


def test_a_deleted_pod_is_stopped_with_grace_and_leaves_the_api(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(stop_s=5.0)
        pod = world.add_pod("web")
        async with world.agent():
            await world.running("web")
            world.delete("web", 30)
            began = asyncio.get_running_loop().time()
            await world.until(lambda: world.gone("web"))
            assert 4 < asyncio.get_running_loop().time() - began < 7
            await asyncio.sleep(2)
        assert world.runtime.running() == []
        assert await world.runtime.recover() == []
        assert world.network.host_ports == {}
        assert not [path for path in world.files.content if pod["metadata"]["uid"] in path]
        assert world.notes.of("Killing") == ["Stopping container main"]

    run(main())


def test_a_container_that_ignores_the_signal_is_killed_when_grace_is_over(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(stop_s=10_000.0)
        world.add_pod("web")
        async with world.agent():
            await world.running("web")
            world.delete("web", 7)
            began = asyncio.get_running_loop().time()
            await world.until(lambda: world.gone("web"))
            assert 6.9 < asyncio.get_running_loop().time() - began < 9

    run(main())


def test_init_containers_run_in_order_and_sidecars_outlive_the_main_one(world: World) -> None:
    async def main() -> None:
        world.behaviours.update(
            first=Behaviour(run_s=2.0), second=Behaviour(run_s=2.0), main=Behaviour(run_s=5.0)
        )
        world.add_pod(
            "job",
            container(),
            initContainers=[
                container("first"),
                container("proxy", restartPolicy="Always"),
                container("second"),
            ],
            restartPolicy="Never",
        )
        async with world.agent():
            await world.until(lambda: ("start", "second") in world.runtime.calls)
            status = world.pod("job")["status"]
            assert status["phase"] == "Pending"
            waiting = world.status("job")["state"]["waiting"]
            assert waiting["reason"] == "PodInitializing"
            await world.until(lambda: world.pod("job")["status"]["phase"] == "Succeeded")
        order = [name for verb, name in world.runtime.calls if verb == "start"]
        assert order == ["first", "proxy", "second", "main"]
        stops = [name for verb, name in world.runtime.calls if verb == "stop"]
        assert stops == ["proxy"]

    run(main())


def test_a_failing_init_container_that_may_not_restart_fails_the_pod(world: World) -> None:
    async def main() -> None:
        world.behaviours["first"] = Behaviour(run_s=1.0, exit_code=3)
        world.add_pod(
            "job", container(), initContainers=[container("first")], restartPolicy="Never"
        )
        async with world.agent():
            await world.until(lambda: world.pod("job")["status"]["phase"] == "Failed")
        assert ("start", "main") not in world.runtime.calls
        assert world.status("job", "first")["state"]["terminated"]["exitCode"] == 3

    run(main())


def test_an_image_that_cannot_be_pulled_backs_off(world: World) -> None:
    async def main() -> None:
        world.runtime = missing_image(world)
        world.add_pod("web", container(image="nothing:1"))
        reasons: list[str] = []
        async with world.agent():
            for _ in range(320):
                await asyncio.sleep(0.1)
                state = world.pod("web")["status"].get("containerStatuses") or [{}]
                reason = state[0].get("state", {}).get("waiting", {}).get("reason")
                if reason and (not reasons or reasons[-1] != reason):
                    reasons.append(reason)
        assert reasons[:3] == [
            "ErrImagePull", "ImagePullBackOff", "ErrImagePull",
        ]  # fmt: skip
        assert world.notes.of("Pulling") == ['Pulling image "nothing:1"'] * 3  # at 0, 10 and 30 s
        assert 'Failed to pull image "nothing:1": nothing:1: not found' in world.notes.of("Failed")

    run(main())


def missing_image(world: World) -> SimulatedRuntime:
    return SimulatedRuntime(world.clock.now, registry=Registry(missing=frozenset({"nothing:1"})))


def test_a_pod_that_does_not_fit_is_failed_with_the_reason(world: World) -> None:
    async def main() -> None:
        world.add_pod("big", container(resources={"requests": {"cpu": "9"}}))
        async with world.agent():
            await world.until(lambda: world.pod("big")["status"]["phase"] == "Failed")
        status = world.pod("big")["status"]
        assert status["reason"] == "OutOfcpu"
        assert status["message"] == (
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 9000, used: 0, "
            "capacity: 4000"
        )
        assert world.runtime.calls == []

    run(main())


def test_active_deadline_ends_the_pod(world: World) -> None:
    async def main() -> None:
        world.add_pod("slow", activeDeadlineSeconds=20)
        async with world.agent():
            await world.running("slow")
            await world.until(lambda: world.pod("slow")["status"]["phase"] == "Failed")
        status = world.pod("slow")["status"]
        assert status["reason"] == "DeadlineExceeded"
        assert world.runtime.running() == []

    run(main())


def test_the_node_registers_itself_and_renews_its_lease(world: World) -> None:
    async def main() -> None:
        async with world.agent():
            await asyncio.sleep(25)
            node = world.cluster.find(NODES, NODE)
            lease = world.cluster.find(LEASES, NODE, "kube-node-lease")
            assert node is not None
            assert lease is not None
            first = lease["spec"]["renewTime"]
            world.cluster.change(NODES, NODE, "", {"metadata": {"labels": {"mine": "yes"}}})
            await asyncio.sleep(25)
            lease = world.cluster.find(LEASES, NODE, "kube-node-lease")
            node = world.cluster.find(NODES, NODE)
        assert node is not None
        assert lease is not None
        assert node["metadata"]["labels"]["mine"] == "yes"
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
        assert node["status"]["allocatable"]["pods"] == "110"
        assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250
        assert {c["type"]: c["status"] for c in node["status"]["conditions"]} == {
            "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False",
            "Ready": "True",
        }  # fmt: skip
        assert lease["spec"]["renewTime"] > first

    run(main())


def test_find_container_tells_where_the_logs_are(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = [Behaviour(run_s=1.0, exit_code=1), Behaviour()]
        pod = world.add_pod("web")
        async with world.agent() as agent:
            await world.until(lambda: world.runtime.calls.count(("start", "main")) == 2)
            await asyncio.sleep(1)
            found = agent.find_container("default", "web", "main")
            assert agent.find_container("default", "other", "main") is None
            assert agent.pods()[0]["status"]["phase"] == "Running"
        assert found is not None
        uid = pod["metadata"]["uid"]
        assert found.running
        assert found.log_paths == (f"/data/logs/default_web_{uid}/main/1.log",)
        assert found.previous_log_paths == (f"/data/logs/default_web_{uid}/main/0.log",)

    run(main())
