"""Counters of one engine, as plain numbers that a metrics endpoint may show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """What one controller did since it started."""

    reconciled: int = 0
    actions: int = 0
    refused: int = 0
    retries: int = 0
    conflicts: int = 0
    barred: int = 0
    faults: int = 0  # reconcile or view raised: a bug
    errors: dict[str, int] = field(default_factory=dict)  # reason -> count


def loop_time() -> float:
    """Return the running loop's time: a stopwatch that may be coarse, but is virtual where time is."""
    return asyncio.get_running_loop().time()
