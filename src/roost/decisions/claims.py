"""Who controls what: an owner keeps, adopts and releases objects by selector and owner reference.

What another controller owns is never touched. An owner that is being deleted neither adopts nor
releases. Adoption is preceded by a live look at the owner, because adopting for an owner that was
deleted with its dependents orphaned would get them collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.selectors import LabelSelector
from roost.api.values import Object
from roost.decisions.controller import Caches, Key, Lister
from roost.decisions.meta import (
    controller_reference,
    deleting,
    labels_of,
    namespace_of,
    orphans_in,
    ref_of,
    uid_of,
)
from roost.decisions.plan import Action, AssertAlive, Patch

#: The index by which owned objects are found; declare it as {BY_CONTROLLER: meta.by_controller}.
BY_CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that claims, with the address of its own and of the claimed resource."""

    resource: Resource
    kind: str
    object: Object
    dependents: Resource


@dataclass(frozen=True, slots=True)
class Claim:
    """What the owner has: `kept` includes what `actions` adopt, not what they release."""

    kept: tuple[Object, ...]
    actions: tuple[Action, ...]


def owned(lister: Lister, owner: Object) -> tuple[Object, ...]:
    """Return what the owner controls."""
    return tuple(lister.by(BY_CONTROLLER, uid_of(owner)))


def orphans(lister: Lister, owner: Object, selector: LabelSelector) -> tuple[Object, ...]:
    """Return what nobody controls in the owner's namespace and the selector matches."""
    if deleting(owner):
        return ()
    candidates = lister.by(BY_CONTROLLER, orphans_in(namespace_of(owner)))
    return tuple(o for o in candidates if not deleting(o) and selector.matches(labels_of(o)))


def claim(
    owner: Owner,
    selector: LabelSelector,
    mine: Iterable[Object],
    free: Iterable[Object],
    finalizer: str = "",
    member: Callable[[Object], bool] | None = None,
) -> Claim:
    """Keep what is `mine` and matches, release the rest of it, and adopt what is `free`.

    `finalizer` is added on adoption and removed on release (a Job's); what is not a `member` does not
    match, whatever its labels.
    """
    kept: list[Object] = []
    actions: list[Action] = []
    going = deleting(owner.object)
    for obj in mine:
        if selector.matches(labels_of(obj)) and (member is None or member(obj)):
            kept.append(obj)
        elif not going:
            actions.append(_release(owner, obj, finalizer))
    adopted = [] if going else list(free)
    if adopted:
        actions.append(AssertAlive(ref_of(owner.resource, owner.object)))
    for obj in adopted:
        kept.append(obj)
        actions.append(_adopt(owner, obj, finalizer))
    return Claim(tuple(kept), tuple(actions))


def _guarded(owner: Owner, obj: Object, metadata: Object) -> Patch:
    metadata["uid"] = uid_of(obj)
    metadata["resourceVersion"] = obj["metadata"].get("resourceVersion")
    return Patch(ref_of(owner.dependents, obj), {"metadata": metadata})


def _adopt(owner: Owner, obj: Object, finalizer: str) -> Patch:
    mine = controller_reference(owner.resource, owner.kind, owner.object)
    others = obj["metadata"].get("ownerReferences") or []
    metadata: Object = {"ownerReferences": [*others, mine]}
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer and finalizer not in finalizers:
        metadata["finalizers"] = [*finalizers, finalizer]
    return _guarded(owner, obj, metadata)


def _release(owner: Owner, obj: Object, finalizer: str) -> Patch:
    uid = uid_of(owner.object)
    references = obj["metadata"].get("ownerReferences") or []
    metadata: Object = {"ownerReferences": [r for r in references if r.get("uid") != uid]}
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer in finalizers:
        metadata["finalizers"] = [item for item in finalizers if item != finalizer]
    return _guarded(owner, obj, metadata)


def matching_owners(
    caches: Caches, resource: Resource, namespace: str, labels: Mapping[str, str]
) -> Iterable[Key]:
    """Return the keys of all owners in a namespace that may want to adopt what has these labels."""
    if not labels:
        return ()
    return [
        Key(namespace, owner["metadata"]["name"])
        for owner in caches[resource].all(namespace)
        if _matches_simply(owner["spec"].get("selector"), labels)
    ]


def _matches_simply(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Match the equalities alone: the owner's reconcile looks at the rest."""
    selector = selector or {}
    plain = not ({"matchLabels", "matchExpressions"} & selector.keys())  # a ReplicationController's
    required = selector if plain else selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in required.items())
