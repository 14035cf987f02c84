"""A node in memory: an agent over the simulated runtime and a fake cluster, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes.cluster import Cluster, FixedClock, NoChance
from roost.adapters.virtual.files import MemoryFiles
from roost.adapters.virtual.network import TableNetwork
from roost.adapters.virtual.podfiles import MemoryPodFiles
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import Client
from roost.decisions.meta import stamp
from roost.decisions.resources import PODS
from roost.node.agent import NodeAgent
from roost.node.layout import Layout
from roost.node.podnetwork import NumberedNetwork
from roost.node.tools import Capacity, Levels, Machine, NodeSettings, Runtimes, Tools, Trees
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.simulated import SimulatedRuntime

NODE = "node-1"
SETTINGS = NodeSettings(
    name=NODE,
    host_ips=("192.168.0.7",),
    capacity=Capacity(cpu_millis=4000, memory_bytes=8 << 30, ephemeral_bytes=100 << 30),
    layout=Layout.under("/data"),
)


class TokenCluster(Cluster):
    """A cluster that also gives service account tokens, numbered."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0

    async def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
    ) -> Object:
        answer = await super().create(resource, body, namespace, name=name, subresource=subresource)
        if subresource == "token":
            self.tokens += 1
            end = self.clock.now() + body["spec"]["expirationSeconds"]
            answer["status"] = {
                "token": f"token-{self.tokens}-of-{name}",
                "expirationTimestamp": stamp(end),
            }
        return answer


class Notes:
    """The recorder: keeps events as (reason, message)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def record(self, regarding: Object, type: str, reason: str, message: str) -> None:
        self.events.append((reason, message))

    def of(self, reason: str) -> list[str]:
        return [message for known, message in self.events if known == reason]


@dataclass
class World:
    """Everything outside the agent: it survives the agent's restarts."""

    cluster: TokenCluster = field(default_factory=TokenCluster)
    clock: FixedClock = field(default_factory=FixedClock)
    files: MemoryFiles = field(default_factory=MemoryFiles)
    pod_files: MemoryPodFiles = field(default_factory=MemoryPodFiles)
    network: NumberedNetwork = field(default_factory=NumberedNetwork)
    reach: TableNetwork = field(default_factory=TableNetwork)
    notes: Notes = field(default_factory=Notes)
    behaviours: dict[str, Any] = field(default_factory=dict)
    settings: NodeSettings = SETTINGS
    machine: Machine | None = None
    trees: Trees | None = None
    levels: Levels | None = None

    def __post_init__(self) -> None:
        self.cluster.clock = self.clock
        self.runtime = SimulatedRuntime(self.clock.now, behave=self._behave)

    def _behave(self, spec: Any) -> Behaviour:
        chosen = self.behaviours.get(spec.name, Behaviour())
        if isinstance(chosen, list):
            chosen = chosen[min(spec.attempt, len(chosen) - 1)]
        return chosen

    def tools(self, client: Client | None = None) -> Tools:
        return Tools(
            client=client or self.cluster,
            runtimes=Runtimes([self.runtime]),
            clock=self.clock,
            chance=NoChance(),
            files=self.files,
            pod_files=self.pod_files,
            network=self.network,
            reach=self.reach,
            recorder=self.notes,
            machine=self.machine,
            trees=self.trees,
            levels=self.levels,
        )

    @asynccontextmanager
    async def agent(self, client: Client | None = None) -> AsyncIterator[NodeAgent]:
        """Run an agent in the block; its end is as sudden as kill -9."""
        agent = NodeAgent(self.settings, self.tools(client))
        task = asyncio.ensure_future(agent.run())
        try:
            yield agent
        finally:
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait([task])
            assert agent.defects == 0, "a part of the agent failed: see the log"

    def add_pod(self, name: str, *containers: Object, **spec: Any) -> Object:
        body = pod(name, *containers, **spec)
        del body["metadata"]["uid"]
        return self.cluster.add(PODS, body)

    def pod(self, name: str) -> Object:
        found = self.cluster.find(PODS, name, "default")
        assert found is not None, f"no pod {name}"
        return found

    def gone(self, name: str) -> bool:
        return self.cluster.find(PODS, name, "default") is None

    def status(self, name: str, container: str = "main") -> Object:
        statuses = self.pod(name)["status"]
        every = statuses.get("containerStatuses", []) + statuses.get("initContainerStatuses", [])
        return next(one for one in every if one["name"] == container)

    def delete(self, name: str, grace_s: int = 30) -> None:
        self.cluster.change(
            PODS,
            name,
            "default",
            {
                "metadata": {
                    "deletionTimestamp": "2027-01-15T08:00:00Z",
                    "deletionGracePeriodSeconds": grace_s,
                }
            },
        )

    async def until(self, condition: Callable[[], Any], within_s: float = 600.0) -> None:
        """Let virtual time pass until the condition holds."""
        end = asyncio.get_running_loop().time() + within_s
        while not condition():
            assert asyncio.get_running_loop().time() < end, "it did not come to pass"
            await asyncio.sleep(0.1)

    async def running(self, name: str) -> None:
        await self.until(lambda: self.pod(name)["status"]["phase"] == "Running")


def container(name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": "app:1", "imagePullPolicy": "IfNotPresent", **more}


def pod(name: str, *containers: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "nodeName": NODE,
            "containers": list(containers) or [container()],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            **spec,
        },
        "status": {"phase": "Pending"},
    }
