"""The DNS process as the agent keeps it: a real one, on a port of this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

from dnslib import RCODE, DNSRecord

from roost.network.dns.process import DnsProcess
from roost.network.dns.zone import zone_table


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def table(*names: str) -> bytes:
    services = [
        {"metadata": {"name": name, "namespace": "d"}, "spec": {"clusterIP": "10.96.0.9"}}
        for name in names
    ]
    return json.dumps({**zone_table(services, []), "upstreams": []}).encode()


def knows(port: int, name: str) -> bool:
    answer = DNSRecord.question(f"{name}.d.svc.cluster.local").send("127.0.0.1", port, timeout=5)
    return int(DNSRecord.parse(answer).header.rcode) == RCODE.NOERROR


def test_tables_that_come_while_it_starts_do_not_end_it(tmp_path: Path) -> None:
    port = free_port()
    process = DnsProcess(tmp_path, "127.0.0.1", port)

    async def body() -> None:
        process.publish(table("old"))
        start = asyncio.create_task(process.ensure())
        while not start.done():
            process.publish(table("new"))
            await asyncio.sleep(0.001)
        await start
        process.publish(table("last"))
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(knows, port, "last"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

    try:
        asyncio.run(body())
    finally:
        process.stop()
