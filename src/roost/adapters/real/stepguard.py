"""Stops a step of a simulated program that does not end: simulation.workloads.program.Guard.

A thread looks at the clock while a step runs. When it has taken too long, or has eaten too much of the
process's memory, an exception is raised in the thread that runs it, which ends the program as a kill
would. It can interrupt Python only: a call into C is interrupted when it returns.
"""

from __future__ import annotations

import ctypes
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LOOK_S: Final = 0.05
_PAGE_BYTES: Final = resource.getpagesize()


class ThreadGuard:
    """`stuck` and `greedy` make what is raised after `step_s` seconds, or `memory_bytes` more."""

    def __init__(
        self,
        stuck: type[BaseException],
        greedy: type[BaseException] = MemoryError,
        *,
        step_s: float = 5.0,
        memory_bytes: int = 1 << 30,
    ) -> None:
        self._stuck = stuck
        self._greedy = greedy
        self._step_s = step_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watched = 0  # the thread that runs a step; 0: none does
        self._since = 0.0
        self._before = 0
        self._raised = False

    def enter(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="step guard", daemon=True)
            self._thread.start()
        self._since = time.monotonic()
        self._before = 0
        self._raised = False
        self._watched = threading.get_ident()

    def leave(self) -> None:
        with self._lock:
            watched, self._watched = self._watched, 0
            if self._raised:
                # It may not have been delivered yet, and must not hit somebody else.
                _raise_in(watched, None)

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            if not self._watched:
                continue
            with self._lock:
                if self._watched and not self._raised:
                    self._judge()

    def _judge(self) -> None:
        used = _resident_bytes()
        if not self._before:
            self._before = used
        if used - self._before > self._memory_bytes:
            self._raise(self._greedy)
        elif time.monotonic() - self._since > self._step_s:
            self._raise(self._stuck)

    def _raise(self, kind: type[BaseException]) -> None:
        self._raised = True
        _raise_in(self._watched, kind)


_set_async_exc: Final[Callable[..., int]] = ctypes.pythonapi.PyThreadState_SetAsyncExc


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Let an exception be raised in a thread at its next step; None: take back what waits there."""
    raised = None if kind is None else ctypes.py_object(kind)
    _set_async_exc(ctypes.c_ulong(thread), raised)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
