"""Port-forward sessions: connections of a client joined to ports in a pod.

kubectl opens a pair of SPDY streams (error and data) for each connection, with the port and a request
id in their headers; clients of the WebSocket form name all ports at the start and use two channels each.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from roost.node.streaming.peer import Peer, Stream
from roost.runtimes.port import Process, RuntimeFault

OpenPort = Callable[[int], Awaitable[Process]]

_MAX_PORTS: Final = 64


async def forward_over_spdy(
    peer: Peer, incoming: AsyncIterator[bytes], open_port: OpenPort
) -> None:
    """Serve one SPDY connection until the client goes away. Raises SpdyError."""
    errors: dict[str, Stream] = {}
    async with asyncio.TaskGroup() as tasks:

        def opened(stream: Stream) -> None:
            request = stream.headers.get("requestid", "")
            if stream.headers.get("streamtype") == "error":
                errors[request] = stream
            elif stream.headers.get("streamtype") == "data":
                task = tasks.create_task(_serve_pair(stream, errors.pop(request, None), open_port))
                task.add_done_callback(lambda _: peer.forget(stream))
                running.add(task)
                task.add_done_callback(running.discard)

        running: set[asyncio.Task[None]] = set()
        try:
            await peer.run(incoming, opened)
        finally:
            for task in tuple(running):
                task.cancel()


async def _serve_pair(data: Stream, error: Stream | None, open_port: OpenPort) -> None:
    """Serve one connection: a data stream, with what goes wrong on its error stream."""
    complaint = ""
    try:
        port = _port_number(data.headers.get("port", ""))
        if port is None:
            complaint = f"invalid port {data.headers.get('port', '')!r}"
        else:
            complaint = await _join(port, data, open_port)
        if error is not None:
            if complaint:
                await error.write(complaint.encode())
            await error.close()
        await data.close()
    except ConnectionError:
        return  # the client is gone, and there is nobody to tell


async def _join(port: int, data: Stream, open_port: OpenPort) -> str:
    """Pump both ways until the pod's side ends; return what went wrong, if anything."""
    try:
        process = await open_port(port)
    except RuntimeFault as fault:
        return fault.message

    async def pump_in() -> None:
        try:
            while chunk := await data.read():
                await process.write(chunk)
            await process.close_stdin()
        except OSError:
            return

    async with asyncio.TaskGroup() as tasks:
        given = tasks.create_task(pump_in())
        try:
            async for _, chunk in process.output():
                await data.write(chunk)
        except RuntimeFault as fault:
            return fault.message
        finally:
            given.cancel()
            await process.close()
    return ""


def _port_number(text: str) -> int | None:
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None


def parse_ports(texts: list[str]) -> list[int]:
    """Return the ports that a WebSocket client asks for (`ports=80&ports=81` or `ports=80,81`).

    Raises ValueError with the kubelet's text.
    """
    parts = [part for text in texts for part in text.split(",") if part]
    if not parts:
        raise ValueError('query parameter "port" is required')
    if len(parts) > _MAX_PORTS:
        raise ValueError(f"at most {_MAX_PORTS} ports can be forwarded at once")
    ports = []
    for part in parts:
        number = _port_number(part)
        if number is None:
            raise ValueError(f"invalid port {part!r}")
        ports.append(number)
    return ports


async def forward_over_channels(
    ports: list[int],
    messages: AsyncIterator[tuple[int, bytes]],
    send: Callable[[int, bytes], Awaitable[None]],
    open_port: OpenPort,
) -> None:
    """Serve the WebSocket form: port number i has channel 2i for data and 2i+1 for errors.

    Each channel starts with the port, two bytes little-endian. Ends when the client goes away, or
    when no port has anything more to say: some clients know the end by nothing else.
    """
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await send(channel, struct.pack("<H", port))
    processes: dict[int, Process] = {}

    async def serve(index: int, port: int, ready: asyncio.Event) -> None:
        try:
            process = await open_port(port)
        except RuntimeFault as fault:
            await send(2 * index + 1, fault.message.encode())
            return
        finally:
            ready.set()
        processes[2 * index] = process
        try:
            async for _, chunk in process.output():
                await send(2 * index, chunk)
        except ConnectionError:
            return
        finally:
            await process.close()

    async def take() -> None:
        async for channel, data in messages:
            if channel % 2 or channel // 2 >= len(ports):
                continue
            await events[channel // 2].wait()
            process = processes.get(channel)
            if process is not None and data:
                try:
                    await process.write(data)
                except OSError:
                    processes.pop(channel)

    events = [asyncio.Event() for _ in ports]
    async with asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(take())
        speaking = {
            tasks.create_task(serve(index, port, events[index])) for index, port in enumerate(ports)
        }
        while speaking and not taking.done():
            ended, _ = await asyncio.wait({taking, *speaking}, return_when=asyncio.FIRST_COMPLETED)
            speaking -= ended
        for task in (taking, *speaking):
            task.cancel()
