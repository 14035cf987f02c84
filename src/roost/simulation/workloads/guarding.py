"""Keeps a simulated program inside its container: its steps are guarded, its tasks end with it.

Rule: whatever a program does, in its main coroutine, in a handler or in a task that it began by whatever
way, ends at most its own container. Only KeyboardInterrupt passes: it is the user's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, Protocol, TypeVar

from roost.simulation.tasks import OWNER, Task

ResultT = TypeVar("ResultT")
#: More steps than this at one instant are no work any more but a circle. (A request takes one.)
_STEPS_AT_ONCE: Final = 10_000


class Stuck(BaseException):
    """A step of a program took too long for the guard, or it goes round and no time passes."""


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
    """A coroutine whose every step is guarded, and which may take so many at an instant."""

    def __init__(self, work: Coroutine[Any, Any, Any], guard: Guard) -> None:
        self._work = work
        self._guard = guard

    def __await__(self) -> Generator[Any, Any, Any]:
        work, guard, now = self._work, self._guard, asyncio.get_running_loop().time
        step: Any = work.send
        given: Any = None
        instant, steps = now(), 0
        while True:
            guard.enter()
            try:
                waits_for = step(given)
            except StopIteration as over:
                return over.value
            finally:
                guard.leave()
            steps += 1
            if now() != instant:
                instant, steps = now(), 0
            elif steps > _STEPS_AT_ONCE:
                self._close()
                raise Stuck(f"it took more than {_STEPS_AT_ONCE} steps while no time passed")
            try:
                given, step = (yield waits_for), work.send
            except BaseException as error:  # noqa: BLE001 - passed on into the program
                given, step = error, work.throw

    def _close(self) -> None:
        """End the program where it stands; one that will not be ended is let go."""
        self._guard.enter()
        try:
            with suppress(Exception, Stuck):
                self._work.close()
        finally:
            self._guard.leave()


async def guarded(work: Coroutine[Any, Any, Any], guard: Guard) -> Any:
    """Run a program's coroutine under a guard."""
    return await _Steps(work, guard)


class Tasks:
    """Everything a container has under way; it ends with the container. fabric.Owner, tasks.Owner."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._running: dict[asyncio.Task[Any], None] = {}
        self.failed: asyncio.Future[BaseException] | None = None
        self.over = False

    def spawn(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run something beside; should it fail, the container fails."""
        task: asyncio.Task[ResultT] = self._begin(work)
        task.add_done_callback(self._look)
        return task

    def keep(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run something that guards itself, and that ends with the container all the same."""
        return self._begin(_kept(work))

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        context = copy_context()
        context.run(OWNER.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def begin(self, work: Any, make: Callable[[Any], Task]) -> Task:
        is_kept = getattr(work, "cr_code", None) is _kept.__code__
        task = make(work if is_kept else self._watched(work))
        self._running[task] = None
        task.add_done_callback(self._forget)
        if not is_kept:
            # One that is cancelled before it began would complain that nobody awaited it.
            task.add_done_callback(lambda _: work.close())
        if self.over:
            task.cancel()
        return task

    async def _watched(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        try:
            result: ResultT = await _Steps(work, self._guard)
        except (Exception, asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error)
            raise asyncio.CancelledError from error
        return result

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)

    def _look(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(error)

    def end(self) -> None:
        """Cancel everything."""
        self.over = True
        for task in tuple(self._running):
            task.cancel()


async def _kept(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    return await work
