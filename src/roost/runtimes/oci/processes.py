"""Programs and processes: start, wait, identify, signal. No threads, no polling, no shell.

A program is started with posix_spawn and waited for through its pidfd in the event loop. Its output
goes to a memory file, never to a pipe: what it leaves behind (a container holds its creator's files)
then cannot keep us waiting. A process of another parent is named by (pid, start time), and signalled
through a pidfd that was opened before the start time was compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: The environment of everything we start; ours is nobody's business.
BARE_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

#: posix_spawn cannot change folders. The script is fixed; what varies comes as arguments.
_IN_FOLDER = ("/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: exit code (128 + signal if killed), and all it printed."""

    code: int
    output: str


class Child:
    """A started program; exactly one `wait` takes its exit code."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)

    async def wait(self) -> int:
        """Return the exit code, 128 + signal if it was killed. Safe to cancel and call again."""
        await readable(self.pidfd)
        return self._reap()

    def _reap(self) -> int:
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        if result is None:
            return 255
        return result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status

    def signal(self, number: int) -> None:
        """Send a signal; nothing if it has ended."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, number)


async def readable(fd: int) -> None:
    """Return when `fd` can be read (a pidfd: when its process has ended)."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def spawn(
    argv: Sequence[str],
    *,
    files: Mapping[int, int],
    environment: Mapping[str, str] = BARE_ENVIRONMENT,
    folder: str = "",
) -> Child:
    """Start a program with `files` (its fd: ours); 0, 1 and 2 are /dev/null unless given.

    It leads a session of its own, and runs in `folder` if there is one. Raises OSError.
    """
    if folder:
        argv = [*_IN_FOLDER, folder, *argv]
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    wanted = {0: null, 1: null, 2: null, **files}
    lifted: list[tuple[int, int]] = []
    try:
        # Copies above every number that is asked for, so that none is overwritten before its turn.
        for theirs, ours in wanted.items():
            lifted.append((fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, 64), theirs))
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in lifted],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD],
        )
    finally:
        os.close(null)
        for ours, _ in lifted:
            os.close(ours)
    return Child(pid)


async def run(argv: Sequence[str], *, timeout_s: float = 60.0) -> Ended:
    """Run a program to its end. Raises TimeoutError after killing it."""
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        child = spawn(argv, files={1: output, 2: output})
        try:
            async with asyncio.timeout(timeout_s):
                code = await child.wait()
        except (TimeoutError, asyncio.CancelledError):
            child.signal(signal.SIGKILL)
            await asyncio.shield(child.wait())
            raise
        size = min(os.fstat(output).st_size, 1 << 20)
        text = os.pread(output, size, 0).decode("utf-8", "replace")
        return Ended(code, text.strip())
    finally:
        os.close(output)


def start_time(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot; 0 if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])


def children(pid: int) -> list[int]:
    """Return the children of a process, as far as the kernel tells."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def open_process(pid: int, started: int) -> int | None:
    """Return a pidfd of the process with this pid AND start time, or None if it has ended."""
    if pid <= 0:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_time(pid) != started or not started:
        os.close(fd)
        return None
    return fd


def signal_process(pid: int, started: int, number: int) -> bool:
    """Signal exactly that process; False if it has ended."""
    fd = open_process(pid, started)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


class EndWatch:
    """Calls back, once each, when watched processes end. Costs one descriptor per process."""

    def __init__(self) -> None:
        self._fds: set[int] = set()

    def add(self, pidfd: int, ended: Callable[[], None]) -> None:
        """Take over `pidfd` and call `ended` from the loop when its process has ended."""
        self._fds.add(pidfd)
        asyncio.get_running_loop().add_reader(pidfd, self._fire, pidfd, ended)

    def _fire(self, pidfd: int, ended: Callable[[], None]) -> None:
        self._drop(pidfd)
        ended()

    def _drop(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        self._fds.discard(pidfd)
        os.close(pidfd)

    def close(self) -> None:
        """Watch nothing any more; what was watched goes on."""
        for pidfd in list(self._fds):
            self._drop(pidfd)
