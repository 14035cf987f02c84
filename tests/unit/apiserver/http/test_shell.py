"""The server over real TLS on loopback: bytes, streams, limits, proxies."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes.apiserver import running
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.api.errors import Unauthorized
from roost.api.kind import Resource
from roost.apiserver.attributes import ANONYMOUS, User
from roost.apiserver.authenticator import Credentials
from roost.apiserver.http.proxying import Proxies
from roost.apiserver.http.shell import HttpServer
from roost.apiserver.pki.authority import Authority
from roost.apiserver.server import ApiServer

MAPS = "/api/v1/namespaces/n/configmaps"
PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes")


class Doorman:
    """Knows one token; says which certificates it was shown."""

    def __init__(self) -> None:
        self.seen: list[Credentials] = []

    async def authenticate(self, credentials: Credentials) -> User:
        self.seen.append(credentials)
        if credentials.certificate is not None:
            return User("by-certificate")
        if credentials.authorization == "Bearer secret":
            return User("by-token")
        if credentials.authorization:
            raise Unauthorized("Unauthorized")
        return ANONYMOUS


@dataclass
class Site:
    """A server on loopback and what is needed to talk to it."""

    api: ApiServer
    doorman: Doorman
    port: int
    session: aiohttp.ClientSession
    tls: ssl.SSLContext
    server_tls: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **more) as answer:
            body = await answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return answer.status, json.loads(body)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    authority = Authority.open(DiskFiles(), str(folder), SystemClock())
    identity = authority.server(["127.0.0.1"])
    certificate, key = folder / "site.crt", folder / "site.key"
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate, key)
    server_tls.load_verify_locations(cadata=authority.certificate.decode())
    server_tls.verify_mode = ssl.CERT_OPTIONAL
    tls = ssl.create_default_context(cadata=authority.certificate.decode())
    doorman = Doorman()
    async with running() as api:
        server = HttpServer(api, doorman, Proxies(tls))
        port = await server.listen("127.0.0.1", 0, server_tls)
        headers = {"Authorization": "Bearer secret"}
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, auto_decompress=False
        ) as session:
            try:
                yield Site(api, doorman, port, session, tls, server_tls)
            finally:
                await server.close(0.1)


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Site], Awaitable[None]]], None]:
    def run(scene: Callable[[Site], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(20), site(tmp_path) as found:
                await scene(found)

        asyncio.run(main())

    return run


Play = Callable[[Callable[[Site], Awaitable[None]]], None]


def test_requests_on_one_connection(play: Play) -> None:
    async def scene(site: Site) -> None:
        code, made = await site.ask("POST", MAPS, json={"metadata": {"name": "a"}})
        assert code == 201
        code, read = await site.ask("GET", f"{MAPS}/a")
        assert (code, read) == (200, made)
        code, status = await site.ask("DELETE", f"{MAPS}/a")
        assert (code, status["status"]) == (200, "Success")

    play(scene)


def test_headers_of_answers(play: Play) -> None:
    async def scene(site: Site) -> None:
        async with site.session.get(f"{site.url}/version") as answer:
            assert answer.headers["Cache-Control"] == "no-cache, private"
            assert answer.headers["Content-Type"] == "application/json"
            assert "Date" in answer.headers

    play(scene)


def test_a_wrong_token_is_refused(play: Play) -> None:
    async def scene(site: Site) -> None:
        code, body = await site.ask("GET", MAPS, headers={"Authorization": "Bearer wrong"})
        assert (code, body["reason"]) == (401, "Unauthorized")

    play(scene)


def test_who_asks_for_the_head_alone_gets_no_body(play: Play) -> None:
    async def scene(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=site.tls)
        ask = b"Host: x\r\nAuthorization: Bearer secret\r\n"
        for path, code in (b"/healthz", b"200"), (b"/version", b"405"), (b"/nothing", b"404"):
            writer.write(b"HEAD " + path + b" HTTP/1.1\r\n" + ask + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + code)  # nothing of the answer before is left
            assert b"Content-Length: 0" not in head
        writer.close()

    play(scene)


def test_bodies_have_a_limit(play: Play) -> None:
    async def scene(site: Site) -> None:
        big = {"metadata": {"name": "a"}, "data": {"k": "x" * 3_200_000}}
        code, body = await site.ask("POST", MAPS, json=big)
        assert code == 413
        assert body["message"] == "Request entity too large: limit is 3145728"

    play(scene)


def test_large_answers_are_compressed_for_who_wants(play: Play) -> None:
    async def scene(site: Site) -> None:
        await site.ask("POST", MAPS, json={"metadata": {"name": "a"}, "data": {"k": "x" * 200_000}})
        headers = {"Accept-Encoding": "gzip"}
        async with site.session.get(f"{site.url}{MAPS}", headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            packed = await answer.read()
        async with site.session.get(
            f"{site.url}{MAPS}", headers={"Accept-Encoding": "identity"}
        ) as answer:
            assert "Content-Encoding" not in answer.headers
            plain = await answer.read()
        assert gzip.decompress(packed) == plain
        assert len(packed) < len(plain) // 20

    play(scene)


def test_a_watch_streams_lines_and_ends_at_its_timeout(play: Play) -> None:
    async def scene(site: Site) -> None:
        watch = f"{site.url}{MAPS}?watch=1&timeoutSeconds=1"
        async with site.session.get(watch) as answer:
            await site.ask("POST", MAPS, json={"metadata": {"name": "a"}})
            line = json.loads(await answer.content.readline())
            assert (line["type"], line["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert await answer.content.readline() == b""
        # The same connection is good for another request.
        assert (await site.ask("GET", f"{MAPS}/a"))[0] == 200

    play(scene)


async def left(site: Site, *, empty: bool) -> None:
    """Wait until the feed has no listeners, or has some."""
    topics = site.api.feed._topics
    while any(topic.audiences for topic in topics.values()) is empty:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def test_who_hangs_up_leaves_the_feed(play: Play) -> None:
    async def scene(site: Site) -> None:
        answer = await site.session.get(f"{site.url}{MAPS}?watch=1")
        await left(site, empty=False)
        answer.close()
        await left(site, empty=True)

    play(scene)


QUERY = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


def test_each_event_is_a_message_of_a_websocket(play: Play) -> None:
    async def scene(site: Site) -> None:
        large = {"metadata": {"name": "b"}, "data": {"x": "y" * 70_000}}
        for body in ({"metadata": {"name": "a"}}, large):
            await site.ask("POST", MAPS, json=body)
        url = f"{site.url}{MAPS}?{QUERY}&timeoutSeconds=1"
        token = "base64url.bearer.authorization.k8s.io.c2VjcmV0"
        async with site.session.ws_connect(url, protocols=(token, "plain")) as socket:
            assert socket.protocol == "plain"
            events = [message async for message in socket]
            assert {event.type for event in events} == {aiohttp.WSMsgType.TEXT}
            names = [event.json()["object"]["metadata"]["name"] for event in events]
            assert (names, socket.close_code) == (["a", "b"], 1000)
        accept = {"Accept": "application/vnd.kubernetes.protobuf"}
        async with site.session.ws_connect(url, headers=accept) as socket:
            events = [message async for message in socket]
            assert [event.data[:7] for event in events] == [b"\n\x05ADDED"] * 2

    play(scene)


def test_who_closes_a_websocket_leaves_the_feed(play: Play) -> None:
    async def scene(site: Site) -> None:
        socket = await site.session.ws_connect(f"{site.url}{MAPS}?watch=1")
        await left(site, empty=False)
        await socket.ping(b"x")
        await socket.close()
        await left(site, empty=True)

    play(scene)


def test_a_watch_that_is_refused_opens_no_websocket(play: Play) -> None:
    async def scene(site: Site) -> None:
        for url, code in ((f"{MAPS}?watch=1&resourceVersion=x", 400), (MAPS, 200)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await site.session.ws_connect(site.url + url)
            assert refused.value.status == code
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        async with site.session.get(f"{site.url}{MAPS}?watch=1", headers=upgrade) as answer:
            assert answer.status == 400  # a handshake has a key

    play(scene)


async def with_kubelet(site: Site, serve: Any) -> asyncio.Server:
    """Start what stands for a kubelet, and a node and a pod that lead to it."""
    kubelet = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=site.server_tls)
    port = kubelet.sockets[0].getsockname()[1]
    client = site.api.client()
    await client.create(NODES, {"metadata": {"name": "n1"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.patch(NODES, "n1", {"status": status}, subresource="status")
    containers = [{"name": "c", "image": "example.com/c:1"}]
    await client.create(
        PODS, {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": containers}}, "n"
    )
    return kubelet


def test_logs_come_from_the_kubelet(play: Play) -> None:
    async def scene(site: Site) -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
            )
            await writer.drain()
            writer.close()

        kubelet = await with_kubelet(site, serve)
        path = "/api/v1/namespaces/n/pods/p/log?tailLines=5&pretty=1"
        async with site.session.get(site.url + path) as answer:
            assert (answer.status, await answer.read()) == (200, b"hello\n")
        assert asked[0].startswith(b"GET /containerLogs/n/p/c?tailLines=5 HTTP/1.1\r\n")
        assert b"secret" not in asked[0]
        kubelet.close()

    play(scene)


def test_a_kubelets_refusal_is_a_status(play: Play) -> None:
    async def scene(site: Site) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nnot ready")
            await writer.drain()
            writer.close()

        kubelet = await with_kubelet(site, serve)
        code, body = await site.ask("GET", "/api/v1/namespaces/n/pods/p/log")
        assert (code, body["reason"], body["message"]) == (400, "BadRequest", "not ready")
        kubelet.close()

    play(scene)


def test_upgrades_are_pumped_both_ways(play: Play) -> None:
    async def scene(site: Site) -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n"
                b"Connection: Upgrade\r\n\r\nearly"
            )
            while data := await reader.read(1024):
                writer.write(data.upper())
                await writer.drain()
            writer.close()

        kubelet = await with_kubelet(site, serve)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=site.tls)
        writer.write(
            b"POST /api/v1/namespaces/n/pods/p/exec?command=ls&command=-l&stdin=true&tty=false "
            b"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\nConnection: Upgrade\r\n"
            b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(5) == b"early"
        writer.write(b"shout" * 50_000)
        assert await reader.readexactly(250_000) == b"SHOUT" * 50_000
        writer.close()
        assert asked[0].startswith(b"POST /exec/n/p/c?command=ls&command=-l&input=1 HTTP/1.1\r\n")
        assert b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n" in asked[0]
        assert b"secret" not in asked[0]
        kubelet.close()

    play(scene)


def test_an_upgrade_that_is_refused_is_a_status(play: Play) -> None:
    async def scene(site: Site) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such")
            await writer.drain()
            writer.close()

        kubelet = await with_kubelet(site, serve)
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        path = "/api/v1/namespaces/n/pods/p/attach"
        code, body = await site.ask("POST", path, headers=headers)
        assert (code, body["reason"], body["message"]) == (404, "NotFound", "no such")
        kubelet.close()

    play(scene)


def test_a_kubelet_that_is_not_there(play: Play) -> None:
    async def scene(site: Site) -> None:
        async def never(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        kubelet = await with_kubelet(site, never)
        kubelet.close()
        await kubelet.wait_closed()
        code, body = await site.ask("GET", "/api/v1/namespaces/n/pods/p/log")
        assert (code, body["reason"]) == (500, "InternalError")
        assert "error dialing backend" in body["message"]

    play(scene)


def test_what_is_too_long_is_refused(play: Play) -> None:
    async def scene(site: Site) -> None:
        long = "x" * 70_000
        async with site.session.get(f"{site.url}/{long}") as answer:
            assert (answer.status, await answer.text()) == (414, "414 Request-URI Too Long")
        async with site.session.get(f"{site.url}/version", headers={"X-Long": long}) as answer:
            assert answer.status == 431
            assert await answer.text() == "431 Request Header Fields Too Large"

    play(scene)


def test_every_answer_has_an_identity(play: Play) -> None:
    async def scene(site: Site) -> None:
        seen = set()
        for path in ("/version", "/nope", MAPS):
            async with site.session.get(site.url + path) as answer:
                seen.add(answer.headers["Audit-Id"])
        assert len(seen) == 3
        headers = {"Audit-ID": "mine-1"}
        async with site.session.get(f"{site.url}/version", headers=headers) as answer:
            assert answer.headers["Audit-Id"] == "mine-1"
        headers = {"Authorization": "Bearer wrong", "Accept": "application/vnd.kubernetes.protobuf"}
        async with site.session.get(site.url + MAPS, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["Content-Type"] == "application/vnd.kubernetes.protobuf"
            assert "Audit-Id" in answer.headers

    play(scene)
