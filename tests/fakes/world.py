"""A whole control plane in process and in virtual time: the API server's core, controllers, scheduler.

Nodes are played by `Kubelets`, which runs every bound pod at once, removes what is being deleted, and
renews leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes.cluster import FixedClock
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.ids import SeededIds
from roost.api.errors import Conflict, NotFound
from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.api.values import Object, copy_of
from roost.apiserver.admission.usage import quota_matches, usage_of
from roost.apiserver.attributes import Attributes, Decision, User
from roost.apiserver.customresources import CustomResources
from roost.apiserver.documents import reader
from roost.apiserver.server import ApiServer
from roost.client.port import Client, DeleteOptions, Query
from roost.controllers.registry import EVERYWHERE, Setup, chosen, controllers
from roost.controllers.resourcequota import QuotaRules
from roost.decisions.asking import Ask
from roost.decisions.meta import stamp
from roost.decisions.resources import LEASES, NAMESPACES, NODES, PODS
from roost.decisions.served import served_kinds
from roost.engine.discovered import Discovered
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling
from roost.store.memory import MemoryStore

_MANAGER = User("system:kube-controller-manager", ("system:masters",))


class AllowAll:
    def authorize(self, request: Attributes) -> Decision:
        return Decision(allowed=True)


@dataclass
class Kubelets:
    """Plays all nodes; `outcome(pod)` is the phase a pod gets, `dead` nodes do nothing."""

    client: Client
    clock: FixedClock
    outcome: Callable[[Object], str] = lambda pod: "Running"
    dead: set[str] = field(default_factory=set)

    async def add(self, name: str, cpu: str = "8", memory: str = "16Gi") -> None:
        body: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        }
        made = copy_of(await self.client.create(NODES, body))
        sizes = {"cpu": cpu, "memory": memory, "pods": "110"}
        now = stamp(self.clock.now())
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        made["status"] = {"capacity": sizes, "allocatable": sizes, "conditions": [ready]}
        await self.client.update(NODES, made, subresource="status")
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name},
        }
        await self.client.create(LEASES, lease, "kube-node-lease")

    async def run(self) -> None:
        beat = 0
        while True:
            await asyncio.sleep(0.25)
            beat += 1
            for pod in (await self.client.list(Query(PODS))).items:
                await self._step(pod)
            if beat % 40 == 0:
                for node in (await self.client.list(Query(NODES))).items:
                    if node["metadata"]["name"] not in self.dead:
                        await self._renew(node["metadata"]["name"])

    async def _renew(self, name: str) -> None:
        renewed = f"2027-01-01T00:00:00.{int(self.clock.now() * 10) % 10**6:06d}Z"
        await self.client.patch(LEASES, name, {"spec": {"renewTime": renewed}}, "kube-node-lease")

    async def _step(self, pod: Object) -> None:
        metadata, node = pod["metadata"], pod["spec"].get("nodeName")
        if not node or node in self.dead:
            return
        try:
            if "deletionTimestamp" in metadata:
                options = DeleteOptions(grace_period_s=0, uid=metadata["uid"])
                await self.client.delete(PODS, metadata["name"], metadata["namespace"], options)
                return
            phase = self.outcome(pod)
            if pod["status"].get("phase") in {phase, "Succeeded", "Failed"}:
                return
            address = f"10.244.0.{sum(metadata['uid'].encode()) % 250 + 1}"
            status: Object = {
                "phase": phase,
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True" if phase == "Running" else "False",
                        "lastTransitionTime": stamp(self.clock.now()),
                    }
                ],
            }
            await self.client.patch(
                PODS, metadata["name"], {"status": status}, metadata["namespace"],
                subresource="status",
            )  # fmt: skip
        except (NotFound, Conflict):
            return


@dataclass
class World:
    server: ApiServer
    client: Client
    engine: Engine
    scheduling: Scheduling
    kubelets: Kubelets

    async def until(self, done: Callable[[], Any], within_s: float = 120.0) -> None:
        """Wait until an async condition holds."""
        end = asyncio.get_running_loop().time() + within_s
        while not await done():
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"it did not happen within {within_s} s")
            await asyncio.sleep(0.5)

    async def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        return (await self.client.list(Query(resource, namespace))).items

    async def get(self, resource: Resource, name: str, namespace: str = "default") -> Object:
        return await self.client.get(resource, name, namespace)


@asynccontextmanager
async def world(
    choice: str = "*", seed: int = 1, metrics: Callable[[Ask], Object | None] = lambda _ask: None
) -> AsyncIterator[World]:
    """Run a control plane with the default namespaces and no nodes.

    `metrics` answers for what is not this server's, such as metrics.k8s.io, or with None.
    """
    clock, chance = FixedClock(), SeededChance(seed)
    registry = builtin()
    server = ApiServer(
        MemoryStore(), registry, clock, chance, SeededIds(seed), authorizer=AllowAll()
    )
    CustomResources(server)
    client = server.client()
    read = reader(server, _MANAGER, None)

    async def ask(asked: Ask) -> Object:
        found = metrics(asked)
        return await read(asked) if found is None else found

    served = served_kinds(registry.kinds())
    setup = Setup("PEM", served, QuotaRules(usage_of, quota_matches))
    names = chosen(choice)
    engine = Engine(
        client,
        clock,
        chance,
        controllers((n for n in names if n not in EVERYWHERE), setup),
        reader=ask,
    )
    scheduling = Scheduling(client, clock, chance, informers=engine.informers)
    everywhere = [n for n in names if n in EVERYWHERE]
    discovered = Discovered(
        engine, served, lambda now: controllers(everywhere, Setup("PEM", now, setup.quota))
    )
    kubelets = Kubelets(client, clock)
    tasks = [asyncio.create_task(server.run())]
    await server.ready()
    for name in ("default", "kube-system", "kube-node-lease"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await client.create(NAMESPACES, body)
    runs = (engine.run(), scheduling.run(), discovered.run(), kubelets.run())
    tasks += [asyncio.create_task(run) for run in runs]
    try:
        await asyncio.wait_for(engine.synced.wait(), 60)
        yield World(server, client, engine, scheduling, kubelets)
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
