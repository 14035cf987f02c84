"""The DNS process as the agent sees it: started when it is not there, told when its table changed.

It outlives the agent on purpose. It is known by a file with its pid and start time; a process that took
over the pid has another start time, and is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from roost.network.plan import NetworkError

_START_TIMEOUT_S = 30.0


def start_time_of(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; "" when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


@contextlib.contextmanager
def _held(number: signal.Signals) -> Iterator[None]:
    """Let processes that begin now be sent a signal which they take when they are ready for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class DnsProcess:
    """One DNS process, with its table and pid file in `folder`."""

    def __init__(self, folder: Path, address: str, port: int = 53) -> None:
        self._folder = folder
        self._address = address
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def table(self) -> Path:
        return self._folder / "names.json"

    def publish(self, names: bytes) -> None:
        """Replace the table and tell the process. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.table.with_suffix(".new")
        temporary.write_bytes(names)
        temporary.replace(self.table)
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGHUP)

    def pid(self) -> int:
        """Return the pid of the running process, or 0."""
        if self._child is not None:
            self._child.poll()  # reap it, if it has ended
        try:
            pid, started = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if start_time_of(int(pid)) == started else 0

    @property
    def _pid_file(self) -> Path:
        return self._folder / "dns.pid"

    async def ensure(self) -> None:
        """Start the process unless it runs. Raises NetworkError when it does not come up."""
        if self.pid():
            return
        try:
            await self._start()
        except OSError as error:  # a full disk
            raise NetworkError(f"the DNS process cannot be started: {error}") from error

    async def _start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv = [sys.executable, "-m", "roost.cli.dns", str(self.table), self._address]
        with (self._folder / "dns.log").open("ab") as log, _held(signal.SIGHUP):
            child = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [*argv, str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._child = child
        assert child.stdout is not None
        # Known from its first moment: whoever ends us now must still be able to find it.
        try:
            self._pid_file.write_text(f"{child.pid} {start_time_of(child.pid)}")
        except OSError:
            child.kill()  # nobody would find it
            child.wait()
            child.stdout.close()
            raise
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                said = await asyncio.to_thread(child.stdout.readline)
        except TimeoutError:
            said = b""
        finally:
            child.stdout.close()
        if said.strip() != b"ready":
            child.kill()
            self._pid_file.unlink(missing_ok=True)
            raise NetworkError(f"the DNS process did not start; see {self._folder / 'dns.log'}")

    async def supervise(self) -> None:
        """Keep the process running until cancelled; it stays when we go."""
        delay_s = 1.0
        while True:
            try:
                await self.ensure()
                delay_s = 1.0
            except NetworkError:
                delay_s = min(delay_s * 2, 30.0)
            await asyncio.sleep(delay_s)

    def stop(self) -> None:
        """End the process and forget it."""
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
        self._pid_file.unlink(missing_ok=True)


def host_nameservers(exclude: set[str], path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Return the IPv4 name servers that this machine uses itself, but for those in `exclude`."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    found = [w[1] for w in words if len(w) > 1 and w[0] == "nameserver"]
    return [address for address in found if ":" not in address and address not in exclude]
