"""How much is in folders of this machine: see roost.node.tools.Trees. Walks in one thread of its own."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from roost.node.storage import Size

#: What `st_blocks` counts in.
_BLOCK_BYTES: Final = 512
#: After so many entries the walk lets others have the processor for a moment.
_BREATH_ENTRIES: Final = 1000
_BREATH_S: Final = 0.002
#: More than this in one folder is not counted.
MOST_ENTRIES: Final = 1_000_000


class DiskTrees:
    """See the module."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="roost-trees")

    async def sizes(self, paths: Sequence[str]) -> list[Size]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._pool, tree_size, path) for path in paths]


def tree_size(path: str, most_entries: int = MOST_ENTRIES) -> Size:
    """Return the disk use of a folder and all below it, as `du -x` counts it: a file with several
    names once, nothing of another file system. A folder that is not there has nothing."""
    try:
        root = os.lstat(path)
    except OSError:
        return Size()
    total, files = root.st_blocks * _BLOCK_BYTES, 1
    seen: set[int] = set()
    folders = [path] if stat.S_ISDIR(root.st_mode) else []
    while folders and files < most_entries:
        for about in _entries(folders.pop(), root.st_dev, folders):
            if about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode):
                if about.st_ino in seen:
                    continue
                seen.add(about.st_ino)
            total += about.st_blocks * _BLOCK_BYTES
            files += 1
            if files % _BREATH_ENTRIES == 0:
                time.sleep(_BREATH_S)
            if files >= most_entries:
                break
    return Size(total, files)


def _entries(folder: str, device: int, folders: list[str]) -> list[os.stat_result]:
    """Return what is in a folder, and add the folders in it to `folders`."""
    found: list[os.stat_result] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # it went meanwhile
                if about.st_dev != device:
                    continue
                found.append(about)
                if stat.S_ISDIR(about.st_mode):
                    folders.append(entry.path)
    except OSError:
        return found
    return found
