"""The files of one simulated container: its own root, and the mounts of its pod's volumes over it.

Everything lies in the node's files (ports.Files), so what one container writes into a shared volume
another one reads, and what the agent projects is there.
"""

from __future__ import annotations

import copy
import errno
import posixpath
from collections.abc import Iterable, Sequence
from typing import Final, Self

from roost.ports.port import Files
from roost.runtimes.port import Mount

#: More than this in one container's own files is a full disk.
_LIMIT_BYTES: Final = 64 << 20


class ContainerFiles:
    """Paths may be relative to `folder`. Raises OSError as real files do."""

    def __init__(
        self, files: Files, root: str, mounts: Iterable[Mount], *, folder: str = "/",
        read_only: bool = False,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._files = files
        self._root = root
        self._read_only = read_only
        inner_first = sorted(mounts, key=lambda mount: -len(mount.target))
        self._mounts: Sequence[Mount] = tuple(inner_first)
        self._written: dict[str, int] = {}
        self._folders: dict[str, None] = {"/tmp": None, "/": None}  # noqa: S108 - the container's own

    def _place(self, path: str) -> tuple[str, bool]:
        """Return where a path lies on the node, and whether it may only be read."""
        full = posixpath.normpath(posixpath.join(self.folder, path))
        for mount in self._mounts:
            target = mount.target.rstrip("/")
            if full == target or full.startswith(f"{target}/"):
                return mount.source + full[len(target) :], mount.read_only
        return self._root + full, self._read_only

    def read(self, path: str) -> bytes:
        """Return a file's content; raises FileNotFoundError."""
        found = self._files.read(self._place(path)[0])
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return found

    def text(self, path: str) -> str:
        """Return a file's content as text."""
        return self.read(path).decode(errors="replace")

    def at(self, folder: str) -> Self:
        """Return the same files as a process sees them that is in another folder."""
        other = copy.copy(self)
        other.folder = folder
        return other

    def _full(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.folder, path))

    def exists(self, path: str) -> bool:
        """Say whether there is a file or a folder."""
        return self.is_file(path) or self._full(path) in self._folders or bool(self.list(path))

    def is_file(self, path: str) -> bool:
        return self._files.read(self._place(path)[0]) is not None

    def is_read_only(self, path: str) -> bool:
        return self._place(path)[1]

    def make_folder(self, path: str) -> None:
        """Make a folder, and those it is in; raises OSError (EROFS)."""
        if self._place(path)[1]:
            raise OSError(errno.EROFS, "Read-only file system", path)
        full = self._full(path)
        while full not in self._folders:
            self._folders[full] = None
            full = posixpath.dirname(full)

    def write(self, path: str, content: bytes | str) -> None:
        """Write a whole file; folders are made. Raises OSError (EROFS, ENOSPC)."""
        place, read_only = self._place(path)
        if read_only:
            raise OSError(errno.EROFS, "Read-only file system", path)
        data = content.encode() if isinstance(content, str) else content
        self._written[place] = len(data)
        if sum(self._written.values()) > _LIMIT_BYTES:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self._files.write(place, data)

    def append(self, path: str, content: bytes | str) -> None:
        """Add to the end of a file, made if there is none."""
        data = content.encode() if isinstance(content, str) else content
        self.write(path, (self._files.read(self._place(path)[0]) or b"") + data)

    def list(self, path: str) -> Sequence[str]:
        """Return the sorted names in a folder, those of mounts in it too; empty where there is none."""
        full = posixpath.normpath(posixpath.join(self.folder, path)).rstrip("/")
        names = dict.fromkeys(self._files.list(self._place(path)[0]))
        for folder in self._folders:
            if posixpath.dirname(folder).rstrip("/") == full and folder != "/":
                names[posixpath.basename(folder)] = None
        for mount in self._mounts:
            if mount.target.startswith(f"{full}/"):
                names[mount.target[len(full) + 1 :].partition("/")[0]] = None
        return sorted(names)

    def remove(self, path: str) -> None:
        """Remove a file or a tree; raises FileNotFoundError, OSError (EROFS)."""
        place, read_only = self._place(path)
        if read_only:
            raise OSError(errno.EROFS, "Read-only file system", path)
        if not self.exists(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        self._files.remove(place)
        full = self._full(path)
        for folder in [f for f in self._folders if f == full or f.startswith(f"{full}/")]:
            del self._folders[folder]
        for known in [one for one in self._written if one == place or one.startswith(f"{place}/")]:
            del self._written[known]

    def size_bytes(self) -> int:
        """Return how much was written here."""
        return sum(self._written.values())
