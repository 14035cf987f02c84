"""A tree of files in memory."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator


class MemoryFiles:
    """ports.Files. `full` makes every write fail as a full disk does."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.full = False

    def read(self, path: str) -> bytes | None:
        return self.content.get(path)

    def write(self, path: str, content: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
        del durable
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self.content[path] = content
        self.modes[path] = mode

    def list(self, path: str) -> list[str]:
        prefix = path.rstrip("/") + "/"
        names = {
            known[len(prefix) :].partition("/")[0]
            for known in self.content
            if known.startswith(prefix)
        }
        return sorted(names)

    def remove(self, path: str) -> None:
        prefix = path.rstrip("/") + "/"
        for known in [k for k in self.content if k == path or k.startswith(prefix)]:
            del self.content[known]
            self.modes.pop(known, None)


class MemoryTail:
    """ports.Tail over MemoryFiles; following ends at the end of the file, for nothing grows here."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files

    async def lines(self, path: str, *, follow: bool) -> AsyncIterator[bytes]:
        del follow
        for line in (self._files.read(path) or b"").splitlines(keepends=True):
            yield line
