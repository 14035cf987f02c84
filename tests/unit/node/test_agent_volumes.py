"""Volumes and references as the agent keeps them: waiting, updating, renewing."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest

from fakes.node import World, container
from fakes.timeless import run
from roost.decisions.resources import CONFIG_MAPS
from roost.node.sources import SECRETS
from roost.node.volumes import Payload
from roost.runtimes.behaviour import Behaviour


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def placed(world: World, volume: str) -> dict[str, bytes]:
    found = next(plan for (_, known), plan in world.pod_files.placed.items() if known == volume)
    assert isinstance(found, Payload)
    return {file.path: file.content for file in found.files}


CONFIG = {"name": "cfg", "configMap": {"name": "settings"}}
MOUNT = {"name": "cfg", "mountPath": "/etc/app"}


def test_a_changed_config_map_reaches_the_running_pod(world: World) -> None:
    async def main() -> None:
        world.cluster.add(CONFIG_MAPS, config_map("settings", mode="a"))
        world.cluster.add(CONFIG_MAPS, config_map("other", mode="x"))
        world.add_pod("web", container(volumeMounts=[MOUNT]), volumes=[CONFIG])
        async with world.agent():
            await world.running("web")
            assert placed(world, "cfg") == {"mode": b"a"}
            world.cluster.change(CONFIG_MAPS, "settings", "default", {"data": {"mode": "b"}})
            world.cluster.change(CONFIG_MAPS, "other", "default", {"data": {"mode": "y"}})
            await world.until(lambda: placed(world, "cfg") == {"mode": b"b"}, 60)
        assert world.runtime.calls.count(("start", "main")) == 1

    run(main())


def test_a_change_that_cannot_be_written_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main() -> None:
        world.cluster.add(CONFIG_MAPS, config_map("settings", mode="a"))
        world.add_pod("web", container(volumeMounts=[MOUNT]), volumes=[CONFIG])
        async with world.agent():
            await world.running("web")
            with monkeypatch.context() as disk:
                disk.setattr(world.pod_files, "place", full)
                world.cluster.change(CONFIG_MAPS, "settings", "default", {"data": {"mode": "b"}})
                await asyncio.sleep(30)
            assert placed(world, "cfg") == {"mode": b"a"}
            await world.until(lambda: placed(world, "cfg") == {"mode": b"b"}, 100)

    run(main())


def test_a_missing_config_map_holds_the_pod_until_it_comes(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", container(volumeMounts=[MOUNT]), volumes=[CONFIG])
        async with world.agent():
            await asyncio.sleep(15)
            state = world.status("web")["state"]
            assert state["waiting"]["reason"] == "ContainerCreating"
            assert world.notes.of("FailedMount")[0] == (
                'MountVolume.SetUp failed for volume "cfg" : configmap "settings" not found'
            )
            world.cluster.add(CONFIG_MAPS, config_map("settings", mode="a"))
            began = asyncio.get_running_loop().time()
            await world.running("web")
            assert asyncio.get_running_loop().time() - began < 5

    run(main())


def test_a_missing_key_is_a_config_error_until_it_is_there(world: World) -> None:
    async def main() -> None:
        world.cluster.add(SECRETS, {"metadata": {"name": "pw", "namespace": "default"}, "data": {}})
        source = {"secretKeyRef": {"name": "pw", "key": "p"}}
        world.add_pod("web", container(env=[{"name": "P", "valueFrom": source}]))
        async with world.agent():
            await asyncio.sleep(5)
            waiting = world.status("web")["state"]["waiting"]
            assert waiting == {
                "reason": "CreateContainerConfigError",
                "message": "couldn't find key p in Secret default/pw",
            }
            world.cluster.change(SECRETS, "pw", "default", {"data": {"p": "czNjcmV0"}})
            await world.running("web")
        assert world.status("web")["restartCount"] == 0
        (spec,) = world.runtime.specs.values()
        assert dict(spec.env)["P"] == "s3cret"

    run(main())


def test_service_account_tokens_are_renewed_at_80_percent(world: World) -> None:
    async def main() -> None:
        source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}}
        volume = {"name": "api", "projected": {"sources": [source]}}
        mount = {"name": "api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        world.add_pod(
            "web",
            container(volumeMounts=[mount]),
            volumes=[volume],
            serviceAccountName="robot",
        )
        async with world.agent():
            await world.running("web")
            assert placed(world, "api") == {"token": b"token-1-of-robot"}
            await asyncio.sleep(780)
            assert world.cluster.tokens == 1
            await asyncio.sleep(40)
            assert placed(world, "api") == {"token": b"token-2-of-robot"}
            assert world.cluster.tokens == 2

    run(main())


def test_an_unsupported_volume_is_named(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", volumes=[{"name": "v", "nfs": {"server": "a", "path": "/"}}])
        async with world.agent():
            await asyncio.sleep(5)
        assert world.notes.of("FailedMount") == [
            (
                'MountVolume.SetUp failed for volume "v" : '
                "volume type nfs is not supported by this node"
            )
        ]
        assert world.runtime.calls == []

    run(main())


def test_an_unknown_runtime_class_is_refused_by_name(world: World) -> None:
    async def main() -> None:
        world.add_pod("web", runtimeClassName="gvisor")
        async with world.agent():
            await asyncio.sleep(5)
        assert world.notes.of("FailedCreatePodSandBox") == [
            'Failed to create pod sandbox: runtimeclass.node.k8s.io "gvisor" not found'
        ]
        assert world.runtime.calls == []

    run(main())


def test_the_last_words_come_from_the_file_or_from_the_log(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(run_s=5.0, exit_code=1)
        world.behaviours["quiet"] = Behaviour(run_s=5.0, exit_code=1)
        policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        pod = world.add_pod(
            "web", container(**policy), container("quiet", **policy), restartPolicy="Never"
        )
        uid = pod["metadata"]["uid"]
        async with world.agent():
            await world.running("web")
            world.files.write(f"/data/pods/{uid}/containers/main/0", b"goodbye")
            world.files.write(
                f"/data/logs/default_web_{uid}/quiet/0.log",
                b"2027-01-01T00:00:00Z stdout F one\n2027-01-01T00:00:01Z stderr F two\n",
            )
            await world.until(lambda: world.pod("web")["status"]["phase"] == "Failed")
        assert world.status("web")["state"]["terminated"]["message"] == "goodbye"
        assert world.status("web", "quiet")["state"]["terminated"]["message"] == "one\ntwo\n"

    run(main())


def test_references_are_dropped_with_their_last_pod(world: World) -> None:
    async def main() -> None:
        world.cluster.add(CONFIG_MAPS, config_map("settings", mode="a"))
        world.add_pod("web", container(volumeMounts=[MOUNT]), volumes=[CONFIG])
        async with world.agent():
            await world.running("web")
            kept = "/data/secret/references/configmaps/default/settings.json"
            assert world.files.read(kept) is not None
            world.delete("web", 1)
            await world.until(lambda: world.gone("web"))
            await asyncio.sleep(2)
            assert world.files.read(kept) is None

    run(main())
