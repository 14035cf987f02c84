"""Containers: made, started, watched, stopped and removed, each by its record and its monitor.

The order is what makes a crash at any instant harmless: the record is on disk before anything else of
the container exists, and its folder goes last. What a container is now is judged from facts each time
(decide.judge); this module only gathers them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from roost.runtimes.oci import processes
from roost.runtimes.oci.bundle import Order, make_bundle
from roost.runtimes.oci.decide import Facts, Verdict, judge, stop_signal
from roost.runtimes.oci.host import Host
from roost.runtimes.oci.monitor import fault_text, monitor_command, start_monitor
from roost.runtimes.oci.namespaces import unmount_all
from roost.runtimes.oci.overlay import unmount_overlay
from roost.runtimes.oci.records import ContainerRecord, Folder
from roost.runtimes.port import (
    ContainerStatus,
    RuntimeFault,
    State,
)

_MONITOR_END_S = 5.0
_KILL_S = 15.0


@dataclass(slots=True)
class Container:
    """A container in memory: its record, and what it was judged to be last."""

    record: ContainerRecord
    folder: Folder
    verdict: Verdict = field(default_factory=lambda: Verdict(State.CREATED))
    finished_at: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def status(self) -> ContainerStatus:
        """Return what the port says of it."""
        record, spec, verdict = self.record, self.record.spec, self.verdict
        return ContainerStatus(
            id=spec.id,
            sandbox_id=spec.sandbox_id,
            name=spec.name,
            attempt=spec.attempt,
            image=spec.image,
            state=verdict.state,
            pid=record.pid if verdict.state is State.RUNNING else 0,
            created_at=record.created_at,
            started_at=record.started_at,
            finished_at=self.finished_at,
            exit_code=verdict.exit_code,
            reason=verdict.reason,
            message=verdict.message,
        )


class Containers:
    """The containers of one agent. Callers see to it that one container has one caller at once.

    `changed` is called in the loop with each container whose state has changed.
    """

    def __init__(self, host: Host, changed: Callable[[Container], None]) -> None:
        self._host = host
        self._changed = changed
        self._watch = processes.EndWatch()
        self.known: dict[str, Container] = {}

    def close(self) -> None:
        """Watch nothing any more; containers run on."""
        self._watch.close()

    def process_namespace(self, container_id: str) -> str:
        """Return the path of the namespace of a running container's processes; raises RuntimeFault."""
        container = self.known.get(container_id)
        if container is None or container.verdict.state is not State.RUNNING:
            raise RuntimeFault(
                "CreateContainerError", f"invalid target container: {container_id} is not running"
            )
        return f"/proc/{container.record.pid}/ns/pid"

    # ------------------------------------------------------------------ recovery

    def load(self) -> None:
        """Find and watch the containers that an earlier process started. Ends nothing."""
        for path in sorted((self._host.root / "containers").iterdir()):
            with contextlib.suppress(RuntimeFault):
                folder = self._host.container_folder(path.name)
                record = folder.read_record(ContainerRecord)
                if record is not None:
                    self.known[path.name] = Container(self._completed(record, folder), folder)
                    self._observe(self.known[path.name])
                elif not (path / "monitor.pid").exists():
                    _remove_folder(path)  # its agent died before it wrote the record: all it has

    def _completed(self, record: ContainerRecord, folder: Folder) -> ContainerRecord:
        """Return a record with the processes that its monitor left word of.

        The agent may have died after the monitor had made the container, but before it wrote down who
        they are. Such a process is the container's if it is in the container's cgroup.
        """
        if record.pid or record.boot != self._host.boot:
            return record
        pid, monitor = folder.read_number("pid") or 0, folder.read_number("monitor.pid") or 0
        inside = self._host.cgroups.processes(self._cgroup(record))
        if pid not in inside:
            return record
        return msgspec.structs.replace(
            record,
            pid=pid,
            pid_start=processes.start_time(pid),
            monitor_pid=monitor,
            monitor_start=processes.start_time(monitor),
        )

    # ------------------------------------------------------------------ facts

    def _cgroup(self, record: ContainerRecord) -> str:
        return self._host.cgroups.path(record.spec.sandbox_id, record.spec.id)

    def _state(self, record: ContainerRecord) -> Path:
        """Return the OCI runtime's own folder of a container."""
        return Path(self._host.programs.state, record.spec.id)

    def _facts(self, container: Container) -> Facts:
        record, folder = container.record, container.folder
        same_boot = record.boot == self._host.boot
        # Before its exit file: the monitor writes that and ends, perhaps while we look.
        alive = same_boot and _lives(record.pid, record.pid_start)
        monitored = same_boot and _lives(record.monitor_pid, record.monitor_start)
        exit_code = folder.read_number(f"exit/{record.spec.id}")
        oom_kills = 0
        if exit_code:
            oom_kills = self._host.cgroups.oom_kills(self._cgroup(record))
            # conmon's own word for it; where it leaves it has changed over time.
            oom_kills += any((folder.path / name).exists() for name in ("oom", "exit/oom"))
        return Facts(
            alive=alive,
            monitored=monitored,
            created=bool(record.pid),
            waits=self._state(record).joinpath("exec.fifo").exists(),
            exit_code=exit_code,
            oom_kills=oom_kills,
        )

    def _observe(self, container: Container) -> None:
        """Judge a container anew; watch it on, or say that it has ended."""
        while True:
            verdict = judge(self._facts(container))
            if verdict.state not in {State.RUNNING, State.CREATED} or not container.record.pid:
                break
            record = container.record
            # The monitor ends last, and only after its exit file is whole. Without one, the container.
            pidfd = processes.open_process(record.monitor_pid, record.monitor_start)
            if pidfd is None:
                pidfd = processes.open_process(record.pid, record.pid_start)
            if pidfd is not None:
                self._watch.add(pidfd, lambda: self._observe(container))
                break
            # Both ended after they were looked at: judge again.
        before, container.verdict = container.verdict, verdict
        if verdict.state in {State.EXITED, State.UNKNOWN} and not container.ended.is_set():
            container.finished_at = max(self._end_time(container), container.record.started_at)
            container.ended.set()
            # Where processes are shared, the main one's end is not the others'.
            self._host.cgroups.kill_now(self._cgroup(container.record))
        if before != verdict and self.known.get(container.record.spec.id) is container:
            self._changed(container)

    def _end_time(self, container: Container) -> float:
        try:
            return (container.folder.path / "exit" / container.record.spec.id).stat().st_mtime
        except OSError:
            return self._host.clock.now()

    # ------------------------------------------------------------------ start

    async def start(self, order: Order) -> Container:
        """Create and start a container; one that has run is returned as it is. Raises RuntimeFault."""
        spec = order.spec
        known = self.known.get(spec.id)
        if known is not None:
            if known.verdict.state is not State.CREATED:
                return known
            await self.remove(spec.id)  # half made by a process that died: begin again
        folder = self._host.container_folder(spec.id)
        record = ContainerRecord(
            spec,
            self._host.clock.now(),
            self._host.boot,
            stop_signal(spec.stop_signal, order.image.stop_signal),
        )
        try:
            record = await self._create(order, folder, record)
            await self._run(spec.id, folder)
        except BaseException as error:
            await self._erase(record, folder)
            if isinstance(error, OSError):
                raise RuntimeFault("CreateContainerError", str(error)) from error
            raise
        container = self.known[spec.id] = Container(record, folder)
        self._observe(container)
        return container

    async def _run(self, container_id: str, folder: Folder) -> None:
        ended = await self._host.oci("start", container_id)
        if ended.code != 0:
            raise RuntimeFault("RunContainerError", fault_text(folder, ended.output))

    async def _create(
        self, order: Order, folder: Folder, record: ContainerRecord
    ) -> ContainerRecord:
        await make_bundle(self._host, order, folder, record)
        async with self._host.slots:
            await start_monitor(
                monitor_command(self._host.programs, order.spec, folder),
                folder,
                self._adopt,
            )
        pid, monitor = folder.read_number("pid") or 0, folder.read_number("monitor.pid") or 0
        made = msgspec.structs.replace(
            record,
            started_at=self._host.clock.now(),
            pid=pid,
            pid_start=processes.start_time(pid),
            monitor_pid=monitor,
            monitor_start=processes.start_time(monitor),
        )
        await self._host.in_thread(lambda: folder.write_record(made))
        return made

    async def _adopt(self, pid: int) -> None:
        await self._host.in_thread(lambda: self._host.cgroups.adopt_monitor(pid))

    # ------------------------------------------------------------------ end

    async def stop(self, container_id: str, grace_s: float) -> None:
        """Signal, wait, kill; returns when the container has ended. Raises RuntimeFault."""
        container = self.known.get(container_id)
        if container is None or container.ended.is_set():
            return
        record = container.record
        if grace_s > 0 and container.verdict.state is State.RUNNING:
            processes.signal_process(record.pid, record.pid_start, record.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await container.ended.wait()
                    return
        processes.signal_process(record.pid, record.pid_start, signal.SIGKILL)
        await self._host.cgroups.kill(self._cgroup(record))
        if not record.pid:
            return
        try:
            async with asyncio.timeout(_KILL_S):
                await container.ended.wait()
        except TimeoutError as error:
            raise RuntimeFault(
                "KillContainerError", f"container {container_id} does not end"
            ) from error

    async def remove(self, container_id: str) -> None:
        """End a container if it still runs, and remove all of it but its log; idempotent."""
        container = self.known.get(container_id)
        if container is None:
            folder = self._host.container_folder(container_id)
            record = folder.read_record(ContainerRecord)
            if record is None:
                await self._host.in_thread(lambda: _remove_folder(folder.path))
                return
        else:
            record, folder = container.record, container.folder
            await self.stop(container_id, 0)
        await self._erase(record, folder)
        self.known.pop(container_id, None)

    async def _erase(self, record: ContainerRecord, folder: Folder) -> None:
        cgroup = self._cgroup(record)
        await self._host.cgroups.kill(cgroup)
        await self._end_monitor(record, folder)
        if self._state(record).exists():
            with contextlib.suppress(TimeoutError):
                await self._host.oci("delete", "--force", record.spec.id)

        def job() -> None:
            unmount_overlay(folder.path / "rootfs")
            self._host.cgroups.remove(cgroup)
            _remove_state(self._state(record))
            _remove_folder(folder.path)

        await self._host.in_thread(job)

    async def _end_monitor(self, record: ContainerRecord, folder: Folder) -> None:
        """Wait for the monitor, which must not write into a folder that is being removed."""
        pid, started = record.monitor_pid, record.monitor_start
        if not pid and record.boot == self._host.boot:
            pid = folder.read_number("monitor.pid") or 0
            started = processes.start_time(pid) if _is_monitor(pid, record.spec.id) else 0
        pidfd = processes.open_process(pid, started)
        if pidfd is None:
            return
        try:
            async with asyncio.timeout(_MONITOR_END_S):
                await processes.readable(pidfd)
        except TimeoutError:
            processes.signal_process(pid, started, signal.SIGKILL)
        finally:
            os.close(pidfd)


def _lives(pid: int, started: int) -> bool:
    return pid > 0 and started > 0 and processes.start_time(pid) == started


def _is_monitor(pid: int, container_id: str) -> bool:
    """Return whether a pid that stands in a file is still our monitor, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return container_id.encode() in words and b"conmon" in words[0]


def _remove_state(path: Path) -> None:
    """Remove what the OCI runtime left: runc mounts itself there for a moment; it may be killed then."""
    for name in path.glob("runc.*"):
        unmount_all(str(name))
    shutil.rmtree(path, ignore_errors=True)


def _remove_folder(path: Path) -> None:
    if os.path.ismount(path / "rootfs"):
        unmount_overlay(path / "rootfs")
    shutil.rmtree(path, ignore_errors=True)
