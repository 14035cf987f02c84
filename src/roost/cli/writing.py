"""`roost apply` and `roost delete`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from roost.api.errors import NotFound
from roost.api.values import Object
from roost.cli import output
from roost.cli.faults import of_system, of_yaml
from roost.cli.reading import Selection
from roost.cli.resources import Discovery, Served, Target, UsageError, parse_targets
from roost.client.http import HttpClient, delete_body, path_of
from roost.client.port import DeleteOptions, PatchType, Query

_GONE_TIMEOUT_S = 120.0


def read_manifests(names: list[str]) -> list[Object]:
    """Return the objects of files, folders and `-` (standard input); Lists are taken apart.

    Raises UsageError that names the file.
    """
    found: list[Object] = []
    for name in names:
        for source, text in _texts(name):
            try:
                documents = list(yaml.safe_load_all(text))
            except yaml.YAMLError as error:
                raise UsageError(f"{source} is not valid YAML: {of_yaml(error)}") from error
            for document in documents:
                found += _objects(source, document)
    if not found:
        raise UsageError("no objects were found in what -f names")
    return found


def _texts(name: str) -> Iterable[tuple[str, str]]:
    if name == "-":
        yield "standard input", sys.stdin.read()
        return
    try:
        for file in _files(Path(name)):
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(f"{file} is not a text file") from error
    except OSError as error:
        raise UsageError(f"{error.filename or name}: {of_system(error)}") from error


def _files(path: Path) -> list[Path]:
    """Return a file, or the manifests in a folder."""
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.iterdir()) if file.suffix in (".yaml", ".yml", ".json")]


def _objects(source: str, document: Any) -> Iterable[Object]:
    if document is None:
        return
    if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
        raise UsageError(f"{source}: an object needs apiVersion and kind")
    if document["kind"] == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(source, item)
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise UsageError(f"{source}: {document['kind']} has no metadata.name")
    yield document


def _place(served: Served, item: Object, namespace: str) -> str:
    return item["metadata"].get("namespace") or namespace if served.namespaced else ""


def _label(served: Served, name: str) -> str:
    return output.names_of(served.kind, served.resource.group, [{"metadata": {"name": name}}])[0]


async def apply(client: HttpClient, names: list[str], namespace: str, *, force: bool) -> int:
    """Apply manifests on the server, with the field manager `roost`."""
    discovery = await Discovery.fetch(client)
    for item in read_manifests(names):
        served = discovery.kind(item["apiVersion"], item["kind"])
        name, place = item["metadata"]["name"], _place(served, item, namespace)
        try:
            before = await client.get(served.resource, name, place)
        except NotFound:
            before = None
        after = await client.patch(
            served.resource, name, item, place,
            type=PatchType.APPLY, field_manager="roost", force=force,
        )  # fmt: skip
        if before is None:
            what = "created"
        else:
            versions = [x["metadata"].get("resourceVersion") for x in (before, after)]
            what = "unchanged" if versions[0] == versions[1] else "configured"
        output.say(f"{_label(served, name)} {what}")
        if served.resource.plural == "customresourcedefinitions":
            discovery = await Discovery.fetch(client)
    return 0


async def delete(
    client: HttpClient, words: list[str], files: list[str], selection: Selection,
    options: DeleteOptions, *, wait: bool, ignore_missing: bool,
) -> int:  # fmt: skip
    """Delete objects by name, selector or manifest; with `wait` until they are gone."""
    discovery = await Discovery.fetch(client)
    targets: list[tuple[Target, str]] = []
    if files:
        for item in reversed(read_manifests(files)):
            served = discovery.kind(item["apiVersion"], item["kind"])
            place = _place(served, item, selection.namespace)
            targets.append((Target(served, item["metadata"]["name"]), place))
    else:
        named = selection.check(parse_targets(discovery, words))
        targets = await _selected(client, named, selection)
    waiting = []
    for target, place in targets:
        served = target.served
        path = path_of(served.resource, place, target.name)
        try:
            await client.request("DELETE", path, body=delete_body(options))
        except NotFound:
            if not ignore_missing:
                raise
            continue
        output.say(f'{_label(served, target.name).partition("/")[0]} "{target.name}" deleted')
        waiting.append((served, target.name, place))
    if wait:
        for served, name, place in waiting:
            await _gone(client, served, name, place)
    return 0


async def _selected(
    client: HttpClient, targets: list[Target], selection: Selection
) -> list[tuple[Target, str]]:
    found: list[tuple[Target, str]] = []
    for target in targets:
        place = selection.namespace if target.served.namespaced else ""
        if target.name:
            found.append((target, place))
            continue
        if not selection.labels and not selection.fields:
            raise UsageError("say which: names, -l SELECTOR, or -f FILE")
        query = Query(target.served.resource, place, selection.labels, selection.fields)
        for item in (await client.list(query)).items:
            metadata = item["metadata"]
            named = Target(target.served, metadata["name"])
            found.append((named, metadata.get("namespace", "")))
    return found


async def _gone(client: HttpClient, served: Served, name: str, place: str) -> None:
    try:
        async with asyncio.timeout(_GONE_TIMEOUT_S):
            while True:
                await client.get(served.resource, name, place)
                await asyncio.sleep(0.2)
    except NotFound:
        return
    except TimeoutError:
        raise UsageError(f"{_label(served, name)} is still there; finalizers may hold it") from None
