"""A loop inside of another one: what a virtual loop needs where asyncio runs already.

In a notebook, in a page or under another test framework there is a loop around it, and asyncio allows
only one at a time in a thread.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

#: Thresholds of the garbage collector.
_COLLECTOR: Final = (50_000, 20, 50)


@contextmanager
def alone() -> Iterator[None]:
    """Hide a loop that runs around this one, as in a notebook or a page, while this one runs.

    Its task is hidden too: since Python 3.14 there is one in a thread, whatever the loop.
    The garbage collector is called less often meanwhile: a world is many objects that live on.
    """
    around, thresholds = asyncio._get_running_loop(), gc.get_threshold()
    swap: Any = getattr(asyncio.tasks, "_swap_current_task", None)
    task = swap(around, None) if swap is not None and around is not None else None
    asyncio._set_running_loop(None)
    gc.set_threshold(*_COLLECTOR)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        asyncio._set_running_loop(around)
        if task is not None:
            swap(around, task)
