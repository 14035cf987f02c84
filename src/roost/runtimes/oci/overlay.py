"""A container's root: an overlay of its image's shared layers and a folder of its own."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from roost.runtimes import syscalls
from roost.runtimes.oci.namespaces import unmount_all


def mount_overlay(lowers: Sequence[Path], upper: Path, work: Path, target: Path) -> None:
    """Mount; `lowers` topmost first. Twice is once. Raises OSError.

    The option text may have one page, which long paths of many layers would exceed (and a colon or comma
    in a path would break): the layers are named by descriptors.
    """
    if os.path.ismount(target):
        return
    for folder in (upper, work, target):
        folder.mkdir(mode=0o755, exist_ok=True)
    root = lowers[0].stat()
    upper.chmod(root.st_mode & 0o7777)
    os.chown(upper, root.st_uid, root.st_gid)
    fds = [
        os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in [*lowers, upper, work]
    ]
    try:
        names = [f"/proc/self/fd/{fd}" for fd in fds]
        options = f"lowerdir={':'.join(names[:-2])},upperdir={names[-2]},workdir={names[-1]}"
        syscalls.mount("overlay", str(target), "overlay", 0, options)
    finally:
        for fd in fds:
            os.close(fd)


def unmount_overlay(target: Path) -> None:
    """Unmount; no error if nothing is mounted."""
    unmount_all(str(target))


def try_overlay(folder: Path) -> str:
    """Return why containers' roots cannot be below `folder`, "" if they can."""
    place = folder / "try-overlay"
    lower = place / "lower"
    try:
        lower.mkdir(parents=True, exist_ok=True)
        mount_overlay([lower], place / "upper", place / "work", place / "root")
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return ""  # what cannot be tried on a full disk is known from before
        return (
            f"{folder} cannot hold overlay file systems ({error.strerror}): "
            "use a folder on ext4, xfs, btrfs or tmpfs"
        )
    finally:
        unmount_overlay(place / "root")
        shutil.rmtree(place, ignore_errors=True)
    return ""
