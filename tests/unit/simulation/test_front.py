"""How what a watch writes crosses from the cluster's loop to the real one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from roost.apiserver.messages import Frames
from roost.simulation.serving.front import Activity, FarSink


class Near:
    """The sink of the real loop."""

    def __init__(self) -> None:
        self.got: list[Frames] = []

    def write(self, frames: Frames) -> None:
        self.got.append(frames)

    def close(self) -> None:
        """Nothing is open."""


class Told:
    """Across, of which only `tell` is used: the real loop has its turn when the test says so."""

    def __init__(self) -> None:
        self.told: list[Callable[..., object]] = []

    def tell(self, callback: Callable[..., object], *_args: Any) -> None:
        self.told.append(callback)

    def turn(self) -> None:
        while self.told:
            self.told.pop(0)()


class Interrupted(deque[Frames]):
    """A queue before whose every change the other thread has its turn."""

    def __init__(self, across: Told) -> None:
        super().__init__()
        self.across = across

    def append(self, frames: Frames) -> None:
        self.across.turn()
        super().append(frames)


def frames(text: bytes) -> Frames:
    return Frames(text)


def test_frames_arrive_that_are_written_while_others_are_passed_on():
    across, near = Told(), Near()
    far = FarSink(across, near, Activity())  # type: ignore[arg-type]
    far._waiting = Interrupted(across)
    sent = [frames(b"%d" % number) for number in range(3)]
    for one in sent:
        far.write(one)
    across.turn()
    assert near.got == sent
    assert not far.lost


def test_who_does_not_read_is_cut_off_and_who_reads_is_not():
    across, near = Told(), Near()
    far = FarSink(across, near, Activity())  # type: ignore[arg-type]
    lost: list[bool] = []
    far.on_lost = lambda: lost.append(True)
    for _ in range(20):
        far.write(frames(bytes(1 << 20)))
        across.turn()
    assert (far.lost, lost) == (False, [])
    for _ in range(20):
        far.write(frames(bytes(1 << 20)))
    across.turn()
    assert (far.lost, lost) == (True, [True])
