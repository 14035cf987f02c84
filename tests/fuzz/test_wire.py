"""Raw bytes to a real server over TLS: it answers or hangs up, never with 5xx, and lives on."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bare_server import BareServer
from fuzz.raw import Raw, Sent

REQUESTS = int(os.environ.get("ROOST_FUZZ_RAW", "9000"))
SEED = int(os.environ.get("ROOST_FUZZ_SEED", "1"))
_TOGETHER = 8
#: How long a whole request may wait for its answer, in seconds: generous, it tells a hang from work.
_HANG_S = 20
#: How long a broken one is listened to, in seconds, before this side hangs up.
_PATIENCE_S = 0.05
#: Connections that send a byte now and then, and never end.
_SLOW = 40
_ENDLESS = (
    b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n"
    + b"x" * 900
)
#: What the server may use more at the end than after two thirds, in bytes: by then it has met every
#: kind. Measured: 2 or 3 MB, and 3 MB too when five times as many requests are sent.
_GROWTH_BYTES = 12 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    server = BareServer(tmp_path_factory.mktemp("fuzzed"))
    server.start()
    yield server
    server.stop()


class Line:
    """Ways to the server, as its administrator."""

    def __init__(self, server: BareServer) -> None:
        document = yaml.safe_load(server.kubeconfig.read_text())
        user, cluster = document["users"][0]["user"], document["clusters"][0]["cluster"]
        pem = server.root / "client.pem"
        parts = (user["client-certificate-data"], user["client-key-data"])
        pem.write_bytes(b"".join(base64.b64decode(part) for part in parts))
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=ca)
        self._tls.load_cert_chain(pem)
        self._place = urlsplit(cluster["server"])

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            self._place.hostname, self._place.port, ssl=self._tls, limit=1 << 20
        )

    async def say(self, sent: Sent) -> bytes:
        """Send bytes and return the first line of what comes back, b"" if nothing does."""
        reader, writer = await self.open()
        try:
            writer.write(sent.data)
            try:
                async with asyncio.timeout(_HANG_S if sent.whole else _PATIENCE_S):
                    await writer.drain()
                    return await reader.readline()
            except TimeoutError:
                if sent.whole:
                    raise
                return b""
            except (OSError, ValueError):
                return b""  # hung up on, in the middle
        finally:
            writer.transport.abort()


async def drip(line: Line) -> None:
    """Send a request a byte at a time, until cancelled or hung up on."""
    _, writer = await line.open()
    try:
        for byte in (
            b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\n"
            b"Host: a\r\nContent-Length: 999\r\n\r\n" + b"x" * 900
        ):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.2)
    except OSError:
        pass
    finally:
        writer.transport.abort()


async def converse(server: BareServer) -> tuple[Counter[bytes], list[str], list[int]]:
    """Return the codes that came, what was wrong, and the server's memory after each third."""
    line, raw = Line(server), Raw(random.Random(SEED))
    codes: Counter[bytes] = Counter()
    faults: list[str] = []
    thirds: list[int] = []

    async def some(count: int) -> None:
        for _ in range(count):
            sent = raw.next()
            try:
                first = await line.say(sent)
            except TimeoutError:
                faults.append(f"no answer to {sent.data[:2000]!r}")
                continue
            code = first.split(b" ")[1][:3] if first.startswith(b"HTTP/1.") else b""
            codes[code] += 1
            if code.startswith(b"5"):
                faults.append(f"{first!r} to {sent.data[:3000]!r}")

    async with asyncio.TaskGroup() as slow:
        drips = [slow.create_task(drip(line)) for _ in range(_SLOW)]
        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_TOGETHER):
                    tasks.create_task(some(REQUESTS // _TOGETHER // 3))
            thirds.append(server.resident_bytes())
        ready = Sent(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", whole=True)
        if not (await line.say(ready)).startswith(b"HTTP/1.1 200"):
            faults.append("the server is not ready any more")
        for task in drips:
            task.cancel()
    return codes, faults, thirds


@pytest.mark.slow
def test_no_bytes_bring_the_server_out_of_order(server: BareServer) -> None:
    codes, faults, thirds = asyncio.run(converse(server))
    assert not faults, "\n".join(faults[:5])
    # Connections that are all refused at the door would find nothing.
    assert codes[b"201"] > REQUESTS // 50
    assert codes[b"400"] > REQUESTS // 10
    assert thirds[2] - thirds[1] < _GROWTH_BYTES, thirds
    log = Path(server.root / "server.log").read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
