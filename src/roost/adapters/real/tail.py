"""Reads container logs from files: the last lines, all lines, and those that are still to come.

A log is a list of files, oldest first; the last one grows, and may be renamed and begun again while it
is followed (rotation).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Final

from roost.node.logs import LogOptions, Selection, tail_offset

_BLOCK_BYTES: Final = 64 * 1024
_POLL_S: Final = 0.1


async def read_log(
    paths: Sequence[str], options: LogOptions, is_running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield what `options` select, in pieces; with follow, until the container has ended."""
    selection = Selection(options)
    first, offset = _start(paths, options)
    for index, path in enumerate(paths[first:], start=first):
        last = index == len(paths) - 1
        try:
            file = Path(path).open("rb")  # noqa: ASYNC230, SIM115 - a local file, read in small blocks
        except FileNotFoundError:
            continue
        with file:
            if index == first:
                file.seek(offset)
            follow = options.follow and last
            async for piece in _pieces(file, path, selection, is_running if follow else None):
                yield piece
                if selection.done:
                    return


def _start(paths: Sequence[str], options: LogOptions) -> tuple[int, int]:
    """Return (index of the file, offset in it) where the wanted lines begin."""
    if options.tail_lines is None or not paths:
        return 0, 0
    try:
        with Path(paths[-1]).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = tail_offset(_backwards(file, size), options.tail_lines)
            return len(paths) - 1, size if offset < 0 else offset
    except FileNotFoundError:
        return 0, 0


def _backwards(file: BufferedReader, size: int) -> Iterator[tuple[int, bytes]]:
    position = size
    while position > 0:
        start = max(0, position - _BLOCK_BYTES)
        file.seek(start)
        yield start, file.read(position - start)
        position = start


async def _pieces(
    file: BufferedReader, path: str, selection: Selection, is_running: Callable[[], bool] | None
) -> AsyncIterator[bytes]:
    """Yield what one file shows; with `is_running` go on as it grows, into its successors."""
    rest = b""
    current = file
    opened: BufferedReader | None = None
    try:
        while True:
            alive = is_running is not None and is_running()
            block = current.read(_BLOCK_BYTES)
            if block:
                *lines, rest = (rest + block).split(b"\n")
                if shown := selection.feed(lines):
                    yield shown
                await asyncio.sleep(0)
                continue
            successor = _successor(current, path) if is_running is not None else None
            if successor is not None:
                if opened is not None:
                    opened.close()
                current = opened = successor
                continue
            if not alive:
                break
            await asyncio.sleep(_POLL_S)
        if rest and (shown := selection.feed([rest])):
            yield shown
    finally:
        if opened is not None:
            opened.close()


def _successor(file: BufferedReader, path: str) -> BufferedReader | None:
    """Return the file that took over the path, if the log was rotated."""
    try:
        if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:  # noqa: PTH116 - beside fstat
            return None
        return Path(path).open("rb")
    except FileNotFoundError:
        return None
