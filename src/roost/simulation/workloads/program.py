"""One attempt at a container, played by an image class: runtimes.simulated.Program.

Rule: whatever a program does stays inside its container. An exception is printed and is exit code 1,
memory over the limit is OOMKilled, a step that does not end is stopped by the guard, and everything
that it began ends with it.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Final, Protocol

from roost.runtimes.port import Process
from roost.simulation.workloads.context import (
    Context,
    Exited,
    OutOfMemory,
    Output,
    World,
)
from roost.simulation.workloads.image import Image

Log = Callable[[int, str, bool], None]

_FRAMES: Final = 5
_EXEC_CODE_KILLED: Final = 137


class Stuck(BaseException):
    """A step of a program took too long for the guard."""


class Guard(Protocol):
    """Watches over one step of a program: what runs until it waits for something."""

    def enter(self) -> None: ...

    def leave(self) -> None:
        """The step is over. Raises nothing, and nothing is raised in its name from here on."""
        ...


class NoGuard:
    """Where there are no threads, nobody watches."""

    def enter(self) -> None: ...

    def leave(self) -> None: ...


class _Steps:
    """A coroutine whose every step is guarded."""

    def __init__(self, work: Coroutine[Any, Any, Any], guard: Guard) -> None:
        self._work = work
        self._guard = guard

    def __await__(self) -> Generator[Any, Any, Any]:
        work, guard = self._work, self._guard
        step, given = work.send, None
        while True:
            guard.enter()
            try:
                waits_for = step(given)
            except StopIteration as over:
                return over.value
            finally:
                guard.leave()
            try:
                given, step = (yield waits_for), work.send
            except BaseException as error:  # noqa: BLE001 - passed on into the program
                given, step = error, work.throw


async def guarded(work: Coroutine[Any, Any, Any], guard: Guard) -> Any:
    """Run a program's coroutine under a guard."""
    return await _Steps(work, guard)


class ImageProgram:
    """See the module. `log` gets (stream, text, whole line?) of what the container prints."""

    def __init__(
        self,
        image: Image,
        world: World,
        argv: tuple[str, ...],
        log: Log,
        guard: Guard,
    ) -> None:
        self._image = image
        self._world = world
        self._guard = guard
        self._lines = _Lines(log)
        self._ctx = Context(world, 1, argv, self._lines)
        self._pids = 1
        self._main: asyncio.Task[None] | None = None
        self._ended: Callable[[int, str, str], None] | None = None

    # -- the port

    def start(self, ended: Callable[[int, str, str], None]) -> None:
        self._ended = ended
        self._world.tasks.failed = asyncio.get_running_loop().create_future()
        name = f"{self._world.pod.namespace}/{self._world.pod.name}/{self._world.container}"
        self._main = asyncio.get_running_loop().create_task(self._run(), name=name)

    def stop(self) -> None:
        handler = self._world.signals.get("SIGTERM")
        if handler is None:
            if self._image.term_code is not None:
                self._finish(self._image.term_code, "", "")
            return
        try:
            called = handler()
        except Exited as exited:
            self._finish(exited.code, "", "")
            return
        if inspect.isawaitable(called):
            self._world.tasks.spawn(self._handled(called))

    async def _handled(self, called: Any) -> None:
        try:
            await called
        except Exited as exited:
            self._finish(exited.code, "", "")

    def kill(self) -> None:
        self._ended = None
        self._end_all()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._world.tasks.over

    def memory_bytes(self) -> int:
        return self._world.allocated_bytes + self._world.files.size_bytes()

    async def exec(self, argv: tuple[str, ...], *, tty: bool, stdin: bool) -> Process:
        del tty, stdin
        self._pids += 1
        return Command(self._image, self._world, self._pids, argv, self._guard)

    # -- the main process

    async def _run(self) -> None:
        code, reason, message = await self._outcome()
        self._finish(code, reason, message)

    async def _outcome(self) -> tuple[int, str, str]:
        failed = self._world.tasks.failed
        assert failed is not None
        work = guarded(self._image.run(self._ctx, self._ctx.argv), self._guard)
        main = asyncio.get_running_loop().create_task(_captured(work))
        try:
            await asyncio.wait([main, failed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            main.cancel()
        outcome = main.result() if main.done() and not main.cancelled() else failed.result()
        return verdict(outcome, self._ctx)

    def _finish(self, code: int, reason: str, message: str) -> None:
        ended, self._ended = self._ended, None
        self._lines.flush()
        self._end_all()
        if ended is not None:
            ended(code, reason, message)

    def _end_all(self) -> None:
        world = self._world
        gone = [key for key, one in world.host.listeners.items() if one.owner is world.tasks]
        for key in gone:
            del world.host.listeners[key]
        world.tasks.end()
        if self._main is not None and self._main is not asyncio.current_task():
            self._main.cancel()


async def _captured(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a program returns or dies of: asyncio lets a BaseException of a task out."""
    try:
        return await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a program's end, whatever it is
        return error


def verdict(outcome: Any, ctx: Context) -> tuple[int, str, str]:
    """Return exit code, reason and message of how a program ended, and print what it died of."""
    match outcome:
        case None:
            return 0, "", ""
        case bool() | int():
            return int(outcome) & 0xFF, "", ""
        case Exited():
            return outcome.code & 0xFF, "", ""
        case OutOfMemory() | MemoryError():
            return 137, "OOMKilled", ""
        case Stuck():
            ctx.error("killed: a step of the program did not end")
            return 137, "Error", "a step of the program did not end"
        case BaseException():
            lines = traceback.format_exception(outcome, limit=-_FRAMES)
            ctx.error("".join(lines).rstrip("\n"))
            return 1, "", ""
        case _:
            ctx.error(f"run returned {type(outcome).__name__}, which is no exit code")
            return 1, "", ""


class _Lines:
    """Makes lines of what is printed."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._rest = {1: "", 2: ""}

    def __call__(self, stream: int, text: str) -> None:
        *lines, self._rest[stream] = (self._rest[stream] + text).split("\n")
        for line in lines:
            self._log(stream, line, True)  # noqa: FBT003 - as the type says

    def flush(self) -> None:
        for stream, rest in self._rest.items():
            if rest:
                self._log(stream, rest, False)  # noqa: FBT003
                self._rest[stream] = ""


class Command:
    """A further command in a container: runtimes.port.Process."""

    def __init__(
        self, image: Image, world: World, pid: int, argv: tuple[str, ...], guard: Guard
    ) -> None:
        self._printed: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        output: Output = self._print
        self._ctx = Context(world, pid, argv, output)
        self._guard = guard
        self._image = image
        self._task = world.tasks.spawn(self._run())
        self._task.add_done_callback(self._over)

    def _print(self, stream: int, text: str) -> None:
        self._printed.put_nowait((stream, text.encode()))

    async def _run(self) -> None:
        work = guarded(self._image.exec(self._ctx, self._ctx.argv), self._guard)
        code, _, _ = verdict(await _captured(work), self._ctx)
        self._end(code)

    def _over(self, _task: asyncio.Task[None]) -> None:
        self._end(_EXEC_CODE_KILLED)

    def _end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)
            self._printed.put_nowait(None)

    async def write(self, data: bytes) -> None:
        self._ctx.stdin += data

    async def close_stdin(self) -> None:
        """Commands read what was written before they look."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            part = await self._printed.get()
            if part is None:
                return
            yield part

    async def wait(self) -> int:
        return await self._code

    async def close(self) -> None:
        self._task.cancel()
