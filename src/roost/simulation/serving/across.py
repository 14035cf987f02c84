"""From a real event loop to the cluster's and back: coroutines that run there are awaited here.

Rules: only the driver's thread and whoever else holds the gate run the cluster's loop, so what happens
there happens in one order. What a client asks for is carried out without time passing, and then the
cluster settles, once for all that was asked meanwhile. Only an answer that needs time (`hurry`) lets
time pass, unless it passes by itself. What the cluster calls in the real world (`out`) runs on the real
loop, and time stands still until it has come back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, Final, TypeVar

from roost.adapters.real.crossing import Bell, Driver, Gate, LoopThread
from roost.simulation.loop import VirtualLoop
from roost.simulation.pace import Pace

ResultT = TypeVar("ResultT")
#: How much of the cluster's time an answer may need.
_PATIENCE_S: Final = 120.0
#: Between two looks at the real clock.
_FRAME_S: Final = 0.02
_REST_S: Final = 0.5
#: Of time that could not be kept up with, so many real seconds are made good.
_OWED_S: Final = 2.0


class Across:
    """See the module. `home` is the real loop; with `realtime` time passes as `pace` says."""

    def __init__(self, loop: VirtualLoop, home: LoopThread, pace: Pace, *, realtime: bool) -> None:
        gate = Gate()
        self._loop = loop
        self._home = home
        self._pace = pace
        self._realtime = realtime
        self._hurried: dict[asyncio.Task[Any], None] = {}
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._looked = 0.0  # when, by the real clock; 0: time stands still
        self._owed_s = 0.0  # of the cluster's time
        self._out: dict[asyncio.Future[Any], None] = {}
        loop.gate, loop.holds.bell = gate, Bell()
        self._driver = Driver(gate, self._go_on, "cluster")

    def start(self) -> None:
        self._driver.start()

    def stop(self) -> None:
        self._driver.post(self.sever)
        self._driver.post(self._give_up)
        self._driver.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing that was asked for still waits to be begun or to be answered."""
        return self._driver.idle and not self._hurried and not self._loop.holds

    @property
    def failure(self) -> BaseException | None:
        """The newest thing that went wrong and could be told nobody."""
        return self._driver.failures[-1] if self._driver.failures else None

    # -- on the real loop

    async def run(
        self, make: Callable[[], Coroutine[Any, Any, ResultT]], *, hurry: bool = False
    ) -> ResultT:
        """Run a coroutine of the cluster's and return its result; cancelled here, it is there too.

        Raises what it raises, and ConnectionResetError when it was cut off there.
        """
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        begun: list[asyncio.Task[ResultT]] = []
        self._driver.post(partial(self._begin, make, hurry, begun, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self._driver.post(lambda: [task.cancel() for task in begun])
            raise

    def tell(self, callback: Callable[..., object], *args: Any) -> None:
        """Call something on the real loop; from the cluster's."""
        self._home.call(callback, *args)

    # -- behind the gate

    def _begin(
        self,
        make: Callable[[], Coroutine[Any, Any, ResultT]],
        hurry: bool,
        begun: list[asyncio.Task[ResultT]],
        answer: asyncio.Future[ResultT],
    ) -> None:
        self._loop.disturb()
        # In a context of its own: nothing of the cluster caused it.
        task = self._loop.create_task(make(), name="a client's request", context=Context())
        begun.append(task)
        self._tasks[task] = None
        if hurry:
            self._hurried[task] = None
        task.add_done_callback(partial(self._ended, answer))

    def _ended(self, answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        self._hurried.pop(task, None)
        self._home.call(_settle, answer, task)

    # -- the other way: on the cluster's loop

    async def out(self, make: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Run a coroutine on the real loop and return its result, while the clock is held.

        Raises what it raises, and ConnectionResetError when the cluster is served no longer.
        """
        answer: asyncio.Future[ResultT] = self._loop.create_future()
        begun: list[asyncio.Task[ResultT]] = []
        self._out[answer] = None
        with self._loop.holds:
            self._home.call(self._begin_out, make, begun, answer)
            try:
                return await answer
            except asyncio.CancelledError:
                self._home.call(lambda: [task.cancel() for task in begun])
                raise
            finally:
                del self._out[answer]

    def _begin_out(
        self,
        make: Callable[[], Coroutine[Any, Any, ResultT]],
        begun: list[asyncio.Task[ResultT]],
        answer: asyncio.Future[ResultT],
    ) -> None:
        task = self._home.loop.create_task(make(), name="a call of the cluster's")
        begun.append(task)
        task.add_done_callback(partial(self._ended_out, answer))

    def _ended_out(self, answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # seen, even if nobody is left behind the gate
        self._driver.post(partial(self._came, answer, task))

    def _came(self, answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        _settle(answer, task)
        self._loop.holds.tell()

    def _give_up(self) -> None:
        """Let what was called in the real world have failed."""
        for answer in self._out:
            if not answer.done():
                answer.set_exception(ConnectionResetError("the cluster is served no longer"))
        self._loop.holds.tell()

    # -- how time passes

    def sever(self) -> None:
        """Cut off everybody, as the end of a server does."""
        for task in self._tasks:
            task.cancel()

    def _go_on(self, unless: Callable[[], bool]) -> float | None:
        loop = self._loop
        speed = self._pace.speed
        if self._realtime and not self._pace.paused and speed is not None:
            return self._keep_pace(speed, unless)
        self._looked = 0.0
        settled = loop.settle(unless)
        if loop.holds:
            return None  # what comes back is an errand
        if settled and self._hurried:
            answered = len(self._hurried)
            loop.advance_to(
                loop.time() + _PATIENCE_S,
                lambda: len(self._hurried) < answered or unless(),
            )
            if self._hurried:
                return None if loop.holds else 0.0
        return _FRAME_S if self._realtime else None

    def _keep_pace(self, speed: float, unless: Callable[[], bool]) -> float | None:
        """Let the time pass that is owed; return when to look again."""
        now, loop = time.monotonic(), self._loop
        passed_s, self._looked = (now - self._looked if self._looked else 0.0), now
        self._owed_s = min(self._owed_s + passed_s * speed, _OWED_S * speed)
        before = loop.time()
        if not loop.advance_to(before + self._owed_s, unless):
            self._owed_s -= loop.time() - before
            if not loop.holds:
                return 0.0
            self._looked = 0.0  # the time of the call is not made good
            return None
        self._owed_s = 0.0
        due = loop.next_due()
        wait_s = _REST_S if due is None else (due - loop.time()) / speed
        return min(_REST_S, max(_FRAME_S, wait_s))


def _settle(answer: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
    """Tell how a task of the other loop ended."""
    if answer.done():
        if not task.cancelled():
            task.exception()  # nobody waits for it any more
    elif task.cancelled():
        answer.set_exception(ConnectionResetError("the API server is gone"))
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())
