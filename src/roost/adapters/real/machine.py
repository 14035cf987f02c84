"""What this machine is and has: processors, memory, disk, and the names a Node shows."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

from roost.node.tools import Capacity


def read_capacity(folder: Path) -> Capacity:
    """Return what the machine has; the disk is the one that `folder` is on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(
        cpu_millis=1000 * len(os.sched_getaffinity(0)),
        memory_bytes=memory,
        ephemeral_bytes=shutil.disk_usage(folder).total,
    )


def outbound_address() -> str:
    """Return the address that this machine uses towards others, "" when it has no way out.

    Nothing is sent: connecting a datagram socket only asks the kernel for the route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found: str = probe.getsockname()[0]
        return "" if found.startswith("127.") else found


def read_node_info() -> dict[str, str]:
    """Return the machine's part of a Node's status.nodeInfo."""
    return {
        "machineID": _text("/etc/machine-id"),
        "systemUUID": _text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        "bootID": _text("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "operatingSystem": "linux",
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        ),
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


class DiskSpace:
    """How full the disk of a folder is; see roost.node.tools.Space."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def disk_used(self) -> float:
        usage = shutil.disk_usage(self._folder)
        return usage.used / (usage.used + usage.free)

    def file_size(self, path: str) -> int:
        try:
            return Path(path).stat().st_size
        except OSError:
            return 0
