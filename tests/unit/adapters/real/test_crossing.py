"""The gate, and errands behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from roost.adapters.real.crossing import Driver, Gate, LoopThread


def test_only_one_is_behind_the_gate_and_may_enter_again() -> None:
    gate, inside, most = Gate(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with gate, gate:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1]


def test_who_waited_comes_before_who_comes_again() -> None:
    gate, order, waiting = Gate(), [], threading.Event()

    def wait() -> None:
        waiting.set()
        with gate:
            order.append("who waited")

    with gate:
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait(5)
        while not gate._waiting:  # until it stands in the queue
            pass
    with gate:
        order.append("who came again")
    thread.join(5)
    assert order == ["who waited", "who came again"]


def test_an_error_leaves_the_gate_open() -> None:
    gate = Gate()
    with pytest.raises(ValueError, match="x"), gate:
        raise ValueError("x")
    thread = threading.Thread(target=gate.__enter__)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_errands_are_done_in_order_and_faults_are_kept() -> None:
    done: list[int] = []
    went_on = threading.Event()

    def go_on(unless: Callable[[], bool]) -> None:
        if not unless():
            went_on.set()

    driver = Driver(Gate(), go_on, "test")
    for number in range(5):
        driver.post(lambda number=number: done.append(number))
    driver.post(lambda: done[99])
    driver.start()
    assert went_on.wait(5)
    driver.stop()
    assert done == [0, 1, 2, 3, 4]
    assert [type(fault) for fault in driver.failures] == [IndexError]


def test_a_loop_in_a_thread_ends_with_what_runs_there() -> None:
    thread = LoopThread("test")
    thread.start()
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    async def begin() -> asyncio.Task[None]:
        task = asyncio.ensure_future(forever())
        await asyncio.sleep(0)
        return task

    assert thread.run(begin()) is not None
    thread.stop()
    assert ended == ["cancelled"]
    thread.call(print)  # too late, and no error
