"""A tree of files on disk. A write is a new file and a rename: readers see the old or the new."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_FOLDER_MODE = 0o700


class DiskFiles:
    """ports.Files. Folders that it makes may be entered by the owner only, or get `folder_mode`."""

    def __init__(self, folder_mode: int = _FOLDER_MODE) -> None:
        self._folder_mode = folder_mode

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, content: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
        target = Path(path)
        self._make_folders(target.parent)
        descriptor, new = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(new).replace(target)
        except BaseException:
            Path(new).unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(target.parent)

    def write_changed(self, path: str, content: bytes) -> None:
        """Write a private file unless it has that content: what starts on a full disk needs no room
        for what it has."""
        if self.read(path) != content:
            self.write(path, content)

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(mode=self._folder_mode, exist_ok=True)

    def list(self, path: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(path) if not _unfinished(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, path: str) -> None:
        target = Path(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)


def _unfinished(name: str) -> bool:
    """Tell whether a name is that of a write which a crash cut off."""
    stem, _, suffix = name.rpartition(".")
    return stem.startswith(".") and len(stem) > 1 and len(suffix) == 8


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
