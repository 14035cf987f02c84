"""Pods wait in the right place for the right time."""

from __future__ import annotations

import pytest

from fakes.objects import pod
from roost.decisions.controller import Key
from roost.scheduler.queue import Happening, SchedulingQueue
from roost.scheduler.shape import PodInfo, Shapes

SHAPES = Shapes()


def info(name: str, **more: object) -> PodInfo:
    return SHAPES.info(pod(name, **more))  # type: ignore[arg-type]


def names(queue: SchedulingQueue) -> list[str]:
    found = []
    while len(queue):
        found.append(queue.take().key.name)
    return found


def test_priority_then_age() -> None:
    queue = SchedulingQueue()
    queue.add(info("old"), 1.0)
    queue.add(info("new"), 2.0)
    queue.add(info("high", priority=5), 3.0)
    assert names(queue) == ["high", "old", "new"]


def test_an_unschedulable_pod_waits_for_what_may_help_and_backs_off() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    queue.take()
    queue.park(Key("default", "p"), {"NodeResourcesFit"}, 0.0)
    queue.happened(Happening.NAMESPACE_CHANGED, 0.1)
    assert queue.waiting()["unschedulable"] == 1
    queue.happened(Happening.POD_GONE, 0.2)
    assert queue.waiting()["backoff"] == 1
    queue.release(0.9)
    assert names(queue) == []
    queue.release(1.0)
    assert names(queue) == ["p"]


def test_back_off_grows_to_ten_seconds() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    delays, now = [], 0.0
    for _ in range(6):
        queue.take()
        queue.park(Key("default", "p"), set(), now)
        queue.happened(Happening.NODE_CHANGED, now)
        due = queue.next_due()
        assert due is not None
        delays.append(due - now)
        now = due
        queue.release(now)
    assert delays == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_what_is_unschedulable_for_five_minutes_is_tried_again() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    queue.take()
    queue.park(Key("default", "p"), {"NodeAffinity"}, 0.0)
    assert queue.next_due() == 300.0
    queue.release(300.0)
    assert names(queue) == ["p"]


def test_a_gated_pod_waits_for_its_gates() -> None:
    queue = SchedulingQueue()
    queue.add(info("p", schedulingGates=[{"name": "g"}]), 0.0)
    queue.happened(Happening.NODE_CHANGED, 1.0)
    assert names(queue) == []
    queue.add(info("p"), 2.0)
    assert names(queue) == ["p"]


def test_a_status_update_does_not_wake_an_unschedulable_pod() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    queue.take()
    queue.park(Key("default", "p"), {"NodeResourcesFit"}, 0.0)
    queue.add(info("p", status={"phase": "Pending", "conditions": []}), 1.0)
    assert queue.waiting()["unschedulable"] == 1
    queue.add(info("p", cpu="1m"), 5.0)
    assert names(queue) == ["p"]


def test_a_removed_pod_is_not_taken() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    queue.add(info("q"), 0.0)
    queue.remove(Key("default", "p"))
    assert names(queue) == ["q"]
    with pytest.raises(IndexError):
        queue.take()


def test_it_counts_who_came_where_and_why() -> None:
    queue = SchedulingQueue()
    queue.add(info("p"), 0.0)
    queue.add(info("g", schedulingGates=[{"name": "x"}]), 0.0)
    queue.take()
    queue.park(Key("default", "p"), {"NodeResourcesFit"}, 0.0)
    assert queue.rejected() == {("NodeResourcesFit", "default-scheduler"): 1}
    queue.happened(Happening.POD_GONE, 0.2)
    queue.release(2.0)
    assert queue.history(Key("default", "p")) == (1, 0.0)
    assert queue.incoming == {
        ("UnschedulablePodAdd", "active"): 1,
        ("UnschedulablePodAdd", "unschedulable"): 1,
        ("ScheduleAttemptFailure", "unschedulable"): 1,
        ("AssignedPodDelete", "backoff"): 1,
        ("BackoffComplete", "active"): 1,
    }
