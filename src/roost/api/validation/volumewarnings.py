"""Warnings about volumes: sources that are gone, and files that would lie on top of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roost.api.quantity import parse
from roost.api.validation.causes import quoted
from roost.api.values import Object

_SOURCES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
#: What a persistent volume warns of, in the order of the real server.
_PERSISTENT = ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")
#: Kinds of sources with keys and paths: (field, its kind in a message, where it says which one).
_KEYED = (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName"))
#: Sources whose files have paths.
_WITH_FILES = ("projected", "configMap", "secret", "downwardAPI")


def fraction(value: str | None, path: str) -> Iterator[str]:
    """Warn about an amount of bytes that is not whole."""
    if value is not None and not isinstance(parse(value), int):
        yield f"{path}: fractional byte value {quoted(value)} is invalid, must be an integer"


def of_claim_spec(spec: Object, path: str) -> Iterator[str]:
    """Warn about the spec of a persistent volume claim."""
    for which in ("requests", "limits"):
        amounts = (spec.get("resources") or {}).get(which) or {}
        yield from fraction(amounts.get("storage"), f"{path}.resources.{which}[storage]")


def of_persistent_source(spec: Object) -> Iterator[str]:
    """Warn about the source of a persistent volume."""
    for key in _PERSISTENT:
        if spec.get(key) is not None:
            shown = "storageOS" if key == "storageos" else key
            yield f"spec.{shown}: {_SOURCES[key]}"


def of_volumes(values: list[Object], path: str) -> Iterator[str]:
    """Warn about the volumes of a pod."""
    for index, volume in enumerate(values):
        here = f"{path}[{index}]"
        for key in volume:
            if key in _SOURCES and volume[key] is not None:
                yield f"{here}.{'storageOS' if key == 'storageos' else key}: {_SOURCES[key]}"
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template is not None:
            where = f"{here}.ephemeral.volumeClaimTemplate.spec"
            yield from of_claim_spec(template.get("spec") or {}, where)
    for volume in values:
        if any(key in volume for key in _WITH_FILES):
            yield from _overlaps(volume)


def _overlaps(volume: Object) -> Iterator[str]:
    name = quoted(volume.get("name") or "")
    for key, kind, which in _KEYED:
        source = volume.get(key) or {}
        if source.get("items"):
            what = f"volume {name} ({kind} {quoted(source.get(which) or '')}): overlapping paths"
            yield from _on_top(_paths(source), what)
    if volume.get("downwardAPI"):
        what = f"volume {name} (DownwardAPI): overlapping paths"
        yield from _on_top(_paths(volume["downwardAPI"]), what)
    if volume.get("projected"):
        yield from _of_projected(volume, name)


def _of_projected(volume: Object, name: str) -> Iterator[str]:
    """Compare the files of each source with themselves, then with those of the sources before."""
    every: set[str] = set()
    sources = (volume.get("projected") or {}).get("sources") or ()
    if _are_apart(sources):
        return
    for source in sources:
        if not any(value is not None for value in source.values()):
            yield f"volume {name} (Projected) has no sources provided"
            continue
        found = _files_of(source)
        if found is None:
            continue
        files, kind = found
        what = f"volume {name} (Projected {kind}): overlapping paths"
        yield from _on_top(files, what)
        yield from _on_top(sorted([*set(files), *every]), what)
        every.update(files)


def _are_apart(sources: Sequence[Object]) -> bool:
    """Tell of most volumes at once, as of those with a token, that no file lies on another."""
    files: list[str] = []
    for source in sources:
        found = _files_of(source)
        if found is None:
            return False
        files += found[0]
    return len(set(files)) == len(files) and "/" not in "".join(files)


def _files_of(source: Object) -> tuple[list[str], str] | None:
    for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        keyed = source.get(key) or {}
        if keyed.get("items"):
            return _paths(keyed), f"{kind} {quoted(keyed.get('name') or '')}"
    if (source.get("downwardAPI") or {}).get("items"):
        return _paths(source["downwardAPI"]), "DownwardAPI"
    if source.get("serviceAccountToken") is not None:
        return [source["serviceAccountToken"].get("path") or ""], "ServiceAccountToken"
    return None


def _paths(source: Object) -> list[str]:
    return [item.get("path") or "" for item in source.get("items") or ()]


def _on_top(files: list[str], what: str) -> Iterator[str]:
    seen: dict[str, None] = {}
    for file in files:
        path = file.rstrip("/")
        other = _collision(seen, path)
        if other:
            yield f"{what}: {quoted(path)} with {quoted(other)}"
        seen[path] = None


def _collision(seen: dict[str, None], path: str) -> str:
    for other in seen:
        if not other or not path:
            return ""
        if f"{other}/".startswith(path) or f"{path}/".startswith(other):
            return other
    return ""
