"""The virtual loop: order, jumps, leaps, deadlocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from roost.adapters.real.crossing import Bell, Gate
from roost.ports.heartbeats import rest, watch_over
from roost.simulation.loop import Deadlock, Livelock, VirtualLoop


def test_timers_of_one_instant_run_in_the_order_in_which_they_were_set():
    loop, ran = VirtualLoop(), []
    for name in "dcba":
        loop.call_at(5.0, ran.append, name)
    loop.call_at(4.0, ran.append, "first")
    loop.advance(5)
    assert ran == ["first", "d", "c", "b", "a"]
    assert loop.time() == 5.0


def test_an_advance_ends_at_its_goal_and_runs_what_is_due_then():
    loop, ran = VirtualLoop(), []
    loop.call_at(10.0, ran.append, "at")
    loop.call_at(10.001, ran.append, "after")
    loop.advance(10)
    assert (ran, loop.time()) == (["at"], 10.0)
    loop.settle()
    assert ran == ["at"]


def test_one_advance_goes_through_all_instants_and_what_they_cause():
    loop, seen = VirtualLoop(), []

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(loop.time())

    task = loop.create_task(ticking())
    loop.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]
    loop.advance(0.5)
    assert seen[-1] == 4.0
    task.cancel()
    loop.settle()


def test_a_coroutine_is_run_to_its_end_and_only_as_much_time_passes_as_it_waits():
    loop = VirtualLoop()

    async def main() -> str:
        await asyncio.sleep(3600)
        return "done"

    assert loop.finish(main()) == "done"
    assert loop.time() == 3600.0


def test_a_deadlock_is_told_at_once_and_names_who_waits_where():
    loop = VirtualLoop()

    async def stuck() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        waiter = asyncio.create_task(stuck(), name="the stuck one")
        await waiter

    with pytest.raises(Deadlock) as caught:
        loop.finish(main())
    (line,) = [line for line in str(caught.value).splitlines() if "the stuck one" in line]
    assert "stuck, line" in line
    assert line.endswith("(Event.wait)")


def test_it_runs_inside_another_loop():
    async def outer() -> float:
        loop = VirtualLoop()
        loop.finish(asyncio.sleep(7))
        assert asyncio.get_running_loop() is not loop
        return loop.time()

    assert asyncio.run(outer()) == 7.0


def test_sets_of_tasks_have_the_order_of_their_making():
    loop = VirtualLoop()

    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(n)) for n in range(50)}
        await asyncio.wait(tasks)
        return [task.get_name() for task in tasks]

    first = loop.finish(main())
    assert VirtualLoop().finish(main()) == first


def beating(loop: VirtualLoop, period_s: float, name: str, seen: list[float]) -> asyncio.Task[None]:
    async def run() -> None:
        while True:
            await rest(period_s, name)
            seen.append(loop.time())

    return loop.create_task(run())


def test_hearts_leap_to_their_last_beat_before_the_next_event():
    loop, fast, slow, events = VirtualLoop(), [], [], []
    beating(loop, 10, "a", fast)
    beating(loop, 300, "b", slow)
    loop.call_at(86_000, events.append, 1)
    loop.advance(86_400)
    assert events == [1]
    assert loop.leaps > 8000
    assert len(fast) < 100
    assert {at % 10 for at in fast} == {0.0}
    assert {at % 300 for at in slow} == {0.0}
    assert (fast[-1], slow[-1]) == (86_400.0, 86_400.0)
    assert 86_000.0 in fast or 85_990.0 in fast


def test_after_something_happened_every_heart_beats_before_the_next_leap():
    loop, seen = VirtualLoop(), []
    beating(loop, 10, "a", seen)
    loop.advance(1000)
    loop.disturb()
    del seen[:]
    loop.advance(500)
    assert seen[0] == 1010.0
    assert seen[-1] == 1500.0
    assert len(seen) <= 4


def test_many_hearts_out_of_step_leap_again_after_each_event():
    loop, seen = VirtualLoop(), []
    for number in range(5):
        loop.call_at(number, beating, loop, 10, str(number), seen)
    for hour in range(1, 24):
        loop.call_at(hour * 3600 + 0.5, list)
    loop.advance(86_400)
    assert len(seen) < 5 * 24 * 4
    assert loop.leaps > 40_000


def test_a_watchdog_sleeps_while_its_heart_beats_and_wakes_in_time_when_it_stops():
    loop, seen, barks = VirtualLoop(), [], []
    task = beating(loop, 10, "a", seen)

    async def guard() -> None:
        def again() -> None:
            if seen and loop.time() - seen[-1] >= 40:
                barks.append(loop.time())
                return
            watch_over("a", loop.time() + 5, again)

        again()

    loop.create_task(guard())
    loop.advance(86_400)
    assert barks == []
    assert len(seen) < 50
    last = seen[-1]
    task.cancel()
    loop.advance(100)
    assert len(barks) == 1
    assert last + 40 <= barks[0] <= last + 45


def test_hearts_are_plain_sleeps_on_a_plain_loop():
    async def main() -> object:
        await rest(0.0, "a")
        return watch_over("a", 1.0, print)

    assert asyncio.run(main()) is None


def test_an_instant_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.simulation.loop._TURNS_AT_ONCE", 500)
    loop = VirtualLoop()

    async def circle() -> None:
        while True:  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0)

    with pytest.raises(Livelock) as caught:
        loop.finish(circle())
    assert "the instant 0.000000 does not end" in str(caught.value)
    assert "circle" in str(caught.value)


# -- calls of the real world


class Call:
    """A call that another thread answers, as soon as it may."""

    def __init__(self, loop: VirtualLoop) -> None:
        loop.gate, loop.holds.bell = Gate(), Bell()
        self.loop = loop
        self.begun = threading.Event()
        self.answer = loop.create_future()

    async def make(self) -> float:
        with self.loop.holds:
            self.begun.set()
            await self.answer
        return self.loop.time()

    @contextmanager
    def answered(self) -> Iterator[None]:
        def come() -> None:
            assert self.begun.wait(20)
            with self.loop.gate:
                self.answer.set_result(None)
                self.loop.holds.tell()

        thread = threading.Thread(target=come)
        thread.start()
        try:
            yield
        finally:
            thread.join(20)


def test_a_call_holds_the_clock_but_not_the_gate():
    loop, ran = VirtualLoop(), []
    call = Call(loop)
    loop.call_at(0.0, ran.append, "now")
    loop.call_at(1.0, ran.append, "later")
    with call.answered():
        assert loop.finish(call.make()) == 0.0
    assert ran == ["now"]
    assert not loop.holds


@pytest.mark.parametrize("way", [VirtualLoop.advance_to, VirtualLoop.step_to])
def test_whoever_lets_time_pass_waits_for_a_call(way):
    loop = VirtualLoop()
    call = Call(loop)
    task = loop.create_task(call.make())
    loop.call_at(2.0, lambda: None)
    assert loop.settle(lambda: False) is False  # without waiting
    assert (loop.time(), bool(loop.holds)) == (0.0, True)
    with call.answered():
        way(loop, 5.0)
    loop.advance_to(5.0)
    assert (task.result(), loop.time()) == (0.0, 5.0)


def test_a_call_that_is_given_up_holds_nothing():
    loop = VirtualLoop()
    call = Call(loop)
    task = loop.create_task(call.make())
    loop.settle(lambda: False)
    task.cancel()
    loop.advance(1)
    assert (loop.time(), bool(loop.holds)) == (1.0, False)
    with pytest.raises(RuntimeError, match="nobody could wait"):
        VirtualLoop().holds.__enter__()
