"""Streaming without sockets: SPDY frames, channels, command sessions and port-forward."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.node.streaming import channels, spdy
from roost.node.streaming.command import run_session
from roost.node.streaming.peer import Peer
from roost.node.streaming.ports import forward_over_channels, forward_over_spdy, parse_ports
from roost.runtimes.port import RuntimeFault


class SpdyClient:
    """The other side of a connection, as moby/spdystream frames it."""

    def __init__(self):
        self._deflate = zlib.compressobj(zdict=spdy.DICTIONARY)

    def open(self, stream: int, **headers: str) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        packed = self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        body = struct.pack(">IIH", stream, 0, 0) + packed
        return struct.pack(">HHI", 0x8003, 1, len(body)) + body


def test_the_dictionary_is_the_one_of_the_draft():
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


@given(st.integers(1, 40), st.binary(max_size=300))
def test_frames_are_understood_however_they_are_cut(size, content):
    client, server = SpdyClient(), spdy.Connection()
    wire = client.open(1, streamtype="data", port="80") + spdy.data(1, content, fin=True)
    wire += client.open(3, streamtype="error") + struct.pack(">HHII", 0x8003, 7, 8, 0) + b"\0" * 4
    events = []
    for start in range(0, len(wire), size):
        events += server.receive(wire[start : start + size])
    assert events == [
        spdy.StreamOpened(1, {"streamtype": "data", "port": "80"}, fin=False),
        spdy.DataReceived(1, content, fin=True),
        spdy.StreamOpened(3, {"streamtype": "error"}, fin=False),
        spdy.GoingAway(),
    ]


def test_pings_come_back_and_data_opens_the_window():
    server = spdy.Connection()
    ping = struct.pack(">HHII", 0x8003, 6, 4, 7)
    server.receive(ping)
    assert bytes(server.outgoing) == ping
    server.outgoing.clear()
    server.receive(spdy.data(5, b"abc"))
    assert struct.pack(">HHIII", 0x8003, 9, 8, 5, 3) in bytes(server.outgoing)


@pytest.mark.parametrize(
    "wire", [b"\x80\x02\0\1\0\0\0\0", b"\0\0\0\1\0\xff\xff\xff", b"\x80\x03\0\1\0\0\0\2xx"]
)
def test_other_bytes_are_refused(wire):
    with pytest.raises(spdy.SpdyError):
        spdy.Connection().receive(wire)


class Echo:
    """A process that gives back what it gets, in upper case; ends with code 3 on end of input."""

    def __init__(self):
        self.sizes, self.closed = [], False
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, data):
        await self._queue.put(data)

    async def close_stdin(self):
        await self._queue.put(None)

    async def resize(self, width, height):
        self.sizes.append((width, height))

    async def output(self):
        while (data := await self._queue.get()) is not None:
            yield 1, data.upper()
        yield 2, b"bye"

    async def wait(self):
        return 3

    async def close(self):
        self.closed = True


class ScriptedLink:
    """A client that says some things and then stays (or leaves)."""

    def __init__(self, *said, leaves=False):
        self._said, self._leaves = said, leaves
        self.got, self.status = [], None

    async def inputs(self):
        for item in self._said:
            yield item
        if not self._leaves:
            await asyncio.get_running_loop().create_future()

    async def send(self, stream, data):
        self.got.append((stream, data))

    async def finish(self, status):
        self.status = status


def session(link, process, **wanted):
    async def start():
        return process

    wanted = {"stdout": True, "stderr": True, **wanted}

    async def run():
        async with asyncio.timeout(5):
            await run_session(link, start, **wanted)

    asyncio.run(run())


def test_a_command_runs_to_its_exit_code():
    link = ScriptedLink(channels.Stdin(b"a"), channels.Resize(80, 24), channels.StdinClosed())
    process = Echo()
    session(link, process)
    assert link.got == [(1, b"A"), (2, b"bye")]
    assert link.status["reason"] == "NonZeroExitCode"
    assert link.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert process.sizes == [(80, 24)]
    assert process.closed


def test_streams_that_nobody_asked_for_are_not_sent():
    link = ScriptedLink(channels.StdinClosed())
    session(link, Echo(), stderr=False)
    assert link.got == []


def test_a_client_that_leaves_ends_the_session():
    link, process = ScriptedLink(leaves=True), Echo()
    session(link, process)
    assert link.status is None
    assert process.closed


def test_a_command_that_cannot_start_says_why():
    async def start():
        raise RuntimeFault("StartError", "no such file")

    link = ScriptedLink()
    asyncio.run(run_session(link, start, stdout=True, stderr=True))
    why = "error executing command in container: no such file"
    assert link.status["message"] == f"Internal error occurred: {why}"
    assert link.status["details"]["causes"] == [{"message": why}]


@pytest.mark.parametrize("protocol", channels.COMMAND_PROTOCOLS)
def test_messages_survive_each_protocol(protocol):
    assert channels.unwrap(channels.wrap(1, b"\0x", protocol), protocol) == (1, b"\0x")


@pytest.mark.parametrize(
    ("channel", "data", "meaning"),
    [
        (0, b"ls", channels.Stdin(b"ls")),
        (0, b"", None),
        (255, b"\0", channels.StdinClosed()),
        (4, b'{"Width":80,"Height":24}', channels.Resize(80, 24)),
        (4, b'{"Width":0}', None),
        (4, b"junk", None),
        (9, b"x", None),
    ],
)
def test_what_a_client_says_on_a_channel(channel, data, meaning):
    assert channels.parse_input(channel, data) == meaning


def test_protocols_are_chosen_by_the_client_s_order():
    assert channels.choose_protocol(["v9", "v4.channel.k8s.io"], channels.COMMAND_PROTOCOLS)
    assert channels.choose_protocol(["v9"], channels.COMMAND_PROTOCOLS) is None
    assert channels.choose_protocol([], channels.COMMAND_PROTOCOLS) == ""


def forward(chunks, open_port):
    sent = bytearray()

    async def send(data):
        sent.extend(data)

    async def incoming():
        for chunk in chunks:
            yield chunk
            for _ in range(20):
                await asyncio.sleep(0)

    async def run():
        async with asyncio.timeout(5):
            await forward_over_spdy(Peer(send), incoming(), open_port)

    asyncio.run(run())
    return bytes(sent)


def pair(client, number, port="80"):
    headers = {"requestid": str(number), "port": port}
    return client.open(4 * number + 1, streamtype="error", **headers) + client.open(
        4 * number + 3, streamtype="data", **headers
    )


def test_each_pair_of_streams_is_a_connection():
    client, opened = SpdyClient(), []

    async def open_port(port):
        opened.append(port)
        return Echo()

    wire = [pair(client, 0) + pair(client, 1, "81"), spdy.data(3, b"x"), spdy.data(7, b"y")]
    sent = forward([*wire, spdy.data(3, b"", fin=True)], open_port)
    assert opened == [80, 81]
    assert spdy.data(3, b"X") in sent
    assert spdy.data(7, b"Y") in sent
    assert spdy.data(3, b"", fin=True) in sent


@pytest.mark.parametrize("port", ["80", "0", "x", "99999"])
def test_a_port_that_cannot_be_reached_is_an_error_of_its_pair_only(port):
    async def open_port(port):
        raise RuntimeFault("Refused", f"nobody listens on {port}")

    sent = forward([pair(SpdyClient(), 0, port)], open_port)
    assert b"nobody listens on 80" in sent or b"invalid port" in sent
    assert spdy.data(1, b"", fin=True) in sent


def test_port_forward_over_channels():
    sent = []

    async def send(channel, data):
        sent.append((channel, data))

    async def messages():
        yield 2, b"hello"
        yield 7, b"nobody"
        for _ in range(20):
            await asyncio.sleep(0)

    async def open_port(port):
        if port == 80:
            raise RuntimeFault("Refused", "refused")
        return Echo()

    asyncio.run(forward_over_channels([80, 81], messages(), send, open_port))
    assert sent[:4] == [(0, b"P\0"), (1, b"P\0"), (2, b"Q\0"), (3, b"Q\0")]
    assert (1, b"refused") in sent
    assert (2, b"HELLO") in sent


@pytest.mark.parametrize("texts", [[], ["x"], ["0"], ["1,2", "70000"]])
def test_bad_port_lists_are_refused(texts):
    with pytest.raises(ValueError, match="port"):
        parse_ports(texts)


def test_statuses_are_json_for_new_protocols_and_text_for_old_ones():
    failed = channels.exit_status(1)
    assert json.loads(channels.status_message(failed, as_status=True))["status"] == "Failure"
    assert channels.status_message(channels.exit_status(0), as_status=False) == b""
    assert b"exit status 1" in channels.status_message(failed, as_status=False)
