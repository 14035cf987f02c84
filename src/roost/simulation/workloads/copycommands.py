"""cp and mv; and chmod and chown, to which a file here has only to be there, as it has no rights."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Final

from roost.simulation.workloads.context import Context
from roost.simulation.workloads.files import ContainerFiles
from roost.simulation.workloads.textcommands import Command, options, refuse

_COPIES: Final = frozenset("rRafpv")
_RIGHTS: Final = frozenset("Rfvc")


async def _copy(ctx: Context, argv: tuple[str, ...]) -> int:
    found, paths = options(argv)
    name = argv[0].rpartition("/")[2]
    if len(paths) < 2 or not set(found) <= _COPIES:
        return refuse(ctx, argv, " ".join(argv[1:]))
    *sources, target = paths
    if len(sources) > 1 and not _is_folder(ctx.files, target):
        ctx.error(f"{name}: target '{target}' is not a directory")
        return 1
    deep = name == "mv" or bool({"r", "R", "a"} & set(found))
    return max([_copied(ctx, name, source, target, found, deep=deep) for source in sources])


def _copied(
    ctx: Context, name: str, source: str, target: str, found: Mapping[str, str], *, deep: bool
) -> int:
    """Copy or move one file or tree; return the exit code."""
    files = ctx.files
    if _is_folder(files, source) and not deep:
        ctx.error(f"{name}: omitting directory '{source}'")
        return 1
    if _is_folder(files, target):
        target = posixpath.join(target, posixpath.basename(source.rstrip("/")))
    try:
        for one, copy in list(_tree(files, source, target)):
            if _is_folder(files, one):
                files.make_folder(copy)
            else:
                files.write(copy, files.read(one))
        if name == "mv":
            files.remove(source)
    except FileNotFoundError:
        ctx.error(f"{name}: can't stat '{source}': No such file or directory")
        return 1
    except OSError as error:
        ctx.error(f"{name}: can't create '{target}': {error.strerror}")
        return 1
    if "v" in found:
        ctx.print(f"'{source}' -> '{target}'")
    return 0


def _tree(files: ContainerFiles, source: str, target: str) -> Iterator[tuple[str, str]]:
    """Yield each file and folder with where its copy lies."""
    yield source, target
    if _is_folder(files, source):
        for name in files.list(source):
            yield from _tree(files, posixpath.join(source, name), posixpath.join(target, name))


def _is_folder(files: ContainerFiles, path: str) -> bool:
    return files.exists(path) and not files.is_file(path)


async def _rights(ctx: Context, argv: tuple[str, ...]) -> int:
    found, words = options(argv)
    if len(words) < 2 or not set(found) <= _RIGHTS:
        return refuse(ctx, argv, " ".join(argv[1:]))
    missing = [path for path in words[1:] if not ctx.files.exists(path)]
    for path in missing:
        ctx.error(f"{argv[0].rpartition('/')[2]}: {path}: No such file or directory")
    return int(bool(missing))


COPY_COMMANDS: Final[Mapping[str, Command]] = {
    "chgrp": _rights, "chmod": _rights, "chown": _rights, "cp": _copy, "mv": _copy,
}  # fmt: skip
