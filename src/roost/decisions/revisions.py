"""ControllerRevisions: the history of templates of StatefulSets and DaemonSets. Pure.

A revision holds `{"spec": {"template": ...}}` as a strategic merge patch that replaces the template, so
that `kubectl rollout undo` can apply it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.selectors import LabelSelector
from roost.api.values import Object
from roost.decisions.claims import Owner, claim, orphans
from roost.decisions.controller import Lister
from roost.decisions.hashes import template_hash
from roost.decisions.meta import (
    annotations_of,
    controller_reference,
    delete,
    labels_of,
    name_of,
    namespace_of,
)
from roost.decisions.plan import Action, Create, Patch, Ref
from roost.decisions.resources import CONTROLLER_REVISIONS

HASH_LABEL = "controller.kubernetes.io/hash"
#: The label of a pod that says which revision it is of; revisions of DaemonSets have it themselves.
POD_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Found:
    """Revisions that matter to an owner.

    `orphans` have nobody and the labels that its selector wants: they are its own of before, when it
    was deleted without its dependents. `named` has the name that a new revision would get.
    """

    owned: tuple[Object, ...]
    orphans: tuple[Object, ...] = ()
    named: Object | None = None


def find(lister: Lister, owner: Object, mine: tuple[Object, ...], selector: LabelSelector) -> Found:
    """Find the revisions for an owner of which `mine` are owned."""
    collisions = (owner.get("status") or {}).get("collisionCount", 0)
    name = _name(owner, _digest(owner, collisions))
    named = lister.get(namespace_of(owner), name)
    return Found(mine, orphans(lister, owner, selector), named)


@dataclass(frozen=True, slots=True)
class History:
    """The revisions of an owner, oldest first, `update` among them, and what to write for it.

    With `collides` the name of a new revision is taken by another one: count the collision, and
    decide again.
    """

    revisions: tuple[Object, ...]
    update: Object
    actions: tuple[Action, ...]
    collides: bool = False


def _data(owner: Object) -> Object:
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """Return the pod template that a revision holds."""
    template = revision["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}


def digest_of(revision: Object) -> str:
    labels = labels_of(revision)
    return labels.get(POD_LABEL) or labels.get(HASH_LABEL, "")


def by_number(revisions: Iterable[Object]) -> list[Object]:
    return sorted(revisions, key=lambda r: (r.get("revision", 0), name_of(r)))


def _digest(owner: Object, collisions: int) -> str:
    return template_hash(owner["spec"]["template"], collisions)


def _name(owner: Object, digest: str) -> str:
    return f"{name_of(owner)}-{digest}"


def adoption(
    resource: Resource, kind: str, owner: Object, found: Found, selector: LabelSelector
) -> tuple[Action, ...]:
    """Return what adopts the revisions that nobody has."""
    about = Owner(resource, kind, owner, CONTROLLER_REVISIONS)
    return claim(about, selector, (), found.orphans).actions


def history(resource: Resource, kind: str, owner: Object, found: Found, collisions: int) -> History:
    """Find the revision of the owner's template, move it to the end, or make it."""
    revisions = by_number(found.owned)
    data = _data(owner)
    latest = revisions[-1].get("revision", 0) if revisions else 0
    for known in reversed(revisions):
        if known["data"] != data:
            continue
        if known is revisions[-1]:
            return History(tuple(revisions), known, ())
        moved = {**known, "revision": latest + 1}
        rest = [revision for revision in revisions if revision is not known]
        ref = Ref(CONTROLLER_REVISIONS, namespace_of(known), name_of(known))
        body = {"metadata": {"uid": known["metadata"].get("uid")}, "revision": latest + 1}
        return History((*rest, moved), moved, (Patch(ref, body),))
    if found.named is not None and found.named["data"] == data:
        return History((*revisions, found.named), found.named, ())
    digest = _digest(owner, collisions)
    made = _made(resource, kind, owner, digest, latest + 1)
    if found.named is not None:
        return History(tuple(revisions), made, (), collides=True)
    return History((*revisions, made), made, (Create(CONTROLLER_REVISIONS, made),))


def _made(resource: Resource, kind: str, owner: Object, digest: str, number: int) -> Object:
    metadata: Object = {
        "name": _name(owner, digest),
        "namespace": namespace_of(owner),
        "labels": {
            **_template_labels(owner),
            POD_LABEL if kind == "DaemonSet" else HASH_LABEL: digest,
        },
        "ownerReferences": [controller_reference(resource, kind, owner)],
    }
    if annotations_of(owner):
        metadata["annotations"] = dict(annotations_of(owner))
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": _data(owner),
        "revision": number,
    }


def _template_labels(owner: Object) -> dict[str, str]:
    return (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}


def surplus(revisions: Sequence[Object], live: Iterable[str], limit: int) -> tuple[Action, ...]:
    """Return the deletions of the oldest revisions beyond `limit` whose names are not `live`."""
    used = set(live)
    idle = [revision for revision in revisions if name_of(revision) not in used]
    return tuple(
        delete(CONTROLLER_REVISIONS, revision) for revision in idle[: max(len(idle) - limit, 0)]
    )
