"""The few Linux system calls that Python 3.11 does not offer, through ctypes.

Each raises OSError with errno and, where there is one, the path. None keeps state. `unshare` and `setns`
act on the calling thread: only call them in a thread that ends afterwards (see oci.namespaces).
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2
CLONE_NEWNS = 0x20000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWNET = 0x40000000

RESOLVE_IN_ROOT = 0x10
_SYS_OPENAT2 = 437  # the same number on every architecture
_AT_FDCWD = -100


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.syncfs.argtypes = (ctypes.c_int,)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, path: str = "") -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or None)
    return result


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount; `kind` is the file system type, "" for a bind or a change of flags."""
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            os.fsencode(kind) or None,
            flags,
            os.fsencode(options) or None,
        ),
        target,
    )


def unmount(target: str) -> None:
    """Detach whatever is mounted at `target`, once."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    _check(_libc.unshare(flags))


def setns(fd: int, kind: int) -> None:
    """Move the calling thread into the namespace that `fd` names."""
    _check(_libc.setns(fd, kind))


def syncfs(fd: int) -> None:
    """Bring everything of the file system of `fd` to disk."""
    _check(_libc.syncfs(fd))


def open_in_root(root_fd: int, path: str, flags: int) -> int:
    """Open `path` as if `root_fd` were /: no "..", link or absolute name leads out of it."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
    result = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root_fd),
        ctypes.c_char_p(os.fsencode(path) or b"."),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    return _check(int(result), path)


def read_in_root(root: str, path: str, limit_bytes: int = 1 << 20) -> bytes:
    """Return the start of a regular file below `root`, links resolved inside it; b"" without one.

    Nothing else is ever opened: a fifo would hang its reader, a device may act on being opened.
    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = open_in_root(root_fd, path, os.O_PATH)
    except OSError:
        return b""
    finally:
        os.close(root_fd)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return b""
        with open(f"/proc/self/fd/{found}", "rb") as file:
            return file.read(limit_bytes)
    except OSError:
        return b""
    finally:
        os.close(found)


if sys.platform != "linux":  # pragma: no cover
    raise ImportError("containers need Linux")
