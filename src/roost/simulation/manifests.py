"""Manifests as `kubectl apply -f` reads them: text, files, folders, objects and Lists of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from roost.api.schema.yaml import parse
from roost.api.values import Object

Manifest: TypeAlias = "str | Path | Object | Iterable[Manifest]"

_SUFFIXES = (".yaml", ".yml", ".json")
_BREAK = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)


def read_manifests(given: Manifest) -> list[Object]:
    """Return the objects, in order. Text without a line break is a path if it ends like one.

    Raises ValueError (with the place) for what is no object, OSError for what cannot be read.
    """
    found = list(_objects(given))
    if not found:
        raise ValueError("no objects passed to apply")
    return found


def _objects(given: Any) -> Iterator[Object]:
    if isinstance(given, Path):
        yield from _files(given)
    elif isinstance(given, str):
        if "\n" not in given and (given.endswith(_SUFFIXES) or Path(given).is_dir()):
            yield from _files(Path(given))
        else:
            yield from _documents(given, "the text")
    elif isinstance(given, Mapping):
        yield from _taken_apart(dict(given), "an object")
    else:
        for one in given:
            yield from _objects(one)


def _files(path: Path) -> Iterator[Object]:
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    for one in paths:
        if one == path or one.suffix in _SUFFIXES:
            yield from _documents(one.read_text(encoding="utf-8"), str(one))


def _documents(text: str, source: str) -> Iterator[Object]:
    for part in _BREAK.split(text):
        if not part.strip():
            continue
        value, _ = parse(part.encode())
        if value is not None:
            yield from _taken_apart(value, source)


def _taken_apart(value: Any, source: str) -> Iterator[Object]:
    if not isinstance(value, dict) or not value.get("kind") or not value.get("apiVersion"):
        raise ValueError(f"{source} holds something that is no object: apiVersion or kind not set")
    if value["kind"].endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            yield from _taken_apart(item, source)
    else:
        yield value
