"""A pod's volumes as values: what must be on disk before its containers start. Pure.

The shell (podfiles.py) makes it so. A kind of volume that is not supported is refused by its name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from roost.api import quantity
from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
)
from roost.decisions.volumes import LOCAL_PATH, PROVISIONED_BY
from roost.node.downward import Surroundings, field_value, resource_value
from roost.node.sources import SECRETS, NotYetKnown, Refused, Sources, claim_of, token_ref

_DEFAULT_MODE = 0o644
_GROUP_READ = 0o440
_SHARED_FOLDER = 0o777


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a payload; `path` is relative and has no `..`."""

    path: str
    content: bytes
    mode: int
    user: int | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """A folder whose files the agent writes, all at once; `secret`: keep it in memory if possible."""

    volume: str
    files: tuple[PlannedFile, ...]
    group: int | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty folder (emptyDir) that lives as long as the pod."""

    volume: str
    memory: bool = False
    size_bytes: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True)
class HostFolder:
    """A path of the node; `type` as in hostPath. A folder that is missing is made with `mode`."""

    volume: str
    path: str
    type: str = ""
    mode: int = 0o755


Planned: TypeAlias = Payload | Scratch | HostFolder


def plan_volumes(pod: Object, sources: Sources, around: Surroundings) -> tuple[Planned, ...]:
    """Return every volume of the pod; raises Refused with the kubelet's FailedMount text."""
    planned = []
    for volume in pod["spec"].get("volumes") or ():
        try:
            planned.append(_plan(pod, volume, sources, around))
        except NotYetKnown as error:
            message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error.message}'
            raise NotYetKnown(message) from error
        except Refused as error:
            message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error.message}'
            raise Refused("FailedMount", message) from error
    return tuple(planned)


def fs_group(pod: Object) -> int | None:
    """Return spec.securityContext.fsGroup."""
    group: int | None = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return group


def _plan(pod: Object, volume: Object, sources: Sources, around: Surroundings) -> Planned:
    name = volume["name"]
    if "emptyDir" in volume or len(volume) == 1:
        return _scratch(name, volume.get("emptyDir") or {}, fs_group(pod))
    if "hostPath" in volume:
        return HostFolder(name, volume["hostPath"]["path"], volume["hostPath"].get("type") or "")
    if claim_of(pod, volume):
        return _claimed(pod, volume, sources)
    if "projected" in volume:
        body = volume["projected"] or {}
        mode = body.get("defaultMode")
        files: list[PlannedFile] = []
        for source in body.get("sources") or ():
            files.extend(_projected(pod, source, _mode(mode), sources, around))
        return _payload(name, files, fs_group(pod), secret=True)
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            body = dict(volume[kind] or {})
            body.setdefault("name", body.get("secretName", ""))
            found = _PROJECTIONS[kind](pod, body, _mode(body.get("defaultMode")), sources, around)
            return _payload(name, found, fs_group(pod), secret=kind == "secret")
    kinds = sorted(key for key in volume if key != "name")
    raise Refused("FailedMount", f"volume type {', '.join(kinds)} is not supported by this node")


def _mode(written: int | None) -> int:
    return _DEFAULT_MODE if written is None else int(written)


def _scratch(name: str, body: Object, group: int | None) -> Scratch:
    medium = body.get("medium") or ""
    if medium not in {"", "Memory"}:
        raise Refused("FailedMount", f'emptyDir medium "{medium}" is not supported by this node')
    limit = body.get("sizeLimit")
    size = quantity.to_int(limit) if limit is not None else None
    return Scratch(name, medium == "Memory", size, group)


def _claimed(pod: Object, volume: Object, sources: Sources) -> Planned:
    namespace = pod["metadata"].get("namespace", "")
    claim = claim_of(pod, volume)
    found = sources.find(PERSISTENT_VOLUME_CLAIMS, namespace, claim)
    if found is None:
        raise Refused("FailedMount", f'persistentvolumeclaim "{claim}" not found')
    bound = (found.get("spec") or {}).get("volumeName")
    if not bound or (found.get("status") or {}).get("phase") != "Bound":
        raise Refused("FailedMount", f'PersistentVolumeClaim "{claim}" is not bound')
    persistent = sources.find(PERSISTENT_VOLUMES, "", bound)
    if persistent is None:
        raise Refused("FailedMount", f'persistentvolume "{bound}" not found')
    spec = persistent["spec"]
    if "hostPath" in spec:
        host = spec["hostPath"]
        return HostFolder(volume["name"], host["path"], host.get("type") or "DirectoryOrCreate")
    if "local" in spec:
        annotations = persistent["metadata"].get("annotations") or {}
        if annotations.get(PROVISIONED_BY) == LOCAL_PATH:  # of ours: made when first used
            path = spec["local"]["path"]
            return HostFolder(volume["name"], path, "DirectoryOrCreate", _SHARED_FOLDER)
        return HostFolder(volume["name"], spec["local"]["path"], "Directory")
    kinds = ", ".join(
        sorted(key for key, value in spec.items() if isinstance(value, dict) and key in _DRIVERS)
    )
    raise Refused(
        "FailedMount",
        f'PersistentVolume "{bound}" is of type {kinds or "unknown"}; '
        "this node supports hostPath and local",
    )


