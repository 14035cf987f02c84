"""One exec or attach session: a client's streams joined to a runtime's process.

The client is a `Link`, whatever it speaks. The session ends when the process ends or when the client
goes away, which ends an exec's process and leaves an attached container alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from roost.api.values import Object
from roost.node.streaming.channels import Input, Resize, Stdin, exit_status, failure_status
from roost.runtimes.port import Process, RuntimeFault

EXEC_FAILURE = "error executing command in container"
ATTACH_FAILURE = "error attaching to container"


class Link(Protocol):
    """A client's side of a session."""

    def inputs(self) -> AsyncIterator[Input]:
        """Yield what the client says; ends when the client is gone."""
        ...

    async def send(self, stream: int, data: bytes) -> None:
        """Send output (1) or errors (2); waits while the client does not read. Raises
        ConnectionError when the client is gone."""
        ...

    async def finish(self, status: Object) -> None:
        """Say how the command ended, and end the session."""
        ...


async def run_session(
    link: Link,
    start: Callable[[], Coroutine[Any, Any, Process]],
    *,
    stdout: bool,
    stderr: bool,
    failure: str = EXEC_FAILURE,
) -> None:
    """Run one session to its end; `failure` is what did not work when the runtime cannot."""
    try:
        process = await start()
    except RuntimeFault as fault:
        await link.finish(failure_status(f"{failure}: {fault.message}"))
        return
    try:
        status = await _join(link, process, {1: stdout, 2: stderr}, failure)
        if status is not None:
            await link.finish(status)
    finally:
        await process.close()


async def _join(
    link: Link, process: Process, wanted: dict[int, bool], failure: str
) -> Object | None:
    """Pump both ways; return how the process ended, or None if the client left first."""

    async def pump_output() -> Object | None:
        try:
            async for stream, data in process.output():
                if wanted.get(stream):
                    await link.send(stream, data)
            return exit_status(await process.wait())
        except RuntimeFault as fault:
            return failure_status(f"{failure}: {fault.message}")
        except ConnectionError:
            return None

    async def pump_input() -> None:
        try:
            async for item in link.inputs():
                if isinstance(item, Stdin):
                    await process.write(item.data)
                elif isinstance(item, Resize):
                    await process.resize(item.width, item.height)
                else:
                    await process.close_stdin()
        except OSError:
            # The process no longer reads; its output and its end are still to come.
            await asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as tasks:
        output = tasks.create_task(pump_output())
        given = tasks.create_task(pump_input())
        await asyncio.wait((output, given), return_when=asyncio.FIRST_COMPLETED)
        finished = output.done() and not output.cancelled()
        for task in (output, given):
            task.cancel()
    return output.result() if finished else None
