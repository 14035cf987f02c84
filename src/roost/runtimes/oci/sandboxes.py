"""Sandboxes: what the containers of a pod share, made of namespaces, a folder and cgroups.

No process keeps a sandbox alive but where the containers share a process namespace: such a namespace
lives only as long as its first process, so a waiting `sleep` without rights is that process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from roost.api.values import Object
from roost.runtimes import syscalls
from roost.runtimes.oci import namespaces, processes
from roost.runtimes.oci.decide import refused_sysctl
from roost.runtimes.oci.host import Host
from roost.runtimes.oci.probe import tools_bundle
from roost.runtimes.oci.records import SandboxRecord
from roost.runtimes.port import RuntimeFault, SandboxSpec

_SHM_SIZE = "size=64m"
#: Signals of children are ignored, so the kernel itself buries the pod's orphans.
_HOLDER = ("sh", "-c", 'trap "" CHLD; exec sleep infinity')


@dataclass(frozen=True, slots=True)
class Shared:
    """Where containers find what they share; "" is the host's own (or, for `pid`, a new one)."""

    uts: str
    ipc: str
    pid: str
    shm: str


class Sandboxes:
    """Makes, finds and removes sandboxes. Callers see to it that one sandbox has one caller at once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.records: dict[str, SandboxRecord] = {}

    def load(self) -> None:
        """Find the sandboxes that an earlier process made."""
        for path in sorted((self._host.root / "sandboxes").iterdir()):
            with contextlib.suppress(RuntimeFault):
                record = self._host.sandbox_folder(path.name).read_record(SandboxRecord)
                if record is not None:
                    self.records[path.name] = record
                else:
                    shutil.rmtree(path, ignore_errors=True)  # nothing is made before the record

    def shared(self, spec: SandboxSpec) -> Shared:
        """Return where the containers of a sandbox find what they share."""
        folder = self._host.sandbox_folder(spec.id)
        return Shared(
            uts="" if spec.host_network else folder.file("uts"),
            ipc="" if spec.host_ipc else folder.file("ipc"),
            pid=folder.file("pid-namespace") if _needs_holder(spec) else "",
            shm="/dev/shm" if spec.host_ipc else folder.file("shm"),  # noqa: S108  # as asked for
        )

    def is_ready(self, sandbox_id: str) -> bool:
        """Return whether all that a sandbox is made of is there."""
        record = self.records[sandbox_id]
        spec = record.spec
        if record.boot != self._host.boot:
            return False
        if spec.network_namespace and not Path(spec.network_namespace).exists():
            return False
        shared = self.shared(spec)
        bound = [path for path in (shared.uts, shared.ipc, shared.pid) if path]
        if not all(os.path.ismount(path) for path in bound):
            return False
        if shared.pid and processes.start_time(record.holder_pid) != record.holder_start:
            return False
        return spec.host_ipc or os.path.ismount(shared.shm)

    async def start(self, spec: SandboxSpec) -> SandboxRecord:
        """Make a sandbox, or what is missing of it. Raises RuntimeFault, leaving nothing."""
        known = self.records.get(spec.id)
        if known is not None and self.is_ready(spec.id):
            return known
        own = {"uts": not spec.host_network, "ipc": not spec.host_ipc}
        own["network"] = bool(spec.network_namespace)
        wrong = refused_sysctl(spec.sysctls, frozenset(kind for kind, has in own.items() if has))
        if wrong:
            raise RuntimeFault(
                "SysctlForbidden", f'sysctl "{wrong}" would change more than the pod: not allowed'
            )
        folder = self._host.sandbox_folder(spec.id)
        record = SandboxRecord(spec, self._host.clock.now(), self._host.boot)

        def prepare() -> None:
            folder.path.mkdir(exist_ok=True, mode=0o700)
            folder.write_record(record)
            self._host.cgroups.make_pod(spec.id, spec.limits)
            if not spec.host_ipc:
                self._mount_shm(folder.file("shm"))

        try:
            await self._host.in_thread(prepare)
            await self._make_namespaces(spec, folder.path)
            if _needs_holder(spec):
                record = await self._hold(record, folder.path)
                await self._host.in_thread(lambda: folder.write_record(record))
        except BaseException as error:
            await self.remove(spec.id)
            if isinstance(error, OSError):
                raise RuntimeFault("CreatePodSandboxError", str(error)) from error
            raise
        self.records[spec.id] = record
        return record

    async def _make_namespaces(self, spec: SandboxSpec, folder: Path) -> None:
        namespaces.unmount_all(str(folder / "uts"))
        namespaces.unmount_all(str(folder / "ipc"))
        await namespaces.in_own_thread(
            lambda: namespaces.make(
                folder,
                hostname=spec.hostname,
                own_uts=not spec.host_network,
                own_ipc=not spec.host_ipc,
                network=spec.network_namespace,
                sysctls=spec.sysctls,
            )
        )

    @staticmethod
    def _mount_shm(path: str) -> None:
        if os.path.ismount(path):
            return
        Path(path).mkdir(mode=0o700, exist_ok=True)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("shm", path, "tmpfs", flags, f"mode=1777,{_SHM_SIZE}")

    # ------------------------------------------------------------------ the holder

    async def _hold(self, record: SandboxRecord, folder: Path) -> SandboxRecord:
        spec, shared = record.spec, self.shared(record.spec)
        cgroup = self._host.cgroups.path(spec.id, "_holder")
        kinds = {"uts": shared.uts, "ipc": shared.ipc, "network": spec.network_namespace}
        joined: list[Object] = [
            {"type": kind, "path": path} for kind, path in kinds.items() if path
        ]
        tools_bundle(folder, _HOLDER, cgroup, [{"type": "pid"}, *joined])
        pid_file = folder / "holder.pid"
        if pid_file.exists():  # of a start that was cut short
            await self._host.oci("delete", "--force", _holder_id(spec.id))
        namespaces.unmount_all(shared.pid)
        ended = await self._host.oci(
            *("run", "--detach", "--bundle", str(folder)),
            *("--pid-file", str(pid_file), _holder_id(spec.id)),
        )
        if ended.code != 0:
            raise RuntimeFault("CreatePodSandboxError", f"process namespace: {ended.output[-500:]}")
        pid = int(pid_file.read_text())
        namespaces.bind(f"/proc/{pid}/ns/pid", Path(shared.pid))
        return SandboxRecord(spec, record.created_at, record.boot, pid, processes.start_time(pid))

    # ------------------------------------------------------------------ removal

    async def remove(self, sandbox_id: str) -> None:
        """Remove every trace of a sandbox whose containers are gone; idempotent."""
        folder = self._host.sandbox_folder(sandbox_id)
        cgroup = self._host.cgroups.path(sandbox_id)
        await self._host.cgroups.kill(cgroup)
        if (folder.path / "holder.pid").exists():
            with contextlib.suppress(TimeoutError):
                await self._host.oci("delete", "--force", _holder_id(sandbox_id))

        def job() -> None:
            for name in ("shm", "ipc", "uts", "pid-namespace"):
                namespaces.unmount_all(folder.file(name))
            self._host.cgroups.remove(cgroup)
            shutil.rmtree(folder.path, ignore_errors=True)

        await self._host.in_thread(job)
        self.records.pop(sandbox_id, None)
        if not self.records:
            self._host.cgroups.remove_root()


def _holder_id(sandbox_id: str) -> str:
    return f"{sandbox_id}.holder"


def _needs_holder(spec: SandboxSpec) -> bool:
    return spec.share_processes and not spec.host_pid
