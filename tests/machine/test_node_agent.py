"""The node agent with real containers and a fake cluster: volumes, probes, survival, clean-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from container_scene import Scene, scene, text_of
from fakes.cluster import FixedClock, NoChance
from fakes.node import NODE, Notes, TokenCluster, container, pod
from roost.adapters.real.files import DiskFiles
from roost.adapters.real.network import SystemNetwork
from roost.adapters.real.processes import SystemProcesses
from roost.decisions.resources import CONFIG_MAPS, PODS, SERVICES
from roost.node.agent import NodeAgent
from roost.node.layout import Layout
from roost.node.naming import ClusterNames
from roost.node.podfiles import DiskPodFiles
from roost.node.sources import SECRETS
from roost.node.tools import Capacity, NodeSettings, Runtimes, Tools
from roost.runtimes.oci.runtime import OciRuntime

pytestmark = pytest.mark.root


class GivenNetwork:
    """Gives every pod the one namespace that the test made."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.attached: dict[str, str] = {}

    async def attach(
        self, pod_uid: str, pod_name: str, pod_namespace: str, host_ports: Sequence[Any] = ()
    ) -> tuple[str, str]:
        self.attached[pod_uid] = "10.244.0.9"
        return self._path, "10.244.0.9"

    async def detach(self, pod_uid: str) -> None:
        self.attached.pop(pod_uid, None)

    async def recover(self) -> Mapping[str, str]:
        return dict(self.attached)


