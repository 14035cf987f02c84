"""conmon, the monitor of one container: how it is started, asked to do things, and what it leaves.

It is conmon's contract: it says over a pipe how creation went, holds the container's terminal or pipes,
writes the log and at the end the exit file, and lives and dies without the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roost.runtimes.oci import processes
from roost.runtimes.oci.decide import last_error
from roost.runtimes.oci.records import Folder
from roost.runtimes.port import ContainerSpec, RuntimeFault

_CREATE_S = 60.0
_OOM_SCORE = "-999"
_SYNC_FD, _START_FD = 3, 4


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are, and where the OCI runtime keeps its state."""

    conmon: str
    runtime: str
    state: str

    def command(self, *words: str) -> list[str]:
        """Return a command line of the OCI runtime."""
        return [self.runtime, "--root", self.state, *words]


def monitor_command(programs: Programs, spec: ContainerSpec, folder: Folder) -> list[str]:
    """Return conmon's command line for a container whose bundle is `folder`."""
    options = [programs.conmon, "--api-version", "1"]
    options += ["--bundle", str(folder.path), "--cid", spec.id, "--cuuid", spec.id]
    options += ["--name", spec.id, "--runtime", programs.runtime]
    options += [f"--runtime-arg=--root={programs.state}"]
    options += [
        "--runtime-arg=--log-format=json",
        f"--runtime-arg=--log={folder.file('fault.log')}",
    ]
    options += ["--container-pidfile", folder.file("pid")]
    options += ["--conmon-pidfile", folder.file("monitor.pid")]
    options += ["--log-path", f"k8s-file:{spec.log_path or os.devnull}", "--log-level", "error"]
    options += ["--exit-dir", folder.file("exit"), "--socket-dir-path", folder.file("exit")]
    options += ["--persist-dir", folder.file("exit"), "--full-attach", "--no-new-keyring"]
    if spec.tty:
        options.append("--terminal")
    if spec.stdin:
        options.append("--stdin")
        if not spec.stdin_once:
            options.append("--leave-stdin-open")
    return options


async def start_monitor(
    command: list[str], folder: Folder, into_cgroup: Callable[[int], Awaitable[None]]
) -> None:
    """Start conmon and return when it has created the container. Raises RuntimeFault if it cannot.

    conmon waits for a byte before it does anything, so that it and what it starts are in the monitors'
    cgroup from the beginning.
    """
    said, to_say = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    to_wait, go = os.pipe2(os.O_CLOEXEC)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    complaints = os.open(folder.file("monitor.log"), flags, 0o600)
    environment = {
        **processes.BARE_ENVIRONMENT,
        "_OCI_SYNCPIPE": str(_SYNC_FD),
        "_OCI_STARTPIPE": str(_START_FD),
    }
    os.set_blocking(to_say, True)
    try:
        try:
            files = {2: complaints, _SYNC_FD: to_say, _START_FD: to_wait}
            # In its folder, for it writes some of its files to wherever it was started.
            child = processes.spawn(
                command, files=files, environment=environment, folder=str(folder.path)
            )
        except OSError as error:
            raise RuntimeFault("CreateContainerError", f"conmon: {error.strerror}") from error
        finally:
            for fd in (to_say, to_wait, complaints):
                os.close(fd)
        try:
            with contextlib.suppress(OSError):  # root in a container may not
                _lower_oom_score(child.pid)
            await into_cgroup(child.pid)
            os.write(go, b"x")
            await child.wait()  # the first process ends once the monitor is on its own
        except BaseException:
            child.signal(signal.SIGKILL)
            await child.wait()
            raise
        await _created(said, folder)
    finally:
        os.close(said)
        os.close(go)


def _lower_oom_score(pid: int) -> None:
    fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, _OOM_SCORE.encode())
    finally:
        os.close(fd)


async def _created(said: int, folder: Folder) -> None:
    text = b""
    try:
        async with asyncio.timeout(_CREATE_S):
            while b"\n" not in text:
                await processes.readable(said)
                piece = os.read(said, 65536)
                if not piece:
                    break
                text += piece
    except TimeoutError as error:
        raise RuntimeFault(
            "CreateContainerError", "the container runtime does not answer"
        ) from error
    try:
        answer = msgspec.json.decode(text or b"{}")
    except msgspec.DecodeError:
        answer = {}
    # Older and newer forms of the contract name the number differently.
    pid = answer.get("data", answer.get("pid", -1))
    if not isinstance(pid, int) or pid <= 0:
        raise RuntimeFault("RunContainerError", fault_text(folder, str(answer.get("message", ""))))


def fault_text(folder: Folder, otherwise: str = "") -> str:
    """Return what the OCI runtime said went wrong, in its own words."""
    said = otherwise.strip() or _last_line(folder.path / "monitor.log") or "no reason given"
    with contextlib.suppress(OSError):
        said = last_error((folder.path / "fault.log").read_bytes()) or said
    return f"failed to create shim task: OCI runtime create failed: {said}"


def _last_line(path: Path) -> str:
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else ""
    return ""


def tell(folder: Folder, fifo: str, message: str) -> bool:
    """Write to one of the monitor's fifos ("ctl" or "winsz"); False if no monitor reads it."""
    try:
        fd = os.open(folder.file(fifo), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, message.encode())
    finally:
        os.close(fd)
    return True


def rotate(folder: Folder, log: str, to: str) -> bool:
    """Move a log away and have the monitor begin a new one; False if either cannot be done."""
    try:
        Path(log).rename(to)
    except OSError:
        return False
    if tell(folder, "ctl", "2 0 0\n"):
        return True
    Path(to).rename(log)
    return False
