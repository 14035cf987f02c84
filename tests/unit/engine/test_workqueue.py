"""The workqueue keeps client-go's contract."""

import pytest

from roost.engine.workqueue import WorkQueue


def taken(queue: WorkQueue[str]) -> list[str]:
    keys = []
    while len(queue):
        keys.append(queue.take())
    return keys


def test_keys_come_out_in_order_and_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abcab":
        queue.add(key)
    assert taken(queue) == ["a", "b", "c"]


def test_a_key_added_while_processed_comes_again_only_after_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert taken(queue) == ["a"]
    queue.done("a")
    assert len(queue) == 0


def test_an_empty_queue_has_nothing_to_take() -> None:
    with pytest.raises(IndexError):
        WorkQueue[str]().take()


def test_back_off_doubles_up_to_the_limit_and_is_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    delays = [queue.retry("a", 0.0) for _ in range(20)]
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 1000.0
    assert queue.failures("a") == 20
    queue.forget("a")
    assert queue.retry("a", 0.0) == 0.005
    assert queue.retry("b", 0.0) == 0.005


def test_back_off_does_not_overflow() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(2000):
        last = queue.retry("a", 0.0)
    assert last == 1000.0


def test_the_earliest_of_several_delays_wins() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 5.0, now=0.0)
    queue.add_after("a", 2.0, now=0.0)
    queue.add_after("a", 9.0, now=0.0)
    assert queue.next_due() == 2.0
    queue.release(1.9)
    assert len(queue) == 0
    queue.release(2.0)
    assert taken(queue) == ["a"]
    queue.done("a")
    queue.release(100.0)
    assert taken(queue) == []
    assert queue.next_due() is None


def test_no_delay_means_now() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.0, now=3.0)
    assert taken(queue) == ["a"]


def test_a_delayed_key_that_is_being_processed_waits_for_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.take()
    queue.add_after("a", 1.0, now=0.0)
    queue.release(1.0)
    assert len(queue) == 0
    queue.done("a")
    assert taken(queue) == ["a"]


def test_it_measures_how_long_keys_wait_and_take() -> None:
    now = 0.0
    queue: WorkQueue[str] = WorkQueue(lambda: now)
    for key in "aab":
        queue.add(key)
    assert (queue.adds, queue.depth()) == (2, 2)
    now = 2.0
    queue.take()
    queue.add("a")  # again, for after this time
    assert queue.depth() == 2
    now = 5.0
    assert queue.unfinished() == [3.0]
    queue.done("a")
    assert (queue.worked.total(), queue.worked.sum) == (1, 3.0)
    assert (queue.waited.total(), queue.waited.sum) == (1, 2.0)
    assert queue.unfinished() == []


def test_what_is_put_off_counts_as_a_retry_unless_it_was_not_tried() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.retry("a", 0.0)
    queue.add_after("b", 1.0, 0.0)
    queue.postpone("c", 1.0, 0.0)
    assert queue.retries == 2
