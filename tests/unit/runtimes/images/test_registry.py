"""The registry client against a small registry that misbehaves on request."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from images import TestImage, digest
from roost.runtimes.images import puller as puller_module
from roost.runtimes.images.config import OCI_INDEX, OCI_MANIFEST
from roost.runtimes.images.machine import this_machine
from roost.runtimes.images.registry import Registry, RegistryError
from roost.runtimes.images.service import ImageService
from roost.runtimes.images.store import ImageStore
from roost.runtimes.port import Credentials, RuntimeFault

_IMAGE = TestImage([{}], {"Cmd": ["x"]})


class Server:
    """A registry of one image at repository "a/b"; what it does can be changed."""

    def __init__(self) -> None:
        self.blobs, self.manifest = _IMAGE.blobs()
        self.manifests = {"latest": (self.manifest, OCI_MANIFEST)}
        self.requests: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.challenge = ""
        self.accepts = ""
        self.redirect = ""
        self.break_off_at = 0
        self.failures = 0
        self.address = ""

    async def start(self, stack: AsyncExitStack) -> Server:
        runner = web.ServerRunner(web.Server(self.answer))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = "{}:{}".format(*runner.addresses[0][:2])
        return self

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "")
        self.requests.append((request.path, authorization))
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        if request.path == "/token":
            self.accepts = "Bearer secret"
            return web.json_response({"token": "secret", "scope": request.query["scope"]})
        if self.challenge and not (self.accepts and self.accepts == authorization):
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        kind, name = request.path.rsplit("/", 2)[1:]
        if kind == "manifests" and name in self.manifests:
            content, media_type = self.manifests[name]
            return web.Response(body=content, content_type=media_type)
        if kind == "blobs" and self.redirect:
            return web.Response(status=307, headers={"Location": self.redirect + request.path})
        if name in self.blobs:
            return await self.blob(request, self.blobs[name])
        error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
        return web.json_response(error, status=404)

    async def blob(self, request: web.BaseRequest, content: bytes) -> web.StreamResponse:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        self.ranges.append(request.headers.get("Range", ""))
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(content) - start
        await response.prepare(request)
        if self.break_off_at:
            await response.write(content[start : self.break_off_at])
            self.break_off_at = 0
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(content[start:])
        return response


def pulling(
    tmp_path: Path, body: Callable[[ImageService, Server, Server], Awaitable[None]]
) -> tuple[Server, Server]:
    """Run `body` with a service, a registry, and another host it may be sent to."""

    async def run() -> tuple[Server, Server]:
        async with AsyncExitStack() as stack:
            server, other = await Server().start(stack), await Server().start(stack)
            service = ImageService(ImageStore(tmp_path, this_machine()), Registry())
            await service.open()
            stack.push_async_callback(service.close)
            await body(service, server, other)
            return server, other

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(puller_module, "_FIRST_PAUSE_S", 0.001)


def test_a_token_is_fetched_once_and_used(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.challenge = f'Bearer realm="http://{server.address}/token",service="s"'
        login = {server.address: Credentials("me", "word"), "elsewhere": Credentials("x", "y")}
        await service.pull_image(f"{server.address}/a/b", login)

    server, _ = pulling(tmp_path, body)
    tokens = [used for path, used in server.requests if path == "/token"]
    assert tokens == ["Basic " + base64.b64encode(b"me:word").decode()]
    assert {used for path, used in server.requests if "/blobs/" in path} == {"Bearer secret"}


def test_basic_credentials_and_given_tokens(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.challenge = 'Basic realm="x"'
        server.accepts = "Basic " + base64.b64encode(b"me:word").decode()
        name = f"{server.address}/a/b"
        with pytest.raises(
            RuntimeFault, match="may require authorization: authentication required"
        ):
            await service.pull_image(name, {})
        with pytest.raises(RuntimeFault, match="pull access denied"):
            await service.pull_image(name, {server.address: Credentials("me", "wrong")})
        await service.pull_image(name, {f"http://{server.address}/v2/": Credentials("me", "word")})
        server.accepts = "Bearer given"
        await service.pull_image(name, {server.address: Credentials(token="given")})

    pulling(tmp_path, body)


def test_credentials_do_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.challenge, server.accepts = 'Basic realm="x"', "Basic bWU6dw=="
        server.redirect = f"http://{other.address}"
        await service.pull_image(f"{server.address}/a/b", {server.address: Credentials("me", "w")})

    server, other = pulling(tmp_path, body)
    assert [used for _, used in other.requests] == ["", ""]
    assert any(used for path, used in server.requests if "/blobs/" in path)


def test_nobody_is_followed_to_plain_http_elsewhere(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.redirect = "http://192.0.2.1"
        with pytest.raises(
            RuntimeFault, match=r"refusing to follow the registry to http://192.0.2.1"
        ):
            await service.pull_image(f"{server.address}/a/b", {})
        server.challenge = 'Bearer realm="http://192.0.2.1/token"'
        with pytest.raises(RuntimeFault, match="refusing to follow"):
            await service.pull_image(
                f"{server.address}/a/b", {server.address: Credentials("u", "p")}
            )

    pulling(tmp_path, body)
    assert Registry().scheme("registry.example:5000") == "https"
    assert Registry(insecure=["registry.example:5000"]).scheme("registry.example:5000") == "http"


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.failures, server.break_off_at = 2, 20
        await service.pull_image(f"{server.address}/a/b", {})

    server, _ = pulling(tmp_path, body)
    assert "bytes=20-" in server.ranges


@pytest.mark.parametrize("what", ["layer", "config", "manifest", "larger"])
def test_what_is_not_what_its_digest_says_is_refused(tmp_path: Path, what: str) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        name = f"{server.address}/a/b"
        if what == "manifest":
            wanted = "sha256:" + "0" * 64
            server.manifests[wanted] = (server.manifest, OCI_MANIFEST)
            name += f"@{wanted}"
        else:
            keys = msgspec.json.decode(server.manifest)
            key = keys["config" if what == "config" else "layers"]
            key = (key if what == "config" else key[0])["digest"]
            content = server.blobs[key]
            server.blobs[key] = content + b"x" if what == "larger" else b"?" + content[1:]
        with pytest.raises(RuntimeFault, match=r"digest|not sha256|larger") as caught:
            await service.pull_image(name, {})
        assert caught.value.reason == "ErrImagePull"
        assert await service.list_images() == []
        assert list((tmp_path / "partial").iterdir()) == []

    pulling(tmp_path, body)


def test_an_index_leads_to_this_machine_s_manifest(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        machine = this_machine()
        key = digest(server.manifest)
        server.manifests[key] = (server.manifest, OCI_MANIFEST)
        platforms = [
            {"os": "linux", "architecture": "mips"},
            {"os": "linux", "architecture": machine.architecture},
        ]
        entries = [
            {
                "digest": key if number else "sha256:" + "0" * 64,
                "size": len(server.manifest),
                "platform": platform,
            }
            for number, platform in enumerate(platforms)
        ]
        index = msgspec.json.encode(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        )
        server.manifests["latest"] = (index, OCI_INDEX)
        image = await service.pull_image(f"{server.address}/a/b", {})
        assert image.digests == (f"{server.address}/a/b@{digest(index)}",)

    pulling(tmp_path, body)


def test_a_registry_that_stays_down_is_unavailable(tmp_path: Path) -> None:
    async def body(service: ImageService, server: Server, other: Server) -> None:
        server.failures = 99
        with pytest.raises(RuntimeFault, match=r"503") as caught:
            await service.pull_image(f"{server.address}/a/b", {})
        assert caught.value.reason == "ErrImagePull"
        assert server.failures == 96

    pulling(tmp_path, body)


def test_errors_are_in_the_registry_s_words() -> None:
    async def body() -> None:
        async with AsyncExitStack() as stack:
            server = await Server().start(stack)
            registry = Registry()
            stack.push_async_callback(registry.close)
            from roost.runtimes.images.reference import parse

            client = registry.login(parse(f"{server.address}/a/b"), {})
            with pytest.raises(
                RegistryError, match="404 Not Found: MANIFEST_UNKNOWN: manifest unknown"
            ):
                await client.manifest("nope")

    asyncio.run(body())
