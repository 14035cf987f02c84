"""One attempt at a container, played by an image class: runtimes.simulated.Program.

Rule: whatever a program does stays inside its container. An exception is printed and is exit code 1,
memory over the limit is OOMKilled, a step that does not end is stopped by the guard (and so is a program
whose steps go on and on at one instant), and everything that it began ends with it.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from roost.runtimes.port import Process, RuntimeFault
from roost.simulation.workloads.commands import check_program
from roost.simulation.workloads.context import (
    Context,
    Exited,
    OutOfMemory,
    Output,
    World,
)
from roost.simulation.workloads.guarding import Guard, Stuck, guarded
from roost.simulation.workloads.image import Image

Log = Callable[[int, str, bool], None]

_FRAMES: Final = 5
_EXEC_CODE_KILLED: Final = 137
#: What an OCI runtime says before the reason.
_EXEC_FAILED: Final = (
    "failed to exec in container: OCI runtime exec failed: exec failed: "
    "unable to start container process: "
)


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
        if not self._world.signal("SIGTERM") and self._image.term_code is not None:
            self._finish(self._image.term_code, "", "")

    def kill(self) -> None:
        self._ended = None
        self._end_all()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._world.tasks.over

    def memory_bytes(self) -> int:
        return self._world.allocated_bytes + self._world.files.size_bytes()

    def cpu_seconds(self) -> float:
        return self._world.cpu_seconds()

    async def exec(self, argv: tuple[str, ...], *, tty: bool, stdin: bool) -> Process:
        del tty, stdin
        if type(self._image).exec is Image.exec:
            try:
                check_program(argv[0], self._world.files)
            except RuntimeFault as error:
                raise RuntimeFault("ExecError", _EXEC_FAILED + error.message) from error
        self._pids += 1
        return Command(self._image, self._world, self._pids, argv, self._guard)

    # -- the main process

    async def _run(self) -> None:
        code, reason, message = await self._outcome()
        self._finish(code, reason, message)

    async def _outcome(self) -> tuple[int, str, str]:
        tasks = self._world.tasks
        assert tasks.failed is not None
        main = tasks.spawn(self._main_coroutine())
        await asyncio.wait([main, tasks.failed], return_when=asyncio.FIRST_COMPLETED)
        if tasks.failed.done():
            outcome: Any = tasks.failed.result()
        elif main.cancelled():
            outcome = asyncio.CancelledError("the program cancelled itself")
        else:
            outcome = main.exception() or main.result()
        return verdict(outcome, self._ctx)

    async def _main_coroutine(self) -> Any:
        result: Any = self._image.run(self._ctx, self._ctx.argv)
        return await result if inspect.isawaitable(result) else result

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
    """Return what a command returns or dies of: asyncio lets a BaseException of a task out."""
    try:
        return await work
    except (asyncio.CancelledError, KeyboardInterrupt):
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
        case SystemExit():
            return _code_of(outcome, ctx), "", ""
        case OutOfMemory() | MemoryError():
            return 137, "OOMKilled", ""
        case Stuck():
            why = str(outcome) or "a step of the program did not end"
            ctx.error(f"killed: {why}")
            return 137, "Error", why
        case BaseException():
            lines = traceback.format_exception(outcome, limit=-_FRAMES)
            ctx.error("".join(lines).rstrip("\n"))
            return 1, "", ""
        case _:
            ctx.error(f"run returned {type(outcome).__name__}, which is no exit code")
            return 1, "", ""


def _code_of(ended: SystemExit, ctx: Context) -> int:
    """Return the code of sys.exit, as Python itself takes it."""
    if ended.code is None or isinstance(ended.code, int):
        return (ended.code or 0) & 0xFF
    ctx.error(ended.code)
    return 1


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
        self._task = world.tasks.keep(self._run())
        pod = world.pod
        self._task.set_name(f"{pod.namespace}/{pod.name}/{world.container}: {' '.join(argv)}")
        self._task.add_done_callback(self._over)

    def _print(self, stream: int, text: str) -> None:
        self._printed.put_nowait((stream, text.encode()))

    async def _run(self) -> None:
        work = guarded(self._exec(), self._guard)
        code, _, _ = verdict(await _captured(work), self._ctx)
        self._end(code)

    async def _exec(self) -> Any:
        result: Any = self._image.exec(self._ctx, self._ctx.argv)
        return await result if inspect.isawaitable(result) else result

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
