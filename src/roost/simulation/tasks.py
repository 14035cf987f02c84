"""Tasks of a virtual loop: numbered, so that their order is the same everywhere; lines tell of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import GeneratorType
from typing import Any, Final, Protocol


class Owner(Protocol):
    """Somebody who answers for all tasks that begin in a context of his."""

    def begin(self, work: Any, make: Callable[[Any], Task]) -> Task:
        """Return a task for a coroutine, or for what this one runs in its place."""
        ...


#: Whose the tasks are that begin here; None: nobody's in particular.
OWNER: Final[ContextVar[Owner | None]] = ContextVar("owner", default=None)


class Task(asyncio.Task[Any]):
    """A task with a number for a hash: sets of tasks are then in the same order in every process."""

    def __init__(self, coro: Any, *, number: int, **more: Any) -> None:
        self.number = number
        super().__init__(coro, **more)
        # A world that is forgotten as a whole leaves tasks behind, and that is nobody's mistake.
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


def lines_of(tasks: Iterable[Task]) -> list[str]:
    """Return a line for each task that is not over: who it is, and where it waits."""
    return [f"  {line_of(task)}" for task in tasks if not task.done()]


def line_of(task: asyncio.Task[Any]) -> str:
    """Return who a task is, and where it waits."""
    return f"{task.get_name()}: {_place(task)}"


def told(loop: asyncio.AbstractEventLoop, instant: float) -> str:
    """Say which tasks wait, and where, oldest first; `instant` is when something happens next."""
    tasks = [task for task in asyncio.all_tasks(loop) if isinstance(task, Task)]
    lines = lines_of(sorted(tasks, key=lambda task: task.number))
    why = "nothing can happen any more"
    if instant < math.inf:
        why = "for a day nothing came of it"
    return "\n".join((f"{why}; {len(lines)} tasks wait:", *lines))


def _place(task: asyncio.Task[Any]) -> str:
    """Return where a task waits: the innermost place of code that is not asyncio's, and in what."""
    coro: Any = task.get_coro()
    place = inner = getattr(coro, "__qualname__", str(coro))
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "ag_frame", None)
        if frame is not None:
            inner = frame.f_code.co_qualname
            if not frame.f_globals.get("__name__", "").startswith("asyncio"):
                place = f"{inner}, line {frame.f_lineno}"
        coro = _awaited(coro)
    return place if place.startswith(inner) else f"{place} ({inner})"


def _awaited(coro: Any) -> Any:
    """Return what a coroutine waits for; of one that plays another step by step, the other."""
    if isinstance(coro, GeneratorType):
        frame = coro.gi_frame
        return None if frame is None else frame.f_locals.get("work")
    following = getattr(coro, "cr_await", None)
    return following if following is not None else getattr(coro, "ag_await", None)
