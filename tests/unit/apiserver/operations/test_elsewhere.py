"""What others serve, over real TLS on loopback: an extension server, and the kubelets' figures."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fakes.apiserver import Everybody
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.apiserver.aggregation.local import APISERVICES
from roost.apiserver.aggregation.remote import Remotes, identity_headers
from roost.apiserver.aggregation.upkeep import Services
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Credentials
from roost.apiserver.http.proxying import Proxies
from roost.apiserver.http.shell import HttpServer
from roost.apiserver.messages import BODY_LIMIT_BYTES
from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.files import Identity
from roost.apiserver.server import ApiServer
from roost.client.informer import Informers
from roost.store.memory import MemoryStore

SERVICES = Resource("", "v1", "services")
NODES = Resource("", "v1", "nodes")
PODS = Resource("", "v1", "pods")
WIDGETS = {
    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "ext.example.com/v1",
    "resources": [
        {"name": "widgets", "singularName": "widget", "namespaced": True, "kind": "Widget",
         "verbs": ["list", "get"]},
        {"name": "widgets/status", "singularName": "", "namespaced": True, "kind": "Widget",
         "verbs": ["get"]},
    ],
}  # fmt: skip
JANE = User("jane", ("devs", "ops"), "7", {"acme.com/x": ("y",)})


class Doorman:
    async def authenticate(self, credentials: Credentials) -> User:
        return JANE


@dataclass
class Farm:
    """Our server, and a machine beside it that is extension server and kubelet at once."""

    folder: Path
    api: ApiServer
    cluster: Authority
    front: Authority
    session: aiohttp.ClientSession
    url: str
    seen: list[web.Request] = field(default_factory=list)
    #: What came with the requests in `seen`.
    bodies: list[bytes] = field(default_factory=list)

    async def send(self, method: str, path: str, body: Any, **more: Any) -> int:
        headers = {"Content-Type": "application/x-own"}
        async with self.session.request(
            method, self.url + path, data=body, headers=headers, **more
        ) as answer:
            return answer.status

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.session.get(self.url + path, headers=named) as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if body[:1] == b"{" else body.decode()

    @asynccontextmanager
    async def machine(
        self, identity: Identity, clients: bytes, answers: dict[str, Any]
    ) -> AsyncIterator[int]:
        """A TLS server that wants certificates of `clients`; gives its port."""

        async def handle(request: web.BaseRequest) -> web.Response:
            self.seen.append(request)  # type: ignore[arg-type]
            self.bodies.append(await request.content.read())
            found = answers.get(request.path)
            return web.json_response(found, status=404 if found is None else 200)

        context = context_of(self.folder, identity)
        context.load_verify_locations(cadata=clients.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        server = web.Server(handle)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(server, "127.0.0.1", 0, ssl=context)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            await server.shutdown(0.1)


def context_of(folder: Path, identity: Identity, *, client: bool = False) -> ssl.SSLContext:
    certificate, key = folder / "some.crt", folder / "some.key"
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    side = ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER
    context = ssl.SSLContext(side)
    context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def farm(folder: Path) -> AsyncIterator[Farm]:
    clock, files = SystemClock(), DiskFiles()
    cluster = Authority.open(files, str(folder / "cluster"), clock)
    front = Authority.open(files, str(folder / "front"), clock, "front")
    kubelets = context_of(folder, cluster.client("kube-apiserver-kubelet-client"), client=True)
    kubelets.load_verify_locations(cadata=cluster.certificate.decode())

    def fronting(ca: str) -> ssl.SSLContext:
        context = context_of(folder, front.client("front-proxy-client"), client=True)
        context.load_verify_locations(cadata=ca)
        return context

    proxies = Proxies(kubelets, fronting)
    api = ApiServer(
        MemoryStore(), builtin(), clock, SeededChance(), SeededIds(),
        authorizer=Everybody(), fetcher=proxies,
    )  # fmt: skip
    task = asyncio.create_task(api.run())
    await api.ready()
    server = HttpServer(api, Doorman(), proxies)
    port = await server.listen("127.0.0.1", 0, context_of(folder, cluster.server()))
    tls = ssl.create_default_context(cadata=cluster.certificate.decode())
    headers = {"Authorization": "Bearer x"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls), headers=headers
    ) as session:
        try:
            yield Farm(folder, api, cluster, front, session, f"https://127.0.0.1:{port}")
        finally:
            await server.close(0.1)
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Farm], Awaitable[None]]], None]:
    def run(scene: Callable[[Farm], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), farm(tmp_path) as found:
                await scene(found)

        asyncio.run(main())

    return run


Play = Callable[[Callable[[Farm], Awaitable[None]]], None]


async def register(farm: Farm, port: int, ca: bytes) -> dict[str, Any]:
    """Make a service that leads to this machine, and its APIService."""
    client = farm.api.client()
    body = {
        "metadata": {"name": "ext"}, "spec": {"type": "ExternalName", "externalName": "localhost"},
    }  # fmt: skip
    await client.create(SERVICES, body, "n")
    return await client.create(
        APISERVICES,
        {
            "metadata": {"name": "v1.ext.example.com"},
            "spec": {
                "group": "ext.example.com", "version": "v1", "groupPriorityMinimum": 100,
                "versionPriority": 10, "service": {"name": "ext", "namespace": "n", "port": port},
                "caBundle": b64encode(ca).decode(),
            },
        },
    )  # fmt: skip


async def available(farm: Farm, name: str, status: str) -> dict[str, Any]:
    """Wait until an APIService says whether it is available."""
    while True:
        service = await farm.api.client().get(APISERVICES, name)
        for condition in (service.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Available" and condition["status"] == status:
                return condition
        await asyncio.sleep(0.01)


@asynccontextmanager
async def kept(farm: Farm) -> AsyncIterator[None]:
    """APIServices are looked after."""
    client, api = farm.api.client(), farm.api
    informers = Informers(client, SeededChance())
    complete = asyncio.Event()
    services = Services(
        api.group_versions, client, SystemClock(), informers, api.remotes, complete.set
    )
    tasks = [asyncio.create_task(informers.run()), asyncio.create_task(services.run())]
    await complete.wait()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_an_extension_server_is_part_of_the_api(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        own = Authority.open(DiskFiles(), str(farm.folder / "own"), SystemClock(), "own")
        identity = own.kubelet_server("ext", ["ext.n.svc"])
        answers = {
            "/apis/ext.example.com/v1": WIDGETS,
            "/openapi/v3/apis/ext.example.com/v1": {"openapi": "3.0.0"},
            "/openapi/v2": {
                "swagger": "2.0",
                "paths": {"/apis/ext.example.com/v1/widgets": {"get": {}}, "/other": {}},
            },
            "/apis/ext.example.com/v1/namespaces/n/widgets": {"kind": "WidgetList", "items": []},
        }
        async with kept(farm), farm.machine(identity, farm.front.certificate, answers) as port:
            await register(farm, port, own.certificate)
            condition = await available(farm, "v1.ext.example.com", "True")
            assert (condition["reason"], condition["message"]) == ("Passed", "all checks passed")
            path = "/apis/ext.example.com/v1/namespaces/n/widgets"
            code, body = await farm.get(path, X_Remote_User="root", X_Remote_Group="system:masters")
            assert (code, body["kind"]) == (200, "WidgetList")
            headers = farm.seen[-1].headers
            assert headers.getall("X-Remote-User") == ["jane"]  # ours, not what the client claims
            assert headers.getall("X-Remote-Group") == ["devs", "ops"]
            assert headers["X-Remote-Uid"] == "7"
            assert headers["X-Remote-Extra-acme.com%2Fx"] == "y"
            assert "Authorization" not in headers
            code, body = await farm.get(f"{path}/none")
            assert code == 404
            await discovered(farm)
            await described(farm)

    play(scene)


def test_what_is_sent_to_an_extension_server_arrives(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        own = Authority.open(DiskFiles(), str(farm.folder / "own"), SystemClock(), "own")
        identity = own.kubelet_server("ext", ["ext.n.svc"])
        path = "/apis/ext.example.com/v1/namespaces/n/widgets"
        answers = {"/apis/ext.example.com/v1": WIDGETS, path: {"kind": "Widget"}}
        async with kept(farm), farm.machine(identity, farm.front.certificate, answers) as port:
            await register(farm, port, own.certificate)
            await available(farm, "v1.ext.example.com", "True")
            for method, body in (("POST", b"x" * 300_000), ("PUT", b"{}"), ("DELETE", b"")):
                assert await farm.send(method, path, body) == 200
                request = farm.seen[-1]
                assert (request.method, farm.bodies[-1]) == (method, body)
                assert request.headers["Content-Type"] == "application/x-own"

    play(scene)


def test_what_is_sent_through_a_proxy_goes_on_as_it_comes(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        identity = farm.cluster.kubelet_server("n1", ["127.0.0.1"])
        path, long = "/api/v1/nodes/n1/proxy/upload", b"x" * (BODY_LIMIT_BYTES + 70_000)

        async def in_pieces() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b"piece"

        async with farm.machine(identity, farm.cluster.certificate, {"/upload": {}}) as port:
            await populate(farm, port)
            assert await farm.send("POST", path, long) == 200
            assert farm.bodies[-1] == long
            assert farm.seen[-1].headers["Content-Length"] == str(len(long))
            assert await farm.send("PUT", path, b"waits", expect100=True) == 200
            assert farm.bodies[-1] == b"waits"
            assert await farm.send("POST", path, in_pieces()) == 200
            assert farm.bodies[-1] == b"piece" * 5
            assert await farm.send("POST", path, b"") == 200
            assert farm.bodies[-1] == b""
            # What is refused need not have been read.
            assert await farm.send("POST", "/api/v1/nodes/none/proxy/upload", b"x") == 404

    play(scene)


async def described(farm: Farm) -> None:
    """The document of all paths has those of the extension server, once that was asked for them."""
    while True:
        _, whole = await farm.get("/openapi/v2")
        if "/apis/ext.example.com/v1/widgets" in whole["paths"]:
            break
        await asyncio.sleep(0.01)
    assert "/api/v1/pods" in whole["paths"]
    assert "/other" not in whole["paths"]
    media = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    async with farm.session.get(f"{farm.url}/openapi/v2", headers={"Accept": media}) as answer:
        assert (answer.status, answer.content_type) == (200, media)


async def discovered(farm: Farm) -> None:
    _, groups = await farm.get("/apis")
    assert groups["groups"][-1]["name"] == "ext.example.com"
    _, group = await farm.get("/apis/ext.example.com")
    assert group["preferredVersion"]["groupVersion"] == "ext.example.com/v1"
    assert (await farm.get("/apis/ext.example.com/v1"))[1]["resources"] == WIDGETS["resources"]
    async with farm.session.get(f"{farm.url}/openapi/v3") as answer:
        index = json.loads(await answer.read())["paths"]
    place = index["apis/ext.example.com/v1"]["serverRelativeURL"]
    assert (await farm.get(place)) == (200, {"openapi": "3.0.0"})
    assert "apis/apps/v1" in index
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, document = await farm.get("/apis", Accept=accept)
    (version,) = document["items"][-1]["versions"]
    (resource,) = version["resources"]
    assert (resource["resource"], resource["scope"]) == ("widgets", "Namespaced")
    assert resource["subresources"][0]["subresource"] == "status"


def test_a_certificate_of_another_authority_is_not_believed(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        own = Authority.open(DiskFiles(), str(farm.folder / "own"), SystemClock(), "own")
        identity = own.kubelet_server("ext", ["ext.n.svc"])
        async with kept(farm), farm.machine(identity, farm.front.certificate, {}) as port:
            await register(farm, port, farm.cluster.certificate)
            condition = await available(farm, "v1.ext.example.com", "False")
            assert condition["reason"] == "FailedDiscoveryCheck"
            code, body = await farm.get("/apis/ext.example.com/v1/widgets")
            assert (code, body["reason"]) == (503, "ServiceUnavailable")
            assert not farm.seen

    play(scene)


def test_what_is_missing_is_said(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        async with kept(farm):
            spec = {
                "group": "e.example.com", "version": "v1", "groupPriorityMinimum": 1,
                "versionPriority": 1, "service": {"name": "none", "namespace": "n"},
            }  # fmt: skip
            body = {"metadata": {"name": "v1.e.example.com"}, "spec": spec}
            await farm.api.client().create(APISERVICES, body)
            condition = await available(farm, "v1.e.example.com", "False")
            assert condition["reason"] == "ServiceNotFound"
            assert condition["message"] == 'service/none in "n" is not present'
            for path in ("", "/", "/widgets", "/namespaces/n/widgets/w"):
                answer = await farm.get(f"/apis/e.example.com/v1{path}")
                assert answer == (503, "service unavailable\n")
            code, group = await farm.get("/apis/e.example.com")
            assert (code, group["versions"][0]["version"]) == (200, "v1")
            _, groups = await farm.get("/apis")
            assert groups["groups"][-1]["name"] == "e.example.com"
            accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            _, document = await farm.get("/apis", Accept=accept)
            assert document["items"][-1]["versions"] == [{"version": "v1", "freshness": "Stale"}]
            assert (await farm.get("/openapi/v3/apis/e.example.com/v1"))[0] == 404
            service = {"metadata": {"name": "none"}, "spec": {"ports": [{"port": 80}]}}
            client = farm.api.client()
            made = await client.create(SERVICES, service, "n")
            found = await client.get(APISERVICES, "v1.e.example.com")
            assert (await farm.api.remotes.check(found))["reason"] == "ServicePortError"
            made = {**made, "spec": {**made["spec"], "ports": [{"port": 443}]}}
            await client.update(SERVICES, made, "n")
            condition = await farm.api.remotes.check(found)
            assert condition["reason"] == "MissingEndpoints"
            local = await available(farm, "v1.apps", "True")
            assert local["reason"] == "Local"

    play(scene)


def test_identity_headers_are_escaped() -> None:
    assert ("X-Remote-Extra-a%2Fb%25", "c") in identity_headers(User("u", extra={"a/b%": ("c",)}))
    assert not Remotes(None, SeededChance(), None)  # type: ignore[arg-type]


# -- what nodes use

CPU = {"time": "2026-01-01T00:00:00Z", "usageNanoCores": 250_000_000}
STATS = {"cpu": CPU, "memory": {"workingSetBytes": 64 * 1024 * 1024}}


async def populate(farm: Farm, port: int) -> None:
    client = farm.api.client()
    made = await client.create(NODES, {"metadata": {"name": "n1", "labels": {"zone": "a"}}})
    made = {**made, "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }}  # fmt: skip
    await client.update(NODES, made, subresource="status")
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    for name in ("p", "q"):
        body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        await client.create(PODS, body, "n")


def test_what_nodes_and_pods_use(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        metrics = "/apis/metrics.k8s.io/v1beta1"
        assert (await farm.get(f"{metrics}/nodes"))[0] == 404  # there is no node to ask
        reference = {"name": "p", "namespace": "n", "uid": "u"}
        containers = [{"name": "c", **STATS}]
        summary = {
            "node": {"nodeName": "n1", **STATS},
            "pods": [{"podRef": reference, "containers": containers, **STATS}],
        }
        identity = farm.cluster.kubelet_server("n1", ["127.0.0.1"])
        answers = {"/stats/summary": summary}
        async with farm.machine(identity, farm.cluster.certificate, answers) as port:
            await populate(farm, port)
            assert farm.api.node_metrics is not None
            farm.api.node_metrics.present = True
            _, nodes = await farm.get(f"{metrics}/nodes")
            (node,) = nodes["items"]
            assert (node["kind"], node["metadata"]["name"]) == ("NodeMetrics", "n1")
            assert node["usage"] == {"cpu": "250000000n", "memory": "65536Ki"}
            assert node["metadata"]["labels"] == {"zone": "a"}
            _, pods = await farm.get(f"{metrics}/pods")
            (pod,) = pods["items"]  # nothing is known of the other one
            assert pod["containers"][0]["usage"]["cpu"] == "250000000n"
            assert (await farm.get(f"{metrics}/namespaces/n/pods/p"))[1]["kind"] == "PodMetrics"
            assert (await farm.get(f"{metrics}/namespaces/n/pods/q"))[0] == 404
            assert (await farm.get(f"{metrics}/pods?labelSelector=app=q"))[1]["items"] == []
            assert (await farm.get(f"{metrics}/nodes/n1"))[1]["usage"]["memory"] == "65536Ki"
            assert len(farm.seen) == 1  # one question to the node answers all of them
            names = [group["name"] for group in (await farm.get("/apis"))[1]["groups"]]
            assert names[-1] == "metrics.k8s.io"

    play(scene)


def test_a_node_that_does_not_answer_is_left_out(play: Play) -> None:
    async def scene(farm: Farm) -> None:
        await populate(farm, 1)
        assert farm.api.node_metrics is not None
        farm.api.node_metrics.present = True
        code, nodes = await farm.get("/apis/metrics.k8s.io/v1beta1/nodes")
        assert (code, nodes["items"]) == (200, [])

    play(scene)
