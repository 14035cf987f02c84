"""What this machine has left of memory, disk and process numbers; see roost.node.tools.Levels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from roost.adapters.real.usage import LinuxMachine
from roost.node.thresholds import MEMORY, PIDS, Level


class MachineLevels:
    """`root` is on the disk of pods, `images` on that of images and what containers write."""

    def __init__(self, root: Path, images: Path) -> None:
        self._disks = {"nodefs": root, "imagefs": images}
        self._machine = LinuxMachine()

    def read(self) -> Mapping[str, Level]:
        found: dict[str, Level] = {}
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        used = self._machine.usage().memory_working_set_bytes
        found[MEMORY] = Level(max(0, memory - used), memory)
        for name, folder in self._disks.items():
            try:
                disk = os.statvfs(folder)
            except OSError:
                continue
            bytes_left = Level(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
            found[f"{name}.available"] = bytes_left
            if disk.f_files:  # some file systems have no number of files
                found[f"{name}.inodesFree"] = Level(disk.f_ffree, disk.f_files)
        processes = _processes()
        if processes is not None:
            found[PIDS] = processes
        return found


def _processes() -> Level | None:
    """Return how many more threads may run: each takes a number."""
    try:
        most = min(int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in _LIMITS)
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return None
    return Level(most - running, most)


_LIMITS = ("pid_max", "threads-max")
