"""The port between the agent and the disk: volumes made real. DiskPodFiles is its form on Linux.

Payloads change all at once, as the kubelet's atomic writer does it: a new folder with a time in its
name, then one rename of the `..data` link. A subPath is opened step by step without following links
and bound from the open descriptor, so that a container cannot swap it for something of the node.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from roost.node.layout import Layout
from roost.node.sources import Refused
from roost.node.volumes import HostFolder, Payload, Planned, PlannedFile, Scratch
from roost.ports.port import Processes, WallClock

_DATA = "..data"
_DATA_NEW = "..data_tmp"
_SCRATCH_MODE = 0o777
_SETGID = 0o2000


class PodFiles(Protocol):
    """Both calls may be repeated; they raise Refused (with the event's text) or OSError."""

    async def place(self, pod_uid: str, planned: Planned) -> str:
        """Make a volume as planned, or bring it up to date; return its path on the node."""
        ...

    async def sub_path(self, pod_uid: str, container: str, planned: Planned, path: str) -> str:
        """Return a path on the node for a subPath of a volume, made if it is missing."""
        ...

    async def release(self, pod_uid: str) -> None:
        """Remove the pod's folders, unmounting what was mounted."""
        ...


_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class DiskPodFiles:
    """PodFiles on the machine's disk. `may_mount`: the process may mount (root on Linux)."""

    def __init__(
        self, layout: Layout, processes: Processes, clock: WallClock, *, may_mount: bool
    ) -> None:
        self._layout = layout
        self._processes = processes
        self._clock = clock
        self._may_mount = may_mount
        self._count = 0

    def _folder(self, pod_uid: str, planned: Planned) -> Path:
        secret = isinstance(planned, Payload) and planned.secret
        base = self._layout.pod_memory(pod_uid) if secret else self._layout.pod(pod_uid)
        return Path(base, "volumes", planned.volume)

    async def place(self, pod_uid: str, planned: Planned) -> str:
        if isinstance(planned, HostFolder):
            return _host_path(planned)
        folder = self._folder(pod_uid, planned)
        if isinstance(planned, Payload):
            self._private(pod_uid, planned)
            self._count += 1
            stamp = f"..{int(self._clock.now() * 1000)}.{self._count}"
            write_payload(folder, planned, stamp)
        else:
            self._private(pod_uid, planned)
            await self._scratch(folder, planned)
        return str(folder)

    def _private(self, pod_uid: str, planned: Planned) -> None:
        """Make the pod's own folder, into which only root may look."""
        base = self._folder(pod_uid, planned).parent.parent
        base.mkdir(mode=0o750, parents=True, exist_ok=True)
        (base / "volumes").mkdir(mode=0o750, exist_ok=True)

    async def _scratch(self, folder: Path, planned: Scratch) -> None:
        made = _make_scratch(folder, planned)
        if not (planned.memory and self._may_mount):
            return
        if not made and str(folder) in _mount_points():
            return
        options = f"mode={folder_mode(planned):o}"
        if planned.group is not None:
            options += f",gid={planned.group}"
        if planned.size_bytes:
            options += f",size={planned.size_bytes}"
        await self._run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)])

    async def _run(self, argv: list[str]) -> None:
        done = await self._processes.run(argv)
        if done.code != 0:
            text = done.stderr.decode(errors="replace").strip()
            raise Refused("FailedMount", f"{' '.join(argv)}: {text}")

    async def sub_path(self, pod_uid: str, container: str, planned: Planned, path: str) -> str:
        base = await self.place(pod_uid, planned)
        if isinstance(planned, Payload):
            return _inside(base, path)  # nobody but the agent writes there
        opened = open_below(base, path)
        try:
            if not self._may_mount:
                return _inside(base, path)
            holder = Path(self._layout.pod(pod_uid), "subpaths", planned.volume, container)
            target = holder / path.replace("_", "__").replace("/", "_")
            await self._unmount(target)
            _make_target(target, folder=stat.S_ISDIR(os.fstat(opened).st_mode))
            source = f"/proc/{os.getpid()}/fd/{opened}"
            await self._run(["mount", "-c", "--bind", source, str(target)])
            return str(target)
        finally:
            os.close(opened)

    async def _unmount(self, target: Path) -> None:
        if self._may_mount and str(target) in _mount_points():
            await self._run(["umount", str(target)])

    async def release(self, pod_uid: str) -> None:
        root = self._layout.pod(pod_uid)
        if self._may_mount:
            for one in _mounted_below(root):
                # Lazily: whoever still looks at it must not keep the pod from going.
                await self._run(["umount", "-l", one])
            left = _mounted_below(root)
            if left:  # removing files now would remove those of the node
                raise OSError(errno.EBUSY, "still mounted", left[0])
        for folder in (root, self._layout.pod_memory(pod_uid)):
            shutil.rmtree(folder, ignore_errors=True)


