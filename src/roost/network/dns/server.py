"""The DNS server: answers cluster names from a table in a file, and asks others for the rest.

It is a process of its own that needs nothing but its file, so names resolve while everything else of
Roost is down. The file is read again on a signal or when it has changed; one that cannot be read
leaves the last good table in use.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from dnslib import (
    AAAA,
    CNAME,
    EDNS0,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSRecord,
)

from roost.network.dns.zone import TTL_S, Answer, Record, Zone, build_zone

_UPSTREAM_TIMEOUT_S: Final = 2.0
_RELOAD_S: Final = 5.0
_CACHE_ENTRIES: Final = 1_000
_CACHE_TTL_S: Final = 30.0
_UDP_BYTES: Final = 512
_MAX_UPSTREAM: Final = 512  # questions under way at other servers

_DATA: Final[dict[str, Callable[[Any], Any]]] = {
    "A": A,
    "AAAA": AAAA,
    "CNAME": CNAME,
    "PTR": PTR,
    "TXT": TXT,
    "SRV": lambda data: SRV(*data),
}


class Names:
    """The table in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self.zone = Zone()
        self.upstreams: list[str] = []

    def reload(self) -> None:
        """Read the file if it has changed."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._stamp:
                return
            table = json.loads(self._path.read_bytes())
            self.zone = build_zone(table)
            self.upstreams = [str(address) for address in table.get("upstreams", [])]
            self._stamp = stamp
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return  # what we have is better than nothing


class Resolver:
    """Turns a question's bytes into an answer's bytes."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._cache: OrderedDict[tuple[str, int], tuple[float, bytes]] = OrderedDict()
        self._asking = 0

    async def resolve(self, question: bytes, *, tcp: bool) -> bytes | None:
        """Return the answer, or None for what is no question at all."""
        try:
            query = DNSRecord.parse(question)
            name = str(query.q.qname).rstrip(".")
        except (DNSError, UnicodeDecodeError, IndexError, ValueError):
            return None
        if query.header.qr or not query.questions:
            return None
        found = self._names.zone.answer(name, QTYPE.get(query.q.qtype, ""))
        if not found.ours:
            return await self._ask_others(query, question, tcp=tcp)
        try:
            reply = _reply(query, found, self._names.zone.domain)
            packed: bytes = reply.pack()
        except (DNSError, UnicodeError, ValueError):
            return None  # a question that can be read but not be said back
        if not tcp and len(packed) > _limit(query):
            packed = reply.truncate().pack()
        return packed

    async def _ask_others(self, query: DNSRecord, question: bytes, *, tcp: bool) -> bytes:
        loop = asyncio.get_running_loop()
        key = (str(query.q.qname).lower(), query.q.qtype)
        cached = self._cache.get(key)
        if cached is not None and cached[0] > loop.time():
            return question[:2] + cached[1][2:]
        if self._asking < _MAX_UPSTREAM:
            self._asking += 1
            try:
                for upstream in self._names.upstreams:
                    answer = await _ask(upstream, question, tcp=tcp)
                    if answer is not None:
                        self._remember(key, answer, loop.time())
                        return answer
            finally:
                self._asking -= 1
        reply = query.reply()
        reply.header.rcode = RCODE.SERVFAIL
        packed: bytes = reply.pack()
        return packed

    def _remember(self, key: tuple[str, int], answer: bytes, now: float) -> None:
        if len(answer) < 4 or answer[2] & 0x02 or answer[3] & 0x0F not in (0, 3):
            return  # truncated, or a failure
        self._cache[key] = (now + _CACHE_TTL_S, answer)
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHE_ENTRIES:
            self._cache.popitem(last=False)


def _limit(query: DNSRecord) -> int:
    """Return how many bytes of UDP the asker takes."""
    sizes = [record.rclass for record in query.ar if record.rtype == QTYPE.OPT]
    return max([_UDP_BYTES, *(int(size) for size in sizes)])


def _reply(query: DNSRecord, found: Answer, domain: str) -> DNSRecord:
    reply = query.reply(ra=1, aa=1)
    if not found.known:
        reply.header.rcode = RCODE.NXDOMAIN
    records = [record for record in found.records if record.type in _DATA]
    addresses = [r for r in records if r.type in ("A", "AAAA")]
    if len(addresses) > 1:
        random.shuffle(records)
        records.sort(key=lambda record: record.type != "CNAME")
    for record in records:
        reply.add_answer(_resource(record))
    for record in found.extra:
        if record.type in _DATA:
            reply.add_ar(_resource(record))
    if not records:
        numbers = (1, 7200, 1800, 86400, TTL_S)
        soa = SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", numbers)
        reply.add_auth(RR(domain, QTYPE.SOA, ttl=TTL_S, rdata=soa))
    if any(record.rtype == QTYPE.OPT for record in query.ar):
        reply.add_ar(EDNS0(udp_len=1232))
    return reply


def _resource(record: Record) -> RR:
    kind = getattr(QTYPE, record.type)
    return RR(record.name, kind, ttl=TTL_S, rdata=_DATA[record.type](record.data))


class _Question(asyncio.DatagramProtocol):
    """One question to another server."""

    def __init__(self, question: bytes, answer: asyncio.Future[bytes]) -> None:
        self._question = question
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.DatagramTransport, transport).sendto(self._question)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:  # noqa: ARG002 - the protocol's form
        if data[:2] == self._question[:2] and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


async def _ask(upstream: str, question: bytes, *, tcp: bool) -> bytes | None:
    """Ask one other server; None when it does not answer in time."""
    try:
        async with asyncio.timeout(_UPSTREAM_TIMEOUT_S):
            if tcp:
                return await _ask_tcp(upstream, question)
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[bytes] = loop.create_future()
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Question(question, answer), remote_addr=(upstream, 53)
            )
            try:
                return await answer
            finally:
                transport.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None


async def _ask_tcp(upstream: str, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(upstream, 53)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)
    finally:
        writer.close()


class _Udp(asyncio.DatagramProtocol):
    """The UDP side: one task a question."""

    def __init__(self, resolver: Resolver, tasks: asyncio.TaskGroup) -> None:
        self._resolver = resolver
        self._tasks = tasks
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._tasks.create_task(self._answer(data, addr))

    async def _answer(self, data: bytes, address: tuple[Any, ...]) -> None:
        answer = await self._resolver.resolve(data, tcp=False)
        if answer is not None and not self._transport.is_closing():
            self._transport.sendto(answer, address)


async def _serve_tcp(
    resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while True:
            async with asyncio.timeout(10):
                size = int.from_bytes(await reader.readexactly(2), "big")
                question = await reader.readexactly(size)
            answer = await resolver.resolve(question, tcp=True)
            if answer is None:
                return
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def serve(
    names: Names, addresses: Sequence[str], port: int, ready: Callable[[], None]
) -> None:
    """Answer on UDP and TCP until cancelled. Raises OSError when an address cannot be used."""
    resolver = Resolver(names)
    names.reload()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        for address in addresses:
            await loop.create_datagram_endpoint(
                lambda: _Udp(resolver, tasks), local_addr=(address, port)
            )
            await asyncio.start_server(
                lambda reader, writer: _serve_tcp(resolver, reader, writer), address, port
            )
        ready()
        while True:
            await asyncio.sleep(_RELOAD_S)
            names.reload()