class Place:
    """A node's surroundings, which outlive its agent."""

    def __init__(self, root: Path, namespace: str) -> None:
        self.root = root
        self.clock = FixedClock(time.time() - asyncio.get_running_loop().time())
        self.cluster = TokenCluster()
        self.cluster.clock = self.clock
        self.network = GivenNetwork(namespace)
        self.notes = Notes()
        self.cluster.add(
            SERVICES,
            _named("kubernetes", spec={"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}),
        )

    @asynccontextmanager
    async def agent(self, runtime: OciRuntime) -> AsyncIterator[NodeAgent]:
        layout = Layout.under(str(self.root))
        files = DiskFiles()
        tools = Tools(
            client=self.cluster,
            runtimes=Runtimes([runtime]),
            clock=self.clock,
            chance=NoChance(),
            files=files,
            pod_files=DiskPodFiles(layout, SystemProcesses(), self.clock, may_mount=True),
            network=self.network,
            reach=SystemNetwork(),
            recorder=self.notes,
        )
        settings = NodeSettings(
            NODE, ("127.0.0.1",), Capacity(4000, 8 << 30, 10 << 30), layout,
            ClusterNames(host_resolv_conf="nameserver 1.1.1.1\n"),
        )  # fmt: skip
        agent = NodeAgent(settings, tools)
        task = asyncio.ensure_future(agent.run())
        try:
            yield agent
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert agent.defects == 0

    def pod(self, name: str) -> dict[str, Any]:
        found = self.cluster.find(PODS, name, "default")
        assert found is not None
        return found

    def main(self, name: str) -> dict[str, Any]:
        statuses = self.pod(name)["status"].get("containerStatuses") or [{}]
        found: dict[str, Any] = statuses[0]
        return found


def _named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, **more}


async def until(condition: Callable[[], Any], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - processes and threads of others change it
            await asyncio.sleep(0.05)


async def printed(here: Scene, container_id: str, *argv: str) -> str:
    process = await here.runtime.exec(container_id, argv, tty=False, stdin=False)
    out = b"".join([chunk async for _, chunk in process.output()])
    await process.wait()
    return out.decode().strip()


SCRIPT = """
cat /shared/made /cfg/mode; echo "$PW $POD $KUBERNETES_SERVICE_HOST" "$@"
cat /sub/inner; hostname; grep -c web /etc/hosts; grep ndots /etc/resolv.conf
grep ' /ram ' /proc/mounts | cut -d' ' -f1; ls -l /secret/ | grep -c pw
touch /shared/ready; trap 'echo bye > /dev/termination-log; exit 4' TERM
while :; do sleep 0.1; done
"""


def body() -> dict[str, Any]:
    mounts = [
        {"name": "shared", "mountPath": "/shared"},
        {"name": "cfg", "mountPath": "/cfg"},
        {"name": "shared", "mountPath": "/sub", "subPath": "deep"},
        {"name": "ram", "mountPath": "/ram"},
        {"name": "secret", "mountPath": "/secret", "readOnly": True},
    ]
    init = "echo from-init > /shared/made; mkdir /shared/deep; echo nested > /shared/deep/inner"
    shell = {"image": "busybox:latest", "command": ["sh", "-c"]}
    return pod(
        "web",
        container(
            **{**shell, "command": ["sh", "-c", SCRIPT, "-"]},
            args=["arg-$(POD)"],
            volumeMounts=mounts,
            readinessProbe={
                "exec": {"command": ["test", "-f", "/shared/ready"]},
                "periodSeconds": 1,
            },
            env=[
                {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "pw"}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        ),
        initContainers=[container("init", **shell, args=[init], volumeMounts=mounts[:1])],
        volumes=[
            {"name": "shared", "emptyDir": {}},
            {"name": "ram", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "cfg", "configMap": {"name": "settings"}},
            {"name": "secret", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        ],
    )


def test_a_pod_with_everything_lives_through_agents_and_leaves_nothing(
    tmp_path: Path, namespace: Any
) -> None:
    async def main() -> None:
        async with scene(tmp_path / "runtime") as here:
            place = Place(tmp_path / "node", namespace.path)
            place.cluster.add(CONFIG_MAPS, _named("settings", data={"mode": "first\n"}))
            place.cluster.add(SECRETS, _named("keys", data={"pw": "czNjcmV0"}))
            made = place.cluster.add(PODS, body())
            async with place.agent(here.runtime) as agent:
                await until(lambda: place.main("web").get("ready"))
                found = agent.find_container("default", "web", "main")
                assert found is not None
                assert text_of(found.log_paths[0]).splitlines() == [
                    "from-init", "first", "s3cret web 10.96.0.1 arg-web", "nested", "web", "1",
                    "options ndots:5", "tmpfs", "1",
                ]  # fmt: skip
                place.cluster.change(CONFIG_MAPS, "settings", "default", {"data": {"mode": "next"}})
                written = tmp_path / "node" / "pods" / made["metadata"]["uid"] / "volumes/cfg/mode"
                await until(lambda: written.read_text() == "next")
                assert await printed(here, found.container_id, "cat", "/cfg/mode") == "next"
                pid = (await here.status(found.container_id)).pid
            await here.reopen()
            async with place.agent(here.runtime):
                await asyncio.sleep(0.5)
                assert (await here.status(found.container_id)).pid == pid
                assert place.main("web")["restartCount"] == 0
            await here.runtime.stop_container(found.container_id, 20)  # while no agent is there
            await here.reopen()
            async with place.agent(here.runtime):
                await until(lambda: place.main("web").get("restartCount") == 1)
                ended = place.main("web")["lastState"]["terminated"]
                assert (ended["exitCode"], ended["message"]) == (4, "bye\n")
                await until(lambda: place.main("web").get("ready"))
                grace = {
                    "deletionTimestamp": "2027-01-01T00:00:00Z",
                    "deletionGracePeriodSeconds": 9,
                }
                place.cluster.change(PODS, "web", "default", {"metadata": grace})
                await until(lambda: place.cluster.find(PODS, "web", "default") is None)
                await until(lambda: not place.network.attached)
                await until(lambda: not _left(tmp_path / "node", made["metadata"]["uid"]))
            assert await here.runtime.recover() == []

    asyncio.run(main())


def _left(root: Path, uid: str) -> list[str]:
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if uid in line]
    return mounts + [str(path) for path in root.rglob("*") if uid in str(path)]
