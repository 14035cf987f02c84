"""The garbage collector: what has owners goes when all of them are gone.

It follows every resource. Most changes need nothing (all owners are in the caches), and that is seen
before a key is queued. Before anything is deleted because an owner is absent from a cache, the server
itself is asked for that owner. An owner of a kind that is not served decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import deleting, name_of, namespace_of, ref_of, uid_of, warning
from roost.decisions.plan import NOTHING, Action, AssertAbsent, Delete, Patch, Plan, Ref
from roost.decisions.served import Served

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_OWNED_BY = "owner"


class Owning(Enum):
    """What is known about an owner."""

    SOLID = "it is there"
    DANGLING = "it is absent"
    WAITING = "it is deleted in the foreground and waits for its dependents"
    UNKNOWN = "its kind is not served, or not in reach"


@dataclass(frozen=True, slots=True)
class OwnerState:
    """An owner reference and what is known about its owner."""

    uid: str
    state: Owning
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object that names the one in question as an owner."""

    resource: Resource
    object: Object


@dataclass(frozen=True, slots=True)
class View:
    """An object, what is known about its owners, and what it owns (asked only if it matters)."""

    resource: Resource
    kind: str
    object: Object
    owners: tuple[OwnerState, ...]
    dependents: tuple[Dependent, ...]
    elsewhere: tuple[Object, ...] = ()  # owner references whose owner is in another namespace


def by_owner(obj: Object) -> Iterable[str]:
    """Index: the uids of all owners."""
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()]


def _finalizers(obj: Object) -> Sequence[str]:
    return obj["metadata"].get("finalizers") or ()


def _guarded(resource: Resource, obj: Object, metadata: Object) -> Patch:
    metadata["uid"] = uid_of(obj)
    metadata["resourceVersion"] = obj["metadata"].get("resourceVersion")
    return Patch(ref_of(resource, obj), {"metadata": metadata})


def _without_owners(resource: Resource, obj: Object, uids: Iterable[str]) -> Patch:
    gone = set(uids)
    references = obj["metadata"].get("ownerReferences") or ()
    kept = [reference for reference in references if reference["uid"] not in gone]
    return _guarded(resource, obj, {"ownerReferences": kept or None})


def _without_finalizer(resource: Resource, obj: Object, finalizer: str) -> Patch:
    kept = [item for item in _finalizers(obj) if item != finalizer]
    return _guarded(resource, obj, {"finalizers": kept or None})


def _blocks(dependent: Object, uid: str) -> bool:
    references = dependent["metadata"].get("ownerReferences") or ()
    return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in references)


def reconcile(view: View) -> Plan:
    """Decide whether the object goes, and whether it still waits for what it owns."""
    if deleting(view.object):
        return _ending(view)
    events: list[Action] = [_misplaced(view, reference) for reference in view.elsewhere]
    return Plan((*events, *_owned(view)))


def _ending(view: View) -> Plan:
    obj, uid = view.object, uid_of(view.object)
    if ORPHAN in _finalizers(obj):
        released = [_without_owners(d.resource, d.object, (uid,)) for d in view.dependents]
        return Plan((*released, _without_finalizer(view.resource, obj, ORPHAN)))
    if FOREGROUND in _finalizers(obj):
        if any(_blocks(dependent.object, uid) for dependent in view.dependents):
            return NOTHING  # their own keys delete them
        return Plan((_without_finalizer(view.resource, obj, FOREGROUND),))
    return NOTHING


def _owned(view: View) -> Iterable[Action]:
    states = [owner.state for owner in view.owners]
    if not states or Owning.UNKNOWN in states:
        return ()
    dangling = [owner for owner in view.owners if owner.state is Owning.DANGLING]
    waiting = [owner for owner in view.owners if owner.state is Owning.WAITING]
    checks = [AssertAbsent(owner.ref) for owner in dangling if owner.ref is not None]
    if Owning.SOLID in states:
        if not dangling and not waiting:
            return ()
        uids = [owner.uid for owner in (*dangling, *waiting)]
        return (*checks, _without_owners(view.resource, view.object, uids))
    ref, version = ref_of(view.resource, view.object), view.object["metadata"]["resourceVersion"]
    if waiting and view.dependents:
        policy = "Foreground"
    else:
        policy = "Orphan" if ORPHAN in _finalizers(view.object) else "Background"
    return (
        *checks,
        *_unblock(view, waiting),
        Delete(ref, propagation=policy, resource_version=version),
    )


def _unblock(view: View, waiting: Sequence[OwnerState]) -> Iterable[Action]:
    """Break a circle: a dependent that itself waits for dependents must not be waited for."""
    going = any(deleting(d.object) and FOREGROUND in _finalizers(d.object) for d in view.dependents)
    if not waiting or not going:
        return ()
    references = view.object["metadata"]["ownerReferences"]
    unblocked = [{**reference, "blockOwnerDeletion": False} for reference in references]
    if unblocked == references:
        return ()
    return (_guarded(view.resource, view.object, {"ownerReferences": unblocked}),)


def _misplaced(view: View, reference: Object) -> Action:
    namespace = namespace_of(view.object)
    text = (
        f"ownerRef [{reference['apiVersion']}/{reference['kind']}, namespace: {namespace}, "
        f"name: {reference['name']}, uid: {reference['uid']}] does not exist in namespace "
        f'"{namespace}"'
    )
    regarding: Object = {
        "kind": view.kind,
        "apiVersion": view.resource.api_version,
        "name": name_of(view.object),
        "uid": uid_of(view.object),
    }
    if namespace:
        regarding["namespace"] = namespace
    return warning(regarding, "OwnerRefInvalidNamespace", text)


