"""What the parts of the OCI runtime share: folders, programs, cgroups, threads, and how much at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from roost.ports.port import WallClock
from roost.runtimes.oci import processes
from roost.runtimes.oci.cgroups import Cgroups
from roost.runtimes.oci.monitor import Programs
from roost.runtimes.oci.records import Folder, boot_id, checked_id
from roost.runtimes.oci.spec import ALL_CAPABILITIES, Device

_T = TypeVar("_T")
_THREADS = 4
_PROGRAMS_AT_ONCE = 4
_OPEN_FILES = 1_048_576


class Host:
    """This machine, as the OCI runtime of one agent uses it; everything on disk is below `root`."""

    def __init__(
        self, root: Path, programs: Programs, cgroups: Cgroups, clock: WallClock, architecture: str
    ) -> None:
        self.root = root
        self.programs = programs
        self.cgroups = cgroups
        self.clock = clock
        self.architecture = architecture
        self.boot = boot_id()
        self.capabilities = own_capabilities()
        self.open_files = open_files_limit()
        self.lowest_oom_score = lowest_oom_score()
        self.slots = asyncio.Semaphore(_PROGRAMS_AT_ONCE)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="roost-oci")
        for name in ("sandboxes", "containers", "state"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def sandbox_folder(self, sandbox_id: str) -> Folder:
        """Return where a sandbox is kept. Raises RuntimeFault for an impossible id."""
        return Folder(self.root / "sandboxes" / checked_id(sandbox_id))

    def container_folder(self, container_id: str) -> Folder:
        """Return where a container is kept. Raises RuntimeFault for an impossible id."""
        return Folder(self.root / "containers" / checked_id(container_id))

    async def in_thread(self, job: Callable[[], _T]) -> _T:
        """Do disk work away from the loop; who is cancelled meanwhile waits for its end first."""
        work = asyncio.get_running_loop().run_in_executor(self._pool, job)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await work
            raise

    async def oci(self, *words: str) -> processes.Ended:
        """Run the OCI runtime, at most a few at once. Raises TimeoutError."""
        async with self.slots:
            return await processes.run(self.programs.command(*words))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def own_capabilities() -> tuple[str, ...]:
    """Return the capabilities of this process: root in a container lacks some, and can give no more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapPrm":
            bits = int(value, 16)
            return tuple(name for bit, name in enumerate(ALL_CAPABILITIES) if bits >> bit & 1)
    return ALL_CAPABILITIES


def may_raise_limits() -> bool:
    """Return whether this process may raise limits and lower oom scores."""
    return "CAP_SYS_RESOURCE" in own_capabilities()


def open_files_limit() -> int:
    """Return how many open files a container may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if may_raise_limits() or hard == resource.RLIM_INFINITY:
        return _OPEN_FILES
    return min(_OPEN_FILES, hard)


def lowest_oom_score() -> int:
    """Return the lowest oom score adjustment that a container may be given."""
    return -1000 if may_raise_limits() else int(Path("/proc/self/oom_score_adj").read_text())


def host_devices() -> tuple[Device, ...]:
    """Return the machine's device nodes for a privileged container, terminals and the like excepted."""
    found = []
    for folder, inner, names in os.walk("/dev"):
        if folder == "/dev":
            inner[:] = [
                name for name in inner if name not in {"pts", "shm", "mqueue", "fd", ".udev"}
            ]
        for name in names:
            path = f"{folder}/{name}"
            with contextlib.suppress(OSError):
                about = os.lstat(path)
                kind = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}.get(stat.S_IFMT(about.st_mode))
                if kind and path not in {"/dev/console", "/dev/ptmx"}:
                    found.append(_device(path, kind, about))
    return tuple(found)


def _device(path: str, kind: str, about: os.stat_result) -> Device:
    return Device(
        path,
        kind,
        os.major(about.st_rdev),
        os.minor(about.st_rdev),
        stat.S_IMODE(about.st_mode),
        about.st_uid,
        about.st_gid,
    )