def folder_mode(planned: Scratch) -> int:
    """Return the mode of an emptyDir: for everybody, and with fsGroup its files get that group."""
    return _SCRATCH_MODE | (_SETGID if planned.group is not None else 0)


def _make_scratch(folder: Path, planned: Scratch) -> bool:
    """Make the folder if it is not there; return whether it was made."""
    if folder.is_dir():
        return False
    folder.mkdir()
    if planned.group is not None:
        os.chown(folder, -1, planned.group)
    folder.chmod(folder_mode(planned))
    return True


def _make_target(target: Path, *, folder: bool) -> None:
    target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch(exist_ok=True)


def _mount_points() -> list[str]:
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return []
    return [line.split()[1].encode().decode("unicode_escape") for line in lines if line]


def _mounted_below(root: str) -> list[str]:
    """Return the mount points below a folder, the inner before the outer."""
    return sorted((one for one in _mount_points() if one.startswith(root + "/")), reverse=True)


def _host_path(planned: HostFolder) -> str:
    path = Path(planned.path)
    if planned.type in {"", "DirectoryOrCreate"} and not path.exists():
        path.mkdir(mode=planned.mode, parents=True, exist_ok=True)
        path.chmod(planned.mode)  # whatever the umask took away
    elif planned.type == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    if planned.type:
        check, words = _CHECKS[planned.type]
        if not path.exists() or not check(path.stat().st_mode):
            raise Refused(
                "FailedMount",
                f'MountVolume.SetUp failed for volume "{planned.volume}" : '
                f"hostPath type check failed: {planned.path} is not {words}",
            )
    return planned.path


def _inside(base: str, path: str) -> str:
    """Return the real path of `path` below `base`; raise Refused if it leads out."""
    root = os.path.realpath(base)
    real = os.path.realpath(os.path.join(root, path))  # noqa: PTH118 - realpath has no Path form
    if real != root and not real.startswith(root + "/"):
        raise Refused("CreateContainerConfigError", f'subPath "{path}" leads out of its volume')
    return real


def open_below(base: str, path: str) -> int:
    """Open `path` below `base` without following links, making missing folders; return the
    descriptor, which the caller closes. Raises Refused if the path leads out of `base`."""
    root = os.path.realpath(base)
    real = _inside(base, path)
    current = os.open(root, os.O_PATH | os.O_DIRECTORY)
    for part in Path(real).relative_to(root).parts:
        try:
            following = _step(current, part)
        finally:
            os.close(current)
        current = following
        if stat.S_ISLNK(os.fstat(current).st_mode):
            os.close(current)
            raise Refused("CreateContainerConfigError", f'subPath "{path}" has a link in it')
    return current


def _step(folder: int, part: str) -> int:
    try:
        return os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        made = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        try:
            os.mkdir(part, dir_fd=made)
            os.chmod(part, mode, dir_fd=made)
        finally:
            os.close(made)
        return os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)


def write_payload(folder: Path, payload: Payload, stamp: str) -> bool:
    """Bring a payload folder up to date by one rename; return whether anything changed."""
    folder.mkdir(exist_ok=True)
    data = folder / _DATA
    wanted = {file.path: file for file in payload.files}
    if data.exists() and _same(data, wanted):
        return False
    new = folder / stamp
    new.mkdir(mode=0o755)
    for file in payload.files:
        _write_file(new, file, payload.group)
    old = data.readlink() if data.is_symlink() else None
    link = folder / _DATA_NEW
    link.unlink(missing_ok=True)
    link.symlink_to(stamp)
    link.rename(data)
    names = {path.partition("/")[0] for path in wanted}
    for name in sorted(names):
        visible = folder / name
        if not visible.is_symlink():
            visible.symlink_to(f"{_DATA}/{name}")
    for entry in list(folder.iterdir()):
        if entry.name not in names and not entry.name.startswith(".."):
            entry.unlink()
        elif entry.name.startswith("..") and entry.name not in {_DATA, stamp}:
            shutil.rmtree(entry, ignore_errors=True)
    if old is not None:
        shutil.rmtree(folder / old, ignore_errors=True)
    if payload.group is not None:
        for place in (folder, new):
            os.chown(place, -1, payload.group)
            place.chmod(0o755 | _SETGID)
    return True


def _same(data: Path, wanted: Mapping[str, PlannedFile]) -> bool:
    present = {str(path.relative_to(data)): path for path in data.rglob("*") if not path.is_dir()}
    if set(present) != set(wanted):
        return False
    return all(
        stat.S_IMODE(path.stat().st_mode) == wanted[name].mode
        and path.read_bytes() == wanted[name].content
        for name, path in present.items()
    )


def _write_file(folder: Path, file: PlannedFile, group: int | None) -> None:
    path = folder / file.path
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(file.content)
    if file.user is not None or group is not None:
        user = -1 if file.user is None else file.user
        os.chown(path, user, -1 if group is None else group)
    path.chmod(file.mode)
