"""What every object has: name, owner, times; and references to it. Pure reading and building.

Times in objects are RFC 3339 with whole seconds (`stamp`); inside Roost they are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.controller import Caches, Key, controller_of
from roost.decisions.plan import Delete, EmitEvent, Ref


def namespace_of(obj: Object) -> str:
    """Return the namespace, "" for an object of cluster scope."""
    namespace: str = obj["metadata"].get("namespace", "")
    return namespace


def name_of(obj: Object) -> str:
    name: str = obj["metadata"]["name"]
    return name


def uid_of(obj: Object) -> str:
    uid: str = obj["metadata"].get("uid", "")
    return uid


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def deleting(obj: Object) -> bool:
    """Say whether the object has a deletionTimestamp."""
    return "deletionTimestamp" in obj["metadata"]


def version_of(obj: Object) -> str:
    version: str = obj["metadata"].get("resourceVersion", "")
    return version


def key_of(obj: Object) -> Key:
    return Key(namespace_of(obj), name_of(obj))


def ref_of(resource: Resource, obj: Object) -> Ref:
    """Return the address of one incarnation of an object."""
    return Ref(resource, namespace_of(obj), name_of(obj), uid_of(obj))


@lru_cache(maxsize=64)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(epoch_s: float) -> str:
    """Write a time as metav1.Time does; much happens in one second, so it is kept."""
    return _stamp(int(epoch_s))


def micro_stamp(epoch_s: float) -> str:
    """Write a time as metav1.MicroTime does."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(text: str | None) -> float:
    """Read an RFC 3339 time; 0.0 for none."""
    if not text:
        return 0.0
    return datetime.fromisoformat(text).timestamp()


def created_at(obj: Object) -> float:
    return seconds_of(obj["metadata"].get("creationTimestamp"))


def owned_by(obj: Object, uid: str) -> bool:
    """Say whether the controller of `obj` is the object with that uid."""
    owner = controller_of(obj)
    return owner is not None and owner.get("uid") == uid


def controller_reference(resource: Resource, kind: str, owner: Object) -> Object:
    """Return the owner reference by which `owner` controls what it makes."""
    return {
        "apiVersion": resource.api_version,
        "kind": kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def object_reference(resource: Resource, kind: str, obj: Object) -> Object:
    """Return the ObjectReference of an event's involvedObject."""
    metadata = obj["metadata"]
    reference = {
        "kind": kind,
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "apiVersion": resource.api_version,
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {key: value for key, value in reference.items() if value}


def by_controller(obj: Object) -> Iterable[str]:
    """Index: the uid of the controlling owner; `ORPHANS` + namespace for what has none."""
    owner = controller_of(obj)
    if owner is not None:
        return (owner["uid"],)
    return (orphans_in(namespace_of(obj)),)


def orphans_in(namespace: str) -> str:
    """Return the value of `by_controller` for the objects of a namespace without a controller."""
    return f"orphans/{namespace}"


def warning(regarding: Object, reason: str, message: str) -> EmitEvent:
    return EmitEvent(regarding, "Warning", reason, message)


def normal(regarding: Object, reason: str, message: str) -> EmitEvent:
    return EmitEvent(regarding, "Normal", reason, message)


def delete(resource: Resource, obj: Object) -> Delete:
    """Return the deletion of this very incarnation."""
    return Delete(ref_of(resource, obj))


def in_namespace(caches: Caches, resource: Resource, namespace: str) -> tuple[Object, ...]:
    return tuple(caches[resource].all(namespace))
