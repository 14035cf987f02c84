"""Time that keeps pace with a real clock (told here), and lets others go on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from roost.simulation.pace import Pace


class World:
    """A cluster in which something happens every second, at a cost of real time, and a real clock."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.time = 0.0
        self.real = 100.0
        self.cost_s = cost_s
        self.slices: list[float] = []
        self.pace = Pace(self.advance, self.step_to, lambda: self.time)

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def step_to(self, instant: float) -> bool:
        if self.time >= instant:
            return False
        self.time = min(instant, float(int(self.time) + 1))
        self.real += self.cost_s
        return True

    async def sleep(self, seconds: float) -> None:
        self.slices.append(self.time)
        self.real += seconds
        await asyncio.sleep(0)

    async def until(self, real: float) -> None:
        """Let others go on until the real clock says so."""
        while self.real < real:  # noqa: ASYNC110 - there is no event: this is the clock
            await asyncio.sleep(0)

    async def keep(self, seconds: float) -> None:
        await self.pace.keep(seconds, clock=lambda: self.real, sleep=self.sleep)


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 3.0), (60.0, 2.0), (0.5, 4.0)])
def test_time_passes_at_the_speed_and_in_slices(speed: float, seconds: float):
    world = World()
    world.pace.speed = speed
    asyncio.run(world.keep(seconds))
    assert world.time == pytest.approx(speed * seconds)
    assert world.real == pytest.approx(100 + seconds)
    assert len(world.slices) >= seconds * 50
    assert max(b - a for a, b in zip(world.slices, world.slices[1:], strict=False)) <= speed / 49


def test_what_takes_long_is_cut_where_something_happens():
    world = World(cost_s=0.003)
    world.pace.speed = 200.0
    asyncio.run(world.keep(1.0))
    steps = [b - a for a, b in zip(world.slices, world.slices[1:], strict=False)]
    assert max(steps) <= 3.0  # three of 3 ms in a slice of 8 ms
    assert world.real == pytest.approx(101, abs=0.02)


def test_who_is_far_behind_does_not_catch_up():
    world = World()

    async def wakes_late(_seconds: float) -> None:
        world.real += 500

    asyncio.run(world.pace.keep(500, clock=lambda: world.real, sleep=wakes_late))
    assert world.time == pytest.approx(1.0)


def test_no_time_passes_while_it_is_paused():
    async def main() -> None:
        world = World()
        task = asyncio.create_task(world.keep(10))
        await world.until(105)
        world.pace.pause()
        before = world.time
        await world.until(108)
        assert world.time == before
        world.pace.resume()
        await task
        assert world.time == pytest.approx(7, abs=0.1)

    asyncio.run(main())


@pytest.mark.parametrize("paused", [False, True])
def test_without_a_speed_it_is_as_fast_as_can_be_reckoned(paused: bool):
    async def main() -> None:
        world = World(cost_s=0.001)
        world.pace.speed = None
        world.pace.paused = paused
        task = asyncio.create_task(world.keep(1000))
        if paused:
            await world.until(101)
            assert world.time == 0
            world.pace.resume()
        await task
        assert world.time == 1000
        assert len(world.slices) >= 1000 / 8 - 1

    asyncio.run(main())


def test_the_speed_may_change_on_the_way():
    async def main() -> None:
        world = World(cost_s=0.001)
        task = asyncio.create_task(world.keep(3))
        await world.until(101)
        world.pace.speed = None
        await world.until(102)
        assert world.time > 500
        world.pace.speed, before = 1.0, world.time
        await task
        assert world.time == pytest.approx(before + 1, abs=0.1)

    asyncio.run(main())


def test_one_at_a_time_keeps_the_pace_until_cancelled():
    async def main() -> None:
        world = World()
        first = asyncio.create_task(world.keep(float("inf")))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already"):
            await world.keep(1)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        await world.keep(1)

    asyncio.run(main())
