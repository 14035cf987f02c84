"""The kubelet's API over TLS: who may use it, logs, and streams over WebSocket and SPDY."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.adapters.real.kubelet.access import Access, Caller, caller_of
from roost.adapters.real.kubelet.server import KubeletServer
from roost.api.errors import ServiceUnavailable
from roost.apiserver.pki.authority import Authority
from roost.client.kubeconfig import Connection
from roost.node.streaming import spdy
from roost.node.streaming.port import FoundContainer
from roost.runtimes.port import RuntimeFault


class UpperCase:
    """A process that says back what it hears, in upper case, and ends with code 3."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, data: bytes) -> None:
        await self._heard.put(data)

    async def close_stdin(self) -> None:
        await self._heard.put(None)

    async def resize(self, width: int, height: int) -> None:
        await self._heard.put(f"{width}x{height}".encode())

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (data := await self._heard.get()) is not None:
            yield 1, data.upper()

    async def wait(self) -> int:
        return 3

    async def close(self) -> None:
        await self._heard.put(None)


class OneRuntime:
    """Runs UpperCase for everything; port 81 is closed."""

    async def exec(self, container_id: str, argv: tuple[str, ...], *, tty: bool, stdin: bool):
        if argv == ("missing",):
            raise RuntimeFault("ExecError", "no such program: missing")
        return UpperCase()

    async def attach(self, container_id: str, *, stdin: bool):
        return UpperCase()

    async def open_port(self, sandbox_id: str, port: int):
        if port == 81:
            raise RuntimeFault("PortForwardError", "connection refused")
        return UpperCase()


class OneAgent:
    """Knows one container, `n/p/c`, and one that waits, `n/p/w`."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def find_container(self, namespace: str, pod: str, container: str) -> FoundContainer | None:
        if (namespace, pod) != ("n", "p") or container not in ("", "c", "w"):
            return None
        running = container != "w"
        return FoundContainer(
            OneRuntime(), "id" if running else "", "sandbox", running, (str(self._log),)
        )

    def pods(self):
        return [{"metadata": {"name": "p", "namespace": "n"}, "status": {}}]

    async def summary(self):
        return {"node": {}}


class Reviews:
    """The API server as Access asks it: token `good` is system:admin, who may do everything."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    async def create(self, resource, body, namespace="", *, name="", subresource=""):
        self.asked += 1
        if self.away:
            raise ServiceUnavailable("away")
        if resource.plural == "tokenreviews":
            good = body["spec"]["token"] == "good"
            return {"status": {"authenticated": good, "user": {"username": "system:admin"}}}
        return {"status": {"allowed": body["spec"]["user"] in ("system:admin", "api")}}


Work = Callable[[aiohttp.ClientSession, str, ssl.SSLContext], Awaitable[None]]


def at_kubelet(folder: Path, work: Work, reviews: Reviews | None = None, user: str = "api") -> None:
    async def main() -> None:
        authority = Authority.open(DiskFiles(), str(folder), SystemClock())
        ca = authority.certificate.decode()
        identity = authority.kubelet_server("node", ["127.0.0.1"])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own = Connection("", "", identity.certificate.decode(), identity.key.decode())
        own.load_certificate(tls)
        tls.load_verify_locations(cadata=ca)
        tls.verify_mode = ssl.CERT_OPTIONAL
        server = KubeletServer(Access(reviews or Reviews(), "node"), SystemClock())
        server.agent = OneAgent(folder / "0.log")
        port = await server.listen(tls, "127.0.0.1", 0)
        shown = Connection("", ca)
        if user:
            own = authority.client(user)
            shown = Connection("", ca, own.certificate.decode(), own.key.decode())
        context = shown.ssl_context()
        try:
            async with (
                asyncio.timeout(20),
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            ):
                await work(session, f"https://127.0.0.1:{port}", context)
        finally:
            await server.close()

    asyncio.run(main())


def test_strangers_are_turned_away(tmp_path):
    async def work(session, url, _context):
        for headers, code in (({}, 401), ({"Authorization": "Bearer bad"}, 401),
                              ({"Authorization": "Bearer good"}, 200)):  # fmt: skip
            async with session.get(f"{url}/pods", headers=headers) as answer:
                assert answer.status == code
        async with session.get(f"{url}/healthz") as answer:
            assert await answer.text() == "ok"

    at_kubelet(tmp_path, work, user="")


def test_a_certificate_is_not_enough(tmp_path):
    async def work(session, url, _context):
        async with session.get(f"{url}/pods") as answer:
            assert answer.status == 403
            assert "user=nobody" in await answer.text()

    at_kubelet(tmp_path, work, user="nobody")


def test_what_was_allowed_stays_allowed_while_the_server_is_away():
    async def main() -> None:
        reviews = Reviews()
        access, caller = Access(reviews, "node"), Caller("api", ())
        assert await access.may(caller, "GET", "/pods")
        reviews.away = True
        assert await access.may(caller, "GET", "/pods")
        assert not await access.may(caller, "POST", "/exec/n/p/c")

    asyncio.run(main())


def test_names_in_certificates():
    subject = ((("organizationName", "a"),), (("organizationName", "b"),), (("commonName", "me"),))
    assert caller_of({"subject": subject}) == Caller("me", ("a", "b", "system:authenticated"))
    assert caller_of({"subject": ()}) is None


