"""What this process uses of the machine, and what everything on it does. Linux tells it in /proc."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.runtimes.port import Usage

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
#: When this module was loaded: when the process began, as nearly as matters.
_STARTED: Final = time.time()
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
#: The columns of the first line of /proc/stat in which nothing was done: idle and iowait. Those after
#: steal are counted in others already.
_IDLE: Final = (3, 4)
_COLUMNS: Final = 8


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


class LinuxMachine:
    """What everything on this machine uses; see roost.node.tools.Machine."""

    def usage(self) -> Usage:
        """Return cpu since boot, and memory as the root control group shows it: whatever is not free,
        without the part of the page cache that is inactive."""
        ticks = [
            int(text) for text in _text("/proc/stat").partition("\n")[0].split()[1:][:_COLUMNS]
        ]
        busy = sum(count for column, count in enumerate(ticks) if column not in _IDLE)
        memory = dict(_sizes(_text("/proc/meminfo")))
        used = memory.get("MemTotal", 0) - memory.get("MemFree", 0)
        return Usage(
            container_id="",
            cpu_seconds=busy / _TICKS_PER_S,
            memory_working_set_bytes=max(0, used - memory.get("Inactive(file)", 0)),
            memory_rss_bytes=memory.get("AnonPages", 0),
            pids=sum(name.isdigit() for name in os.listdir("/proc")),  # noqa: PTH208 - names only
        )


def _sizes(text: str) -> Iterator[tuple[str, int]]:
    """Yield names and bytes from lines `Name:  1234 kB`."""
    for line in text.splitlines():
        name, _, size = line.partition(":")
        if size.endswith(" kB"):
            yield name, int(size.removesuffix(" kB")) << 10


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