_DRIVERS = frozenset({
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume",
    "flocker", "gcePersistentDisk", "glusterfs", "iscsi", "nfs", "photonPersistentDisk",
    "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
})  # fmt: skip


def _payload(
    name: str, files: Iterable[PlannedFile], group: int | None, *, secret: bool
) -> Payload:
    """Return the payload: of files with one path the last wins; fsGroup may read them."""
    by_path: dict[str, PlannedFile] = {}
    for file in files:
        _check_path(file.path)
        mode = file.mode | _GROUP_READ if group is not None else file.mode
        by_path[file.path] = PlannedFile(file.path, file.content, mode, file.user)
    return Payload(name, tuple(by_path[path] for path in sorted(by_path)), group, secret)


def _check_path(path: str) -> None:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise Refused("FailedMount", f'invalid path "{path}" in a volume')


def _projected(
    pod: Object, source: Object, mode: int, sources: Sources, around: Surroundings
) -> Iterable[PlannedFile]:
    for kind, body in source.items():
        if kind not in _PROJECTIONS:
            raise Refused("FailedMount", f"projected {kind} is not supported by this node")
        yield from _PROJECTIONS[kind](pod, body or {}, mode, sources, around)


def _keyed(
    resource: Resource, words: tuple[str, str], pod: Object, body: Object, sources: Sources
) -> tuple[dict[str, bytes], Object] | None:
    namespace = pod["metadata"].get("namespace", "")
    name = body.get("name", "")
    obj = sources.find(resource, namespace, name)
    if obj is None:
        if body.get("optional"):
            return None
        raise Refused("FailedMount", f'{words[0]} "{name}" not found')
    return _contents(resource, obj), obj


def _contents(resource: Resource, obj: Object) -> dict[str, bytes]:
    if resource == SECRETS:
        return {key: base64.b64decode(text) for key, text in (obj.get("data") or {}).items()}
    found = {key: text.encode() for key, text in (obj.get("data") or {}).items()}
    for key, text in (obj.get("binaryData") or {}).items():
        found[key] = base64.b64decode(text)
    return found


def _files(contents: dict[str, bytes], body: Object, mode: int, word: str) -> Iterable[PlannedFile]:
    items = body.get("items")
    if not items:
        for key in sorted(contents):
            yield PlannedFile(key, contents[key], mode)
        return
    for item in items:
        key = item["key"]
        if key not in contents:
            if body.get("optional"):
                continue
            raise Refused("FailedMount", f"references non-existent {word} key: {key}")
        own = item.get("mode")
        yield PlannedFile(item["path"], contents[key], mode if own is None else own)


def _config_map(
    pod: Object, body: Object, mode: int, sources: Sources, _around: Surroundings
) -> Iterable[PlannedFile]:
    found = _keyed(CONFIG_MAPS, ("configmap", "config"), pod, body, sources)
    return _files(found[0], body, mode, "config") if found else ()


def _secret(
    pod: Object, body: Object, mode: int, sources: Sources, _around: Surroundings
) -> Iterable[PlannedFile]:
    found = _keyed(SECRETS, ("secret", "secret"), pod, body, sources)
    return _files(found[0], body, mode, "secret") if found else ()


def _downward(
    pod: Object, body: Object, mode: int, _sources: Sources, around: Surroundings
) -> Iterable[PlannedFile]:
    for item in body.get("items") or ():
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"], around)
        else:
            text = resource_value(pod, item["resourceFieldRef"], "", around)
        own = item.get("mode")
        yield PlannedFile(item["path"], text.encode(), mode if own is None else own)


def _token(
    pod: Object, body: Object, mode: int, sources: Sources, _around: Surroundings
) -> Iterable[PlannedFile]:
    wanted = token_ref(body)
    if wanted not in sources.tokens:
        raise NotYetKnown("failed to fetch token: it is not read yet")
    user = run_as_user_of_all(pod)
    if fs_group(pod) is not None or user is not None:
        mode = 0o600
    yield PlannedFile(body["path"], sources.tokens[wanted].encode(), mode, user)


def run_as_user_of_all(pod: Object) -> int | None:
    """Return the user all containers run as; None where they differ or it is not said."""
    default = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    users = {(one.get("securityContext") or {}).get("runAsUser", default) for one in containers}
    return users.pop() if len(users) == 1 else None


_PROJECTIONS = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
}
