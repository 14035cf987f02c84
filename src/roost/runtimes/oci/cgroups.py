"""Control groups of pods and containers, on every layout: v1, hybrid, v2.

The tree is ROOT/<sandbox>/<container> in each hierarchy; ROOT/_monitors holds the monitors. The OCI
runtime fills the containers' groups; this module makes pods' groups with their limits, reads usage and
out-of-memory kills, kills everything inside, and removes what is left in every hierarchy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from roost.runtimes.oci.decide import (
    CgroupLayout,
    cpu_quota_us,
    cpu_shares,
    cpu_weight,
    mounts_with_own_group,
    read_cgroup_layout,
)
from roost.runtimes.port import Limits, RuntimeFault, Usage

_PERIOD_US = 100_000
_MONITORS = "_monitors"
#: The v1 hierarchies that are asked for a group's processes: the first that there is.
_COUNTED = ("pids", "freezer", "memory", "cpu", "name=systemd")


def _write(path: Path, value: str) -> None:
    # Not Path.write_text: a control file must be opened without O_CREAT and O_TRUNC.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _fields(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


class Cgroups:
    """The cgroup trees of one agent, below `root` (as "/roost") in each hierarchy."""

    def __init__(self, root: str, layout: CgroupLayout, own: str = "") -> None:
        """`own` is the text of the agent's /proc/self/cgroup."""
        self.root = "/" + root.strip("/")
        self.layout = layout
        self._leaving = mounts_with_own_group(layout, own)

    @classmethod
    def of_this_machine(cls, root: str) -> Cgroups:
        """Find the hierarchies that are mounted here."""
        layout = read_cgroup_layout(Path("/proc/self/mountinfo").read_text())
        return cls(root, layout, Path("/proc/self/cgroup").read_text())

    def path(self, sandbox_id: str, container_id: str = "") -> str:
        """Return the path of a group as the OCI runtime takes it."""
        return "/".join(filter(None, (self.root, sandbox_id, container_id)))

    def _folders(self, path: str) -> Iterator[Path]:
        for mount in self.layout.mounts():
            yield Path(mount + path)

    def _v1(self, controller: str, path: str) -> Path | None:
        mount = self.layout.v1.get(controller)
        return Path(mount + path) if mount else None

    # ------------------------------------------------------------------ make

    def make_pod(self, sandbox_id: str, limits: Limits) -> None:
        """Make a pod's groups and set its limits. Raises RuntimeFault if a limit cannot be set."""
        path = self.path(sandbox_id)
        try:
            if self.layout.mode == "v2":
                self._make_v2(path)
                self._limit_v2(Path(self.layout.v2 + path), limits)
            else:
                # In all hierarchies, so that the root stays while there is a pod; but cpuset, whose
                # groups take no process before they have been given processors: the OCI runtime's.
                cpuset = self._v1("cpuset", path)
                for folder in self._folders(path):
                    if folder != cpuset:
                        folder.mkdir(parents=True, exist_ok=True)
                self._limit_v1(path, limits)
        except OSError as error:
            raise RuntimeFault("CreatePodSandboxError", f"cgroup {path}: {error}") from error

    def _make_v2(self, path: str) -> None:
        folder = Path(self.layout.v2)
        for part in path.strip("/").split("/"):
            for controller in ("cpuset", "cpu", "io", "memory", "pids"):
                with contextlib.suppress(OSError):  # one that this kernel or parent does not give
                    _write(folder / "cgroup.subtree_control", f"+{controller}")
            folder /= part
            folder.mkdir(exist_ok=True)

    def _limit_v2(self, folder: Path, limits: Limits) -> None:
        quota = cpu_quota_us(limits.cpu_millis, _PERIOD_US)
        shares = cpu_shares(limits.cpu_request_millis)
        values = {
            "cpu.max": f"{quota} {_PERIOD_US}" if quota else "max",
            "cpu.weight": str(cpu_weight(shares)),
            "memory.max": str(limits.memory_bytes or "max"),
            "pids.max": str(limits.pids or "max"),
        }
        for name, value in values.items():
            if (folder / name).exists():
                _write(folder / name, value)

    def _limit_v1(self, path: str, limits: Limits) -> None:
        cpu, memory, pids = (self._v1(name, path) for name in ("cpu", "memory", "pids"))
        quota = cpu_quota_us(limits.cpu_millis, _PERIOD_US)
        if cpu is not None:
            _write(cpu / "cpu.shares", str(cpu_shares(limits.cpu_request_millis)))
            if (cpu / "cpu.cfs_quota_us").exists():
                _write(cpu / "cpu.cfs_period_us", str(_PERIOD_US))
                _write(cpu / "cpu.cfs_quota_us", str(quota or -1))
        if memory is not None and limits.memory_bytes:
            _write(memory / "memory.limit_in_bytes", str(limits.memory_bytes))
        if pids is not None and limits.pids:
            _write(pids / "pids.max", str(limits.pids))

    def adopt_monitor(self, pid: int) -> None:
        """Move a monitor out of the agent's groups, so that ending those does not end it.

        Blocks for some milliseconds per hierarchy (the kernel waits for a grace period), so only
        those are touched in which the agent is not at the root.
        """
        for mount in self._leaving:
            folder = Path(f"{mount}{self.root}/{_MONITORS}")
            for _ in range(3):  # another monitor's end may remove the folder in between
                with contextlib.suppress(OSError):
                    folder.mkdir(parents=True, exist_ok=True)
                    _write(folder / "cgroup.procs", str(pid))
                    break

    # ------------------------------------------------------------------ read

    def oom_kills(self, path: str) -> int:
        """Return how many processes of a group the kernel has killed for want of memory."""
        folder = self._v1("memory", path)
        if folder is not None:
            return _fields(_read(folder / "memory.oom_control")).get("oom_kill", 0)
        return _fields(_read(Path(self.layout.v2 + path, "memory.events"))).get("oom_kill", 0)

    def usage(self, container_id: str, path: str) -> Usage | None:
        """Return what a group uses, None if it is gone."""
        reading = self._usage_v2(path) if self.layout.mode == "v2" else self._usage_v1(path)
        if reading is None:
            return None
        cpu, current, inactive, rss, pids = reading
        return Usage(container_id, cpu, max(0, current - inactive), rss, pids)

    def _usage_v2(self, path: str) -> tuple[float, int, int, int, int] | None:
        folder = Path(self.layout.v2 + path)
        cpu = _fields(_read(folder / "cpu.stat"))
        if not cpu:
            return None
        memory = _fields(_read(folder / "memory.stat"))
        return (
            cpu.get("usage_usec", 0) / 1e6,
            int(_read(folder / "memory.current") or 0),
            memory.get("inactive_file", 0),
            memory.get("anon", 0),
            int(_read(folder / "pids.current") or 0),
        )

    def _usage_v1(self, path: str) -> tuple[float, int, int, int, int] | None:
        def read(controller: str, name: str) -> str:
            folder = self._v1(controller, path)
            return _read(folder / name) if folder is not None else ""

        cpu = read("cpuacct", "cpuacct.usage")
        if not cpu:
            return None
        memory = _fields(read("memory", "memory.stat"))
        return (
            int(cpu) / 1e9,
            int(read("memory", "memory.usage_in_bytes") or 0),
            memory.get("total_inactive_file", 0),
            memory.get("total_rss", 0),
            int(read("pids", "pids.current") or 0),
        )

    def processes(self, path: str) -> set[int]:
        """Return the pids in a group and the groups below it.

        One hierarchy tells: the OCI runtimes put a container's processes into every one.
        """
        mounts = [self.layout.v1[name] for name in _COUNTED if name in self.layout.v1]
        found: set[int] = set()
        for folder, _, _ in os.walk((mounts[0] if mounts else self.layout.v2) + path):
            found.update(int(pid) for pid in _read(Path(folder, "cgroup.procs")).split())
        return found

    # ------------------------------------------------------------------ end

    async def kill(self, path: str) -> None:
        """Kill every process of a group and below; returns when there is none.

        Raises RuntimeFault if some live on after ten seconds (in the kernel, uninterruptibly).
        """
        if self.layout.v2:
            with contextlib.suppress(OSError):
                _write(Path(self.layout.v2 + path, "cgroup.kill"), "1")
        wait_s = 0.001
        for _ in range(60):
            if not self.processes(path) - {os.getpid()}:
                return
            self.kill_now(path)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 0.25)
        raise RuntimeFault("KillContainerError", f"processes of {path} do not end")

    def remove(self, path: str) -> None:
        """Remove a group in every hierarchy, with the empty groups below it; idempotent."""
        for folder in self._folders(path):
            for inner, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(inner)  # noqa: PTH106  # a path as os.walk gives it

    def remove_root(self) -> None:
        """Remove the monitors' group and the root, where they are empty."""
        for folder in self._folders(self.root):
            for empty in (folder / _MONITORS, folder):
                with contextlib.suppress(OSError):
                    empty.rmdir()

    def kill_now(self, path: str) -> None:
        """Send SIGKILL to what is in a group at this moment."""
        for pid in self.processes(path) - {os.getpid()}:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
