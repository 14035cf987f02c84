"""What is on disk about sandboxes and containers: one folder each, one record in it, written durably.

A record is there before anything of its owner runs, and everything else of the owner is inside its
folder or is named in the record, so that removal after any crash is complete. Files are 0600, folders
0700.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from roost.api.values import Object
from roost.runtimes.port import ContainerSpec, RuntimeFault, SandboxSpec

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_T = TypeVar("_T")


class SandboxRecord(msgspec.Struct, frozen=True):
    """A sandbox as it was asked for. `boot`: the machine's boot in which it was set up."""

    spec: SandboxSpec
    created_at: float
    boot: str
    holder_pid: int = 0
    holder_start: int = 0


class ContainerRecord(msgspec.Struct, frozen=True):
    """A container as it was asked for, and the processes that are it (0 until they exist).

    A process is a pid and a start time in ticks, valid within `boot`.
    """

    spec: ContainerSpec
    created_at: float
    boot: str
    stop_signal: int
    started_at: float = 0.0
    pid: int = 0
    pid_start: int = 0
    monitor_pid: int = 0
    monitor_start: int = 0


def checked_id(value: str) -> str:
    """Return an id that is safe as a file name. Raises RuntimeFault."""
    if not _ID.fullmatch(value):
        raise RuntimeFault("CreateContainerConfigError", f"invalid id {value!r}")
    return value


class Folder:
    """The folder of one sandbox or container; names every file in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "record.json"

    def file(self, name: str) -> str:
        """Return the path of a file inside."""
        return str(self.path / name)

    def read_record(self, kind: type[_T]) -> _T | None:
        """Return the record, or None if it was never (wholly) written."""
        try:
            return msgspec.json.decode(self.record.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None

    def write_record(self, record: msgspec.Struct) -> None:
        """Replace the record; returns when it is on disk."""
        write_durably(self.record, msgspec.json.encode(record))

    def read_spec(self) -> Object:
        """Return the OCI document that the container was made from. Raises OSError."""
        document: Object = msgspec.json.decode((self.path / "config.json").read_bytes())
        return document

    def read_number(self, name: str) -> int | None:
        """Return the decimal content of a file, None if it is missing, empty or something else."""
        try:
            return int((self.path / name).read_text())
        except (OSError, ValueError):
            return None


def write_durably(path: Path, content: bytes) -> None:
    """Write a file atomically, 0600, and bring it and its name to disk."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
