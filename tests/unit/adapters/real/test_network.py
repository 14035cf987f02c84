"""Probes' connections against small servers on loopback."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable

import pytest

from roost.adapters.real.grpc_health import frame
from roost.adapters.real.network import SystemNetwork
from roost.adapters.real.processes import SystemProcesses

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _with_server(serve: Serve, use: Callable[[int], Awaitable[None]]) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await use(server.sockets[0].getsockname()[1])


def test_http_get_follows_redirects_on_the_same_host_only() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = request.split()[1]
        answers = {
            "/ok": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "/near": "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
            "/far": "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n",
            "/bad": "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        }
        assert "X-Mine: yes" in request
        writer.write(answers[path].encode())
        await writer.drain()
        writer.close()

    async def use(port: int) -> None:
        network = SystemNetwork()
        base, headers = f"http://127.0.0.1:{port}", [("X-Mine", "yes")]
        assert await network.http_get(f"{base}/ok", headers, timeout_s=5) == (200, b"hi")
        assert await network.http_get(f"{base}/near", headers, timeout_s=5) == (200, b"hi")
        assert (await network.http_get(f"{base}/far", headers, timeout_s=5))[0] == 302
        assert (await network.http_get(f"{base}/bad", headers, timeout_s=5))[0] == 500

    asyncio.run(_with_server(serve, use))


def test_silence_is_a_timeout_and_a_closed_port_is_refused() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def use(port: int) -> None:
        network = SystemNetwork()
        await network.connect("127.0.0.1", port, timeout_s=5)
        with pytest.raises(TimeoutError):
            await network.http_get(f"http://127.0.0.1:{port}/", [], timeout_s=0.01)

    async def closed() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(OSError, match="connection refused"):
            await SystemNetwork().connect("127.0.0.1", port, timeout_s=5)
        with pytest.raises(OSError, match="refused"):
            await SystemNetwork().http_get(f"http://127.0.0.1:{port}/", [], timeout_s=5)

    asyncio.run(_with_server(serve, use))
    asyncio.run(closed())


@pytest.mark.parametrize(("body", "status"), [(b"\x08\x01", 1), (b"\x08\x02", 2), (None, 3)])
def test_grpc_health_reads_the_status(body: bytes | None, status: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)
        kinds = []
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kinds.append(head[3])
            if head[3] == 0:
                break
        assert kinds == [4, 1, 0]
        assert payload == b"\x00\x00\x00\x00\x05\x0a\x03web"
        writer.write(frame(4, 0, 0) + frame(1, 4, 1, b"\x88"))
        if body is not None:
            writer.write(frame(0, 0, 1, b"\x00" + struct.pack(">I", len(body)) + body))
        writer.write(frame(1, 5, 1, b"\x88"))
        await writer.drain()
        await reader.read()
        writer.close()

    async def use(port: int) -> None:
        network = SystemNetwork()
        assert await network.grpc_health("127.0.0.1", port, "web", timeout_s=5) == status

    asyncio.run(_with_server(serve, use))


def test_a_program_runs_without_a_shell_and_is_killed_when_late() -> None:
    async def main() -> None:
        processes = SystemProcesses()
        code = "import sys; sys.stdout.write(sys.stdin.read() + sys.argv[1]); sys.exit(3)"
        done = await processes.run([sys.executable, "-c", code, "$HOME"], stdin=b"in ")
        assert (done.code, done.stdout) == (3, b"in $HOME")
        assert (await processes.run(["/no/such/program"])).code == 127
        with pytest.raises(TimeoutError):
            await processes.run([sys.executable, "-c", "input()"], stdin=b"", timeout_s=0.0)

    asyncio.run(main())
