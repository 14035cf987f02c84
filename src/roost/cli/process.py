"""How a long-running command runs: logging, signals, readiness, one line for what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final

from aiohttp.http_exceptions import HttpProcessingError

from roost.api.values import Object
from roost.cli.faults import of_system
from roost.cli.output import fail

#: Names the descriptor on which a parent waits for the line that says we are ready.
READY_VARIABLE: Final = "ROOST_READY_FD"
#: Names the descriptor whose end of file lets us go on.
GATE_VARIABLE: Final = "ROOST_GATE_FD"
#: The process id of the supervisor that started us.
SUPERVISOR_VARIABLE: Final = "ROOST_SUPERVISOR_PID"
_PR_SET_PDEATHSIG: Final = 1
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
#: After so long the loop's thread lets another go on: the store's has little to do, and all wait for it.
_SWITCH_S: Final = 0.0005


def start_logging(level: str) -> None:
    """Log to standard error, one line an entry."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname).1s %(name)s: %(message)s",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Leave out what clients send that is no HTTP: they are told, and it is no fault of ours."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def end_with_parent() -> None:
    """Be told to end when the supervisor dies, however it dies."""
    supervisor = os.environ.pop(SUPERVISOR_VARIABLE, "")
    if supervisor:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(supervisor):  # it died before we could ask to be told
            raise SystemExit(0)


def say_ready(facts: Object) -> None:
    """Tell a waiting parent that we are ready."""
    descriptor = os.environ.pop(READY_VARIABLE, "")
    if descriptor.isdigit():
        # Who started us again after a crash no longer listens.
        with contextlib.suppress(BrokenPipeError), os.fdopen(int(descriptor), "w") as pipe:
            pipe.write(json.dumps(facts) + "\n")


def wait_for_start() -> None:
    """Wait until the supervisor lets us go on, if there is one: it starts us early, to save time."""
    descriptor = os.environ.pop(GATE_VARIABLE, "")
    if descriptor.isdigit():
        with os.fdopen(int(descriptor)) as gate:
            gate.read()


def run_service(main: Coroutine[Any, Any, None], expected: tuple[type[Exception], ...]) -> None:
    """Run a service until SIGTERM or SIGINT; `expected` errors become one line."""

    async def supervised() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        gc.collect()
        gc.freeze()  # what start-up made stays: the collector need not look at it again
        gc.set_threshold(50_000, 20, 50)
        sys.setswitchinterval(_SWITCH_S)
        try:
            await main
        except asyncio.CancelledError:
            return

    try:
        _run(supervised())
    except BaseExceptionGroup as group:
        error = first_error(group)
        if isinstance(error, expected):
            fail(str(error))
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            fail(f"{of_system(error)}: free some of the disk that the data is on")
        logging.getLogger("roost").critical("this is a defect of Roost", exc_info=error)
        fail(f"ended by a defect: {type(error).__name__}: {error}")
    except expected as error:
        fail(str(error))


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def first_error(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first error in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
