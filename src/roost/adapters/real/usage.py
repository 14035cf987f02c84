"""What this process uses of the machine, as Prometheus' clients show it. Linux tells it in /proc."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
#: When this module was loaded: when the process began, as nearly as matters.
_STARTED: Final = time.time()


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Zero for what cannot be told."""

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    open_files: int
    most_files: int
    started_at: float


def process_usage() -> ProcessUsage:
    """Return what this process uses now."""
    times = os.times()
    virtual, resident = _memory()
    return ProcessUsage(
        times.user + times.system,
        resident,
        virtual,
        _count("/proc/self/fd"),
        resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        _STARTED,
    )


def _memory() -> tuple[int, int]:
    try:
        pages = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    return int(pages[0]) * _PAGE_BYTES, int(pages[1]) * _PAGE_BYTES


def _count(folder: str) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - names only, and quick
    except OSError:
        return 0