def test_logs(tmp_path):
    line = b"2026-01-01T00:00:00.000000001Z stdout F "
    (tmp_path / "0.log").write_bytes(line + b"one\n" + line + b"two\n")

    async def work(session, url, _context):
        for path, code, text in (
            ("c", 200, "one\ntwo\n"),
            ("c?tailLines=1", 200, "two\n"),
            ("c?tailLines=x", 422, "tailLines"),
            ("c?previous=true", 400, 'previous terminated container "c"'),
            ("w", 400, 'container "w" in pod "p" is waiting to start'),
            ("x", 404, "not found"),
        ):
            async with session.get(f"{url}/containerLogs/n/p/{path}") as answer:
                assert answer.status == code
                assert text in await answer.text()

    at_kubelet(tmp_path, work)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_exec_over_websocket(tmp_path, protocol):
    async def work(session, url, _context):
        query = "command=cat&input=1&output=1&error=1"
        async with session.ws_connect(f"{url}/exec/n/p/c?{query}", protocols=(protocol,)) as socket:
            assert socket.protocol == protocol
            assert (await socket.receive_bytes()) == b"\1"
            await socket.send_bytes(b"\0hello")
            assert (await socket.receive_bytes()) == b"\1HELLO"
            await socket.send_bytes(b'\4{"Width":80,"Height":24}')
            assert (await socket.receive_bytes()) == b"\00180X24"
            if protocol.startswith("v5"):
                await socket.send_bytes(b"\xff\0")
                status = await socket.receive_bytes()
                assert status[0] == 3
                assert json.loads(status[1:])["details"]["causes"][0]["message"] == "3"

    at_kubelet(tmp_path, work)


def test_the_first_message_comes_when_the_command_runs(tmp_path, monkeypatch):
    async def work(session, url, _context):
        may_start = asyncio.Event()
        start = OneRuntime.exec

        async def exec_later(*args, **more):
            await may_start.wait()
            return await start(*args, **more)

        monkeypatch.setattr(OneRuntime, "exec", exec_later)
        path = f"{url}/exec/n/p/c?command=upper&input=1&output=1"
        async with session.ws_connect(path, protocols=("v5.channel.k8s.io",)) as socket:
            first = asyncio.ensure_future(socket.receive_bytes())
            assert (await asyncio.wait([first], timeout=0.1))[1] == {first}
            may_start.set()
            assert await first == b"\1"

    at_kubelet(tmp_path, work)


def test_a_command_that_does_not_exist(tmp_path):
    async def work(session, url, _context):
        path = f"{url}/exec/n/p/c?command=missing&output=1"
        async with session.ws_connect(path, protocols=("v5.channel.k8s.io",)) as socket:
            await socket.receive_bytes()
            status = await socket.receive_bytes()
            assert json.loads(status[1:])["message"] == (
                "Internal error occurred: error executing command in container: "
                "no such program: missing"
            )

    at_kubelet(tmp_path, work)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("c?output=1", 400),
        ("c?command=a", 400),
        ("x?command=a&output=1", 404),
        ("w?command=a&output=1", 500),
    ],
)
def test_exec_that_cannot_be(tmp_path, path, code):
    async def work(session, url, _context):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{url}/exec/n/p/{path}")
        assert caught.value.status == code

    at_kubelet(tmp_path, work)


def test_port_forward_over_websocket(tmp_path):
    async def work(session, url, _context):
        path = f"{url}/portForward/n/p?ports=80&ports=81"
        async with session.ws_connect(path, protocols=("v4.channel.k8s.io",)) as socket:
            hello = [await socket.receive_bytes() for _ in range(4)]
            assert hello == [bytes((i,)) + struct.pack("<H", 80 + i // 2) for i in range(4)]
            assert (await socket.receive_bytes()) == b"\3connection refused"
            await socket.send_bytes(b"\0ping")
            assert (await socket.receive_bytes()) == b"\0PING"

    at_kubelet(tmp_path, work)


def test_port_forward_over_raw_spdy(tmp_path):
    async def work(_session, url, context):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(
            b"POST /portForward/n/p HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        peer = _Opener()
        writer.write(peer.open(1, streamtype="error", port="80", requestid="0"))
        writer.write(peer.open(3, streamtype="data", port="80", requestid="0"))
        writer.write(spdy.data(3, b"ping"))
        received = b""
        while spdy.data(3, b"PING") not in received:
            more = await reader.read(4096)
            assert more, "the connection ended early"
            received += more
        writer.close()

    at_kubelet(tmp_path, work)


class _Opener:
    """Frames the streams that a client opens."""

    def __init__(self) -> None:
        import zlib

        self._deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
        self._flush = zlib.Z_SYNC_FLUSH

    def open(self, stream: int, **headers: str) -> bytes:
        block = struct.pack(">I", len(headers))
        for text in (part.encode() for pair in headers.items() for part in pair):
            block += struct.pack(">I", len(text)) + text
        packed = self._deflate.compress(block) + self._deflate.flush(self._flush)
        body = struct.pack(">IIH", stream, 0, 0) + packed
        return struct.pack(">HHI", 0x8003, 1, len(body)) + body