class _Graph:
    """How references lead to caches, for one set of served resources."""

    def __init__(self, served: Sequence[Served]) -> None:
        self.served = served
        self.by_resource: Mapping[Resource, Served] = {s.resource: s for s in served}
        self.by_kind = {(s.resource.group, s.kind): s for s in served}

    def owner_of(self, reference: Object, namespace: str) -> tuple[Served, str] | None:
        """Return what a reference names and in which namespace; None if that cannot be."""
        group = reference["apiVersion"].rpartition("/")[0]
        found = self.by_kind.get((group, reference["kind"]))
        if found is None or (found.namespaced and not namespace):
            return None
        return found, namespace if found.namespaced else ""

    def state(self, caches: Caches, reference: Object, namespace: str) -> OwnerState:
        uid = reference["uid"]
        found = self.owner_of(reference, namespace)
        if found is None:
            return OwnerState(uid, Owning.UNKNOWN)
        served, where = found
        owner = caches[served.resource].get(where, reference["name"])
        if owner is None or uid_of(owner) != uid:
            ref = Ref(served.resource, where, reference["name"], uid)
            return OwnerState(uid, Owning.DANGLING, ref)
        if deleting(owner) and FOREGROUND in _finalizers(owner):
            return OwnerState(uid, Owning.WAITING)
        return OwnerState(uid, Owning.SOLID)

    def dependents(self, caches: Caches, uid: str) -> Iterable[Dependent]:
        for served in self.served:
            for obj in caches[served.resource].by(_OWNED_BY, uid):
                yield Dependent(served.resource, obj)

    def key(self, resource: Resource, obj: Object) -> Key:
        address = f"{resource.group}/{resource.version}/{resource.plural}/{name_of(obj)}"
        return Key(namespace_of(obj), address)

    def keys_of(self, resource: Resource) -> Callable[[Object, Caches], Iterable[Key]]:
        """Return what a change of an object of that resource makes worth a look."""

        def keys(obj: Object, caches: Caches) -> Iterable[Key]:
            metadata = obj["metadata"]
            cached = caches[resource].get(metadata.get("namespace", ""), metadata["name"])
            gone = cached is None or uid_of(cached) != uid_of(obj)
            ending = "deletionTimestamp" in metadata
            if gone or ending:
                found = self.dependents(caches, uid_of(obj))
                yield from (self.key(dependent.resource, dependent.object) for dependent in found)
            references = metadata.get("ownerReferences")
            if gone:
                for reference in references or ():  # an owner may have waited for this
                    owner = self.owner_of(reference, namespace_of(obj))
                    if owner is not None:
                        target = {"metadata": {"name": reference["name"], "namespace": owner[1]}}
                        yield self.key(owner[0].resource, target)
            elif ending or (references and not self._settled(caches, obj, references)):
                yield self.key(resource, obj)
                yield from self._freed(caches, cached or obj, references or ())

        return keys

    def _freed(self, caches: Caches, obj: Object, references: Iterable[Object]) -> Iterable[Key]:
        """Yield the owners that wait for their dependents, but for this object no longer."""
        namespace = namespace_of(obj)
        for reference in references:
            owner = self.owner_of(reference, namespace)
            if owner is None or _blocks(obj, reference["uid"]):
                continue
            if self.state(caches, reference, namespace).state is Owning.WAITING:
                target = {"metadata": {"name": reference["name"], "namespace": owner[1]}}
                yield self.key(owner[0].resource, target)

    def _settled(self, caches: Caches, obj: Object, references: Iterable[Object]) -> bool:
        namespace = namespace_of(obj)
        return all(self.state(caches, r, namespace).state is Owning.SOLID for r in references)

    def view(self, caches: Caches, key: Key, _now: float) -> View | None:
        group, version, plural, name = key.name.split("/", 3)
        served = self.by_resource.get(Resource(group, version, plural))
        obj = caches[served.resource].get(key.namespace, name) if served is not None else None
        if served is None or obj is None:
            return None
        references = obj["metadata"].get("ownerReferences") or ()
        owners = tuple(self.state(caches, r, key.namespace) for r in references)
        needed = deleting(obj) or any(o.state is Owning.WAITING for o in owners)
        dependents = tuple(self.dependents(caches, uid_of(obj))) if needed else ()
        elsewhere = tuple(
            reference
            for reference, owner in zip(references, owners, strict=True)
            if owner.state in {Owning.DANGLING, Owning.UNKNOWN}
            and self._is_elsewhere(caches, reference)
        )
        return View(served.resource, served.kind, obj, owners, dependents, elsewhere)

    def _is_elsewhere(self, caches: Caches, reference: Object) -> bool:
        group = reference["apiVersion"].rpartition("/")[0]
        served = self.by_kind.get((group, reference["kind"]))
        if served is None or not served.namespaced:
            return False
        return any(uid_of(o) == reference["uid"] for o in caches[served.resource].all())


def garbage_collector(served: Iterable[Served]) -> Controller[View]:
    """Return the collector for a server that serves these resources."""
    followed = [s for s in served if s.resource.plural != "events"]
    graph = _Graph(followed)
    return Controller(
        name="garbage-collector-controller",
        watches=tuple(
            Watch(s.resource, graph.keys_of(s.resource), {_OWNED_BY: by_owner}) for s in followed
        ),
        view=graph.view,
        reconcile=reconcile,
        component="garbage-collector-controller",
    )
