"""Threads around something that only one of them may drive at a time, such as a virtual event loop.

`Gate` is the lock that whoever drives holds; `Driver` is a thread that does errands behind it and lets
the driven thing go on in between; `LoopThread` runs a real event loop in a thread of its own. Rule:
from one loop to the other things only cross as errands (`Driver.post`) or as `LoopThread.call`; neither
side ever waits for the other while it holds the gate.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, TypeVar

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)
_JOIN_S: Final = 10.0


class Gate:
    """A lock for threads that may take it again while they have it. First come, first served:
    somebody who takes it again and again keeps nobody out."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner = 0
        self._depth = 0
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        with self._mutex:
            if self._depth == 0:
                self._owner, self._depth = me, 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:
            self._give_up(turn)
            raise
        self._owner = me

    def _give_up(self, turn: threading.Lock) -> None:
        """Leave the queue of those who wait, as one who was interrupted."""
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._hand_on()  # it was our turn already

    def _hand_on(self) -> None:
        """Let the next one in; `_depth` stays 1 for them, so that nobody slips in between."""
        self._owner = 0
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._depth = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._mutex:
            if self._depth > 1:
                self._depth -= 1
            else:
                self._hand_on()


class Bell:
    """Where a thread waits, without the gate, for what others do behind it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def ring(self) -> None:
        """Let everybody who waits look again."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, until: Callable[[], bool]) -> None:
        """Return when it holds; it is looked at first, and then whenever somebody rings."""
        with self._condition:
            self._condition.wait_for(until)


class Driver:
    """A thread that does errands with the gate held, then lets what is driven go on.

    `go_on(unless)` lets it, and should return early when `unless()` holds, for then there are errands;
    it returns after how many seconds it wants to be called again, None: after the next errand.
    """

    def __init__(
        self,
        gate: Gate,
        go_on: Callable[[Callable[[], bool]], float | None],
        name: str,
    ) -> None:
        self._gate = gate
        self._go_on = go_on
        self._errands: deque[Callable[[], object]] = deque()
        self._wake = threading.Event()
        self._ended = False
        #: What went wrong behind the gate and had nobody to tell; newest last.
        self.failures: deque[BaseException] = deque(maxlen=10)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread when it has done what it was given."""
        self._ended = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def post(self, errand: Callable[[], object]) -> None:
        """Have something done; from any thread. What it raises is logged."""
        self._errands.append(errand)
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._errands

    def _has_errands(self) -> bool:
        return bool(self._errands) or self._ended

    def _work(self) -> None:
        pause: float | None = 0.0
        while True:
            if not self._errands:
                if self._ended:
                    return
                self._wake.wait(pause)
            self._wake.clear()
            with self._gate:
                while self._errands:
                    self._guarded(self._errands.popleft())
                pause = self._guarded(lambda: self._go_on(self._has_errands))

    def _guarded(self, work: Callable[[], ResultT]) -> ResultT | None:
        try:
            return work()
        except Exception as error:
            self.failures.append(error)
            log.exception("behind the gate")
            return None


class LoopThread:
    """A real event loop in a daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, ResultT], timeout_s: float = _JOIN_S) -> ResultT:
        """Run a coroutine there and return its result; from another thread. Raises TimeoutError."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call something there soon; from any thread. Nothing happens when the loop has ended."""
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def stop(self) -> None:
        """Cancel what still runs there, and end the thread."""
        self.run(_cancel_others())
        self.call(self.loop.stop)
        self._thread.join(_JOIN_S)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def wait_while(condition: Callable[[], bool], timeout_s: float, look_s: float = 0.005) -> bool:
    """Wait in this thread while a condition holds; return whether it ended within the time."""
    end = time.monotonic() + timeout_s
    while condition():
        if time.monotonic() >= end:
            return False
        time.sleep(look_s)
    return True
