"""The agent against the real API server core, with its admission and the Node authoriser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from fakes.node import NODE, World, container, pod
from fakes.timeless import run
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.files import MemoryFiles
from roost.adapters.virtual.ids import SeededIds
from roost.api.errors import NotFound
from roost.api.registry import builtin
from roost.api.values import Object
from roost.apiserver.admission import chain
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer, bootstrap
from roost.apiserver.bootstrap import Advertised, bootstrap_cluster
from roost.apiserver.core import Lookup
from roost.apiserver.pki.signing import SigningKeys
from roost.apiserver.reviews import handlers
from roost.apiserver.server import ApiServer
from roost.client.port import Client, DeleteOptions, PatchType
from roost.decisions.resources import CONFIG_MAPS, NODES, PODS, SERVICE_ACCOUNTS
from roost.node.nodeobject import LEASES, NODE_LEASES
from roost.node.volumes import Payload
from roost.runtimes.behaviour import Behaviour
from roost.store.memory import MemoryStore

NODE_USER = User(f"system:node:{NODE}", ("system:nodes", "system:authenticated"))


@dataclass
class Served:
    """A server: `admin` may do everything, `node` is the agent's client."""

    admin: Client
    node: Client
    world: World

    async def pod(self, name: str) -> Object:
        return await self.admin.get(PODS, name, "default")

    async def add(self, body: Object) -> Object:
        del body["metadata"]["uid"], body["status"]
        return await self.admin.create(PODS, body, "default")

    async def phase(self, name: str, wanted: str, within_s: float = 60.0) -> Object:
        async with asyncio.timeout(within_s):
            while True:
                found = await self.pod(name)
                if found["status"]["phase"] == wanted:
                    return found
                await asyncio.sleep(0.2)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[Served]:
    store, registry, ids = MemoryStore(), builtin(), SeededIds(1)
    chance, clock, lookup = SeededChance(1), world.clock, Lookup(store, registry)
    keys, authorizer = SigningKeys.open(MemoryFiles(), "/pki"), Authorizer()
    authenticator = Authenticator(clock, keys, lookup)

    async def keep(quota: Object) -> Object:
        return quota

    api = ApiServer(
        store, registry, clock, chance, ids,
        authorizer=authorizer,
        admission=[chain.Chain(chain.plugins(authorizer, chance, keep))],
        handlers=handlers(authenticator, authorizer, keys, lookup, clock, ids),
    )  # fmt: skip
    api.feed.listen(authorizer.apply)
    task = asyncio.ensure_future(api.run())
    await api.ready()
    admin = api.client()
    await bootstrap_cluster(admin, Advertised("192.168.0.7", 6443))
    await bootstrap(admin)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await admin.create(SERVICE_ACCOUNTS, account, "default")
    ca = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}}
    await admin.create(CONFIG_MAPS, {**ca, "data": {"ca.crt": "PEM"}}, "default")
    try:
        yield Served(admin, api.client(NODE_USER), world)
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_a_pod_lives_and_dies_as_its_own_node_may_say(world: World) -> None:
    async def main() -> None:
        async with served(world) as server, world.agent(server.node) as agent:
            await agent.registration.registered.wait()
            await asyncio.sleep(15)
            node = await server.admin.get(NODES, NODE)
            assert node["status"]["allocatable"]["cpu"] == "4"
            lease = await server.admin.get(LEASES, NODE, NODE_LEASES)
            assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]
            await server.add(pod("web", container(resources={"requests": {"cpu": "1"}})))
            found = await server.phase("web", "Running")
            (main,) = found["status"]["containerStatuses"]
            assert main["ready"] is True
            assert main["allocatedResources"] == {"cpu": "1"}
            token = next(
                plan for (_, volume), plan in world.pod_files.placed.items() if "api" in volume
            )
            assert isinstance(token, Payload)
            assert [file.path for file in token.files] == ["ca.crt", "namespace", "token"]
            await server.admin.delete(PODS, "web", "default", DeleteOptions())
            assert "deletionTimestamp" in (await server.pod("web"))["metadata"]
            await asyncio.sleep(5)
            with pytest.raises(NotFound):
                await server.pod("web")
        assert world.runtime.running() == []

    run(main())


def test_statuses_settle_and_nothing_is_written_twice(world: World) -> None:
    async def main() -> None:
        async with served(world) as server, world.agent(server.node):
            await server.add(pod("web"))
            await server.phase("web", "Running")
            await asyncio.sleep(15)
            before = await server.pod("web"), await server.admin.get(NODES, NODE)
            await asyncio.sleep(120)
            assert before == (await server.pod("web"), await server.admin.get(NODES, NODE))

    run(main())


def test_conditions_of_others_survive_the_agents_reports(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = [Behaviour(run_s=20, exit_code=1), Behaviour()]
        async with served(world) as server, world.agent(server.node):
            await server.add(pod("web", readinessGates=[{"conditionType": "lb"}]))
            await server.phase("web", "Running")
            gate = {"type": "lb", "status": "True"}
            found = await server.pod("web")
            conditions = [*found["status"]["conditions"], gate]
            await server.admin.patch(
                PODS, "web", {"status": {"conditions": conditions}}, "default", subresource="status"
            )
            await asyncio.sleep(30)
            found = await server.pod("web")
            kinds = {one["type"]: one["status"] for one in found["status"]["conditions"]}
            assert kinds["lb"] == "True"
            assert kinds["Ready"] == "True"
            assert found["status"]["containerStatuses"][0]["restartCount"] == 1

    run(main())


def test_a_job_like_pod_ends_and_a_restart_of_the_agent_leaves_it(world: World) -> None:
    async def main() -> None:
        world.behaviours["main"] = Behaviour(run_s=2)
        async with served(world) as server:
            async with world.agent(server.node):
                await server.add(pod("job", restartPolicy="Never"))
                await server.phase("job", "Succeeded")
                await asyncio.sleep(5)
            before = await server.pod("job")
            async with world.agent(server.node):
                await asyncio.sleep(60)
            assert await server.pod("job") == before
        assert world.runtime.calls.count(("start", "main")) == 1

    run(main())


def test_a_resize_passes_through_the_subresource_and_its_conditions_go(world: World) -> None:
    def sized(cpu: str) -> Object:
        return container(resources={"requests": {"cpu": cpu}, "limits": {"cpu": cpu}})

    async def conditions(server: Served) -> dict[str, Object]:
        found = await server.pod("web")
        return {one["type"]: one for one in found["status"]["conditions"]}

    async def resize(server: Served, cpu: str) -> None:
        body = {"spec": {"containers": [{"name": "main", "resources": sized(cpu)["resources"]}]}}
        await server.admin.patch(
            PODS, "web", body, "default", type=PatchType.STRATEGIC, subresource="resize"
        )

    async def main() -> None:
        async with served(world) as server, world.agent(server.node):
            await server.add(pod("web", sized("1")))
            await server.phase("web", "Running")
            await resize(server, "9")
            await asyncio.sleep(5)
            assert (await conditions(server))["PodResizePending"]["reason"] == "Infeasible"
            await resize(server, "2")
            await asyncio.sleep(15)
            assert "PodResizePending" not in await conditions(server)
            assert "PodResizeInProgress" not in await conditions(server)
            (main,) = (await server.pod("web"))["status"]["containerStatuses"]
            assert main["resources"]["limits"] == {"cpu": "2"}
            assert main["restartCount"] == 0

    run(main())
