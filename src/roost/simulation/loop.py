"""An event loop whose clock jumps: what would take an hour takes as long as there is work to do.

Rules: callbacks run in the order in which they were scheduled, timers of the same instant too, so one
program gives one history; time moves only when nothing is ready; and there is no selector, socket or
thread, so it runs in a web page as well. A task that only keeps something alive rests in `heartbeat`,
and who waits for its silence sets a `watchdog`: while every heart beats and nothing else is due, the
clock leaps over the beats in between (only the last one before the next event is carried out). Threads
may take turns in driving it, if `gate` is a lock; while a call to the real world `holds` the clock,
whoever drives it waits for the call without the gate.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from typing import Any, Final, TypeVar, cast

from roost.simulation.holds import Holds
from roost.simulation.nesting import alone
from roost.simulation.tasks import OWNER, Task, line_of, lines_of, told

ResultT = TypeVar("ResultT")

#: So many cancelled timers are carried along before they are weeded out.
_CANCELLED_KEPT: Final = 1000
#: In a leap a watchdog is put off to so long after the heart it listens to, in seconds.
_PUT_OFF_S: Final = 1.0
#: What one waits for takes no longer than this, or it never comes; in seconds.
_PATIENCE_S: Final = 86_400.0
#: So many turns at one instant are no work any more but a circle.
_TURNS_AT_ONCE: Final = 100_000
#: Thresholds of the garbage collector.
_COLLECTOR: Final = (200_000, 50, 100)


class Deadlock(RuntimeError):
    """What is waited for does not come: nothing can happen any more, or nothing but what always goes
    on did for a day. The text says who waits, and where."""


class Livelock(RuntimeError):
    """Something goes on and on at one instant; the text says who, and where."""


class _Beat:
    """A task that rests between two beats."""

    __slots__ = ("due", "era", "name", "number", "period_s", "waiter")

    def __init__(self, name: str, number: int, due: float, period_s: float) -> None:
        self.name = name
        self.number = number
        self.due = due
        self.period_s = period_s
        self.waiter: asyncio.Future[None]
        self.era = 0


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. `leaps` and `turns` count for benchmarks and tests."""

    _ready: deque[Any]  # of BaseEventLoop

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._cancelled = 0
        self._patience = math.inf  # without a goal: until then
        self._goal: float | None = None  # None: run until something stops the loop
        self._step = False  # stop after the next instant at which something happens
        self._stepped = False
        self._beats: dict[int, _Beat] = {}
        self._beat_heap: list[tuple[float, int, _Beat]] = []
        self._era = 0  # grows whenever something else than a beat happens
        self._fresh = 0  # hearts that rest since a beat of this era
        self._watchdogs: list[tuple[float, int, str, asyncio.TimerHandle]] = []
        self._beating: dict[str, int] = {}
        self._unless: Callable[[], bool] | None = None
        #: Whoever drives the loop, or gives it work, holds this; a lock where several threads do.
        self.gate: AbstractContextManager[object] = nullcontext()
        self.holds = Holds()
        self.leaps = 0
        self.turns = 0
        self._turns_before = 0  # of this instant
        self.set_task_factory(_make_task)  # type: ignore[arg-type]  # typeshed wants a Future

    # -- the clock ----------------------------------------------------------------------------

    def time(self) -> float:
        """Return the seconds since the beginning of the world."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, and everything happen that is due in them."""
        self.advance_to(self._now + seconds)

    def advance_to(self, instant: float, unless: Callable[[], bool] | None = None) -> bool:
        """Run everything that is due up to and including `instant`; it is then that instant.

        It ends early when `unless` holds, which is looked at often, and with an `unless` also when
        the clock is held; return whether it did not.
        """
        while True:
            with self.gate:
                if self._ready:
                    self.disturb()
                self._goal, self._unless = max(instant, self._now), unless
                try:
                    with alone():
                        self.run_forever()
                finally:
                    self._goal = self._unless = None
                held, mark = bool(self.holds), self.holds.mark()
                done = not self._ready and not held and self._now >= instant
            if done or not held or unless is not None:
                return done
            self.holds.wait(mark)

    def advance_until(self, instant: float, condition: Callable[[], object]) -> bool:
        """Advance until a condition holds, at most to `instant`; return whether it does.

        The condition is looked at whenever all that is due at an instant has happened; it may use
        `finish`, but nothing should change by it.
        """
        self.drain()
        while not condition():
            if self._ready:
                self.drain()
            elif not self.step_to(instant):
                return False
        return True

    def step_to(self, instant: float) -> bool:
        """Advance to the next instant at which something happens, at most to `instant`.

        Returns False if it is `instant` already.
        """
        self.drain()
        if self._now >= instant:
            return False
        with self.gate:
            self._step, self._stepped, self._goal = True, False, instant
            try:
                with alone():
                    self.run_forever()
            finally:
                self._step, self._goal = False, None
            held, mark = bool(self.holds), self.holds.mark()
        if held:
            self.holds.wait(mark)
        return True

    def drain(self) -> None:
        """Finish what is ready: what is done next then finds the same, whether somebody looked
        before (which also finishes it) or not."""
        if self._ready:
            self.settle(_never)

    def settle(self, unless: Callable[[], bool] | None = None) -> bool:
        """Run what is ready, and what that makes ready; no time passes. As `advance_to`."""
        return self.advance_to(self._now, unless)

    def finish(self, coro: Coroutine[Any, Any, ResultT], *, quiet: bool = False) -> ResultT:
        """Run a coroutine to its end and return its result; time passes as far as it waits.

        `quiet`: it only looks, and changes nothing. Raises what it raises, and Deadlock when it can
        never end.
        """
        self.drain()
        with self.gate:
            if not quiet:
                self.disturb()
            task = self.create_task(coro)
            self._patience = self._now + _PATIENCE_S
        while not task.done():
            with self.gate:
                self._run_to(task)
                held, mark = bool(self.holds), self.holds.mark()
            if held and not task.done():
                self.holds.wait(mark)
        return task.result()

    def _run_to(self, task: asyncio.Task[Any]) -> None:
        """Run until a task has ended, or the clock is held. Raises Deadlock when it never ends."""
        task.add_done_callback(self._ended)
        try:
            with alone():
                self.run_forever()
        except Deadlock as found:
            words = f"{found}\nof them one was asked for: {line_of(task)}"
            task.cancel()
            raise Deadlock(words) from None
        finally:
            task.remove_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[Any]) -> None:
        self.stop()

    def next_due(self) -> float | None:
        """Return the time of the next thing to happen; None: nothing is planned."""
        self._weed()
        dues = [heap[0][0] for heap in (self._timers, self._beat_heap, self._watchdogs) if heap]
        return min(dues, default=None)

    # -- heartbeats ---------------------------------------------------------------------------

    async def heartbeat(self, period_s: float, name: str = "") -> None:
        """Rest for a period, as one who does the same again and again while nothing else happens.

        The rest may be longer, a multiple of the period, when nobody could tell the difference.
        """
        beat = _Beat(name, self._number(), self._now + period_s, period_s)
        beat.waiter, beat.era = self.create_future(), self._era
        self._beats[beat.number] = beat
        self._beating[name] = self._beating.get(name, 0) + 1
        self._fresh += 1
        heapq.heappush(self._beat_heap, (beat.due, beat.number, beat))
        try:
            await beat.waiter
        finally:
            self._forget(beat)

    def watchdog(self, name: str, when: float, callback: Callable[[], object]) -> asyncio.Handle:
        """Call back at `when`, unless leaps over the beats of heart `name` put that off."""
        handle: Any = asyncio.TimerHandle(when, callback, (), self)
        handle._scheduled = False
        heapq.heappush(self._watchdogs, (when, self._number(), name, handle))
        return cast(asyncio.Handle, handle)

    def disturb(self) -> None:
        """Say that something happened: every heart has to beat before the next leap."""
        self._era += 1
        self._fresh = 0

    def _forget(self, beat: _Beat) -> None:
        if self._beats.pop(beat.number, None) is None:
            return
        left = self._beating[beat.name] - 1
        if left:
            self._beating[beat.name] = left
        else:
            del self._beating[beat.name]
        if beat.era == self._era:
            self._fresh -= 1
        if not beat.waiter.done() or beat.waiter.cancelled():
            self.disturb()  # a heart stopped: nobody leaps before the others were heard

    # -- what asyncio asks of a loop ----------------------------------------------------------

    def call_later(  # type: ignore[override]  # typeshed's type variables are of 3.11 and later
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle: Any = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._number(), handle))
        handle._scheduled = True  # asyncio's own protocol between loop and handle
        return cast(asyncio.TimerHandle, handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if handle._scheduled:  # type: ignore[attr-defined]
            self._cancelled += 1

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no events from outside."""

    def _run_once(self) -> None:
        ready = self._ready
        if not ready and not self._move():
            self.stop()
            return
        self.turns += 1
        self._stepped = True
        if self.turns - self._turns_before > _TURNS_AT_ONCE:
            raise Livelock(self._circling())
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        if self._unless is not None and self._unless():
            self.stop()

    # -- how time moves -----------------------------------------------------------------------

    def _move(self) -> bool:
        """Move the clock to the next instant and make ready what is due then; False at the goal."""
        self._weed()
        if self.holds:
            self._release()
            return bool(self._ready)
        goal = self._patience if self._goal is None else self._goal
        timers, beats = self._timers, self._beat_heap
        due = timers[0][0] if timers else math.inf
        if beats and beats[0][0] <= min(due, goal):
            limit = min(due, goal, self._unheard())
            if self._fresh == len(self._beats) and limit < math.inf:
                self._leap(limit)
        instant = min(due, beats[0][0] if beats else math.inf)
        if self._watchdogs:
            instant = min(instant, self._watchdogs[0][0])
        if self._goal is None and (instant == math.inf or instant > goal):
            self._now = self._now if instant == math.inf else goal
            raise Deadlock(told(self, instant))
        if instant > goal:
            self._now = goal
            self._turns_before = self.turns
            return False
        if self._step and self._stepped:
            return False
        if instant > self._now:
            self._now = instant
            self._turns_before = self.turns
        self._release()
        return True

    def _release(self) -> None:
        """Make ready all that is due now: timers, then hearts, then watchdogs."""
        now, timers, ready = self._now, self._timers, self._ready
        while timers and timers[0][0] <= now:
            handle: Any = heapq.heappop(timers)[2]
            handle._scheduled = False
            if handle.cancelled():
                self._cancelled -= 1
            else:
                self.disturb()
                ready.append(handle)
        while self._beat_heap and self._beat_heap[0][0] <= now:
            beat = heapq.heappop(self._beat_heap)[2]
            if beat.number in self._beats and not beat.waiter.done():
                beat.waiter.set_result(None)
                self._forget(beat)
        while self._watchdogs and self._watchdogs[0][0] <= now:
            handle = heapq.heappop(self._watchdogs)[3]
            if not handle.cancelled():
                ready.append(handle)

    def _unheard(self) -> float:
        """Return when the first watchdog is due whose heart does not beat."""
        beating = self._beating
        return min(
            (w for w, _, name, _ in self._watchdogs if name not in beating), default=math.inf
        )

    def _leap(self, limit: float) -> None:
        """Put every heart forward to its last beat up to `limit`, and watchdogs behind them."""
        last: dict[str, float] = {}
        for beat in self._beats.values():
            skipped = math.floor((limit - beat.due) / beat.period_s)
            if skipped > 0:
                beat.due += skipped * beat.period_s
                self.leaps += skipped
            last[beat.name] = max(beat.due, last.get(beat.name, 0.0))
        self._beat_heap = [(beat.due, beat.number, beat) for beat in self._beats.values()]
        heapq.heapify(self._beat_heap)
        self._watchdogs = [
            (max(when, last[name] + _PUT_OFF_S) if name in last else when, number, name, handle)
            for when, number, name, handle in self._watchdogs
            if not handle.cancelled()
        ]
        heapq.heapify(self._watchdogs)

    def _weed(self) -> None:
        """Drop what was cancelled from the heads of the heaps, and all of it now and then."""
        timers = self._timers
        if self._cancelled > _CANCELLED_KEPT and self._cancelled * 2 > len(timers):
            self._timers = timers = [entry for entry in timers if not entry[2].cancelled()]
            heapq.heapify(timers)
            self._cancelled = 0
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
            self._cancelled -= 1
        while self._watchdogs and self._watchdogs[0][3].cancelled():
            heapq.heappop(self._watchdogs)
        while self._beat_heap and self._beat_heap[0][2].number not in self._beats:
            heapq.heappop(self._beat_heap)

    def _circling(self) -> str:
        """Say who is to run next, at an instant that does not end."""
        owners = [getattr(handle._callback, "__self__", None) for handle in self._ready]
        tasks = [owner for owner in owners if isinstance(owner, Task)]
        return "\n".join((f"the instant {self._now:.6f} does not end; next are", *lines_of(tasks)))


def _never() -> bool:
    return False


def _make_task(loop: VirtualLoop, coro: Any, **more: Any) -> Task:
    def make(work: Any) -> Task:
        return Task(work, number=loop._number(), loop=loop, **more)

    context = more.get("context")
    owner = OWNER.get() if context is None else context.get(OWNER)
    return make(coro) if owner is None else owner.begin(coro, make)
