"""How much is in folders of files in memory: see roost.node.tools.Trees."""

from __future__ import annotations

from collections.abc import Sequence

from roost.adapters.virtual.files import MemoryFiles
from roost.node.storage import Size


class MemoryTrees:
    """See the module."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files

    async def sizes(self, paths: Sequence[str]) -> list[Size]:
        return [self._size(path) for path in paths]

    def _size(self, path: str) -> Size:
        prefix = path.rstrip("/") + "/"
        found = [
            len(content)
            for known, content in self._files.content.items()
            if known.startswith(prefix)
        ]
        return Size(sum(found), len(found))
