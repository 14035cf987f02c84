"""The guard that stops steps which do not end."""

from __future__ import annotations

import time

import pytest

from roost.adapters.real.stepguard import ThreadGuard
from roost.simulation.workloads.program import Stuck


def _go_on_for_ever() -> None:
    while True:
        pass


def _eat(eaten: list[bytearray]) -> None:
    for _ in range(4096):
        eaten.append(bytearray(b"x" * (1 << 18)))
        time.sleep(0.0005)


def test_a_step_without_an_end_is_stopped():
    guard = ThreadGuard(Stuck, step_s=0.1)
    guard.enter()
    try:
        with pytest.raises(Stuck):
            _go_on_for_ever()
    finally:
        guard.leave()


def test_a_short_step_and_what_comes_after_are_left_alone():
    guard = ThreadGuard(Stuck, step_s=0.1)
    for _ in range(3):
        guard.enter()
        guard.leave()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


def test_a_step_that_eats_memory_is_stopped():
    guard = ThreadGuard(Stuck, step_s=30, memory_bytes=32 << 20)
    eaten: list[bytearray] = []
    guard.enter()
    try:
        with pytest.raises(MemoryError):
            _eat(eaten)
    finally:
        guard.leave()
    assert len(eaten) < 4096
