"""Folders that layers use but do not describe.

A layer may hold "tmp/x" without an entry for "tmp". Unpacked by itself, its "tmp" would hide the mode
and owner that a lower layer gave. So an image with such layers gets one thin folder on top of its
overlay that says again what the topmost layer with an opinion said; folders merge, and the topmost
decides.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path


def write_patch(patch: Path, layers: Sequence[Path], implicit: Sequence[Sequence[str]]) -> bool:
    """Make the patch of layers (lowest first) with their implicit folders; False if none is needed."""
    shutil.rmtree(patch, ignore_errors=True)
    wanted: dict[str, Path] = {}
    sets = [set(paths) for paths in implicit]
    for number, paths in enumerate(implicit):
        for path in paths:
            source = _authority(path, number, layers, sets)
            if source is not None:
                wanted[path] = source
    if not wanted:
        return False
    # Parents of a patched folder are implicit or described: either way say what they are.
    for path in list(wanted):
        for parent in list(Path(path).parents)[:-1]:
            name = str(parent)
            if name not in wanted:
                wanted[name] = _topmost(name, layers)
    patch.mkdir(mode=0o755)
    _copy_attributes(_topmost("", layers), patch)
    for path in sorted(wanted):
        (patch / path).mkdir(mode=0o755)
        _copy_attributes(wanted[path], patch / path)
    return True


def _authority(
    path: str, number: int, layers: Sequence[Path], implicit: Sequence[set[str]]
) -> Path | None:
    """Return the folder whose attributes count for `path`, None if the top one does already."""
    for index in range(len(layers) - 1, -1, -1):
        found = layers[index] / path
        if not _in_layer(layers[index], path):
            if _hidden(layers[index], path):
                return None
            continue
        if not stat.S_ISDIR(found.lstat().st_mode):
            return None
        if path not in implicit[index]:
            return found if index < number else None
    return None


def _in_layer(layer: Path, path: str) -> bool:
    """Return whether a layer has this very path, without following links."""
    here = layer
    for part in Path(path).parts:
        if here != layer and here.is_symlink():
            return False
        here /= part
    try:
        here.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _hidden(layer: Path, path: str) -> bool:
    """Return whether a layer hides what lower layers have at `path`."""
    here = layer
    for part in Path(path).parts:
        here /= part
        try:
            found = here.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(found.st_mode):
            return True
        if "trusted.overlay.opaque" in os.listxattr(here, follow_symlinks=False):
            return True
    return False


def _topmost(path: str, layers: Sequence[Path]) -> Path:
    for layer in reversed(layers):
        if _in_layer(layer, path) and (layer / path).is_dir():
            return layer / path
    return layers[-1]


def _copy_attributes(source: Path, target: Path) -> None:
    found = source.lstat()
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))
