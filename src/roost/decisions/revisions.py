"""ControllerRevisions: the history of templates of StatefulSets and DaemonSets. Pure.

A revision holds `{"spec": {"template": ...}}` as a strategic merge patch that replaces the template, so
that `kubectl rollout undo` can apply it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.values import Object
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
class History:
    """The revisions of an owner, oldest first, `update` among them, and what to write for it."""

    revisions: tuple[Object, ...]
    update: Object
    actions: tuple[Action, ...]


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


def history(
    resource: Resource, kind: str, owner: Object, owned: Iterable[Object], collisions: int
) -> History:
    """Find the revision of the owner's template, move it to the end, or make it."""
    revisions = by_number(owned)
    data = _data(owner)
    latest = revisions[-1].get("revision", 0) if revisions else 0
    for found in reversed(revisions):
        if found["data"] != data:
            continue
        if found is revisions[-1]:
            return History(tuple(revisions), found, ())
        moved = {**found, "revision": latest + 1}
        rest = [revision for revision in revisions if revision is not found]
        ref = Ref(CONTROLLER_REVISIONS, namespace_of(found), name_of(found))
        body = {"metadata": {"uid": found["metadata"].get("uid")}, "revision": latest + 1}
        return History((*rest, moved), moved, (Patch(ref, body),))
    digest = template_hash(owner["spec"]["template"], collisions)
    metadata: Object = {
        "name": f"{name_of(owner)}-{digest}",
        "namespace": namespace_of(owner),
        "labels": {
            **_template_labels(owner),
            POD_LABEL if kind == "DaemonSet" else HASH_LABEL: digest,
        },
        "ownerReferences": [controller_reference(resource, kind, owner)],
    }
    annotations = {
        key: value
        for key, value in annotations_of(owner).items()
        if key == "kubernetes.io/change-cause"
    }
    if annotations:
        metadata["annotations"] = annotations
    made = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": data,
        "revision": latest + 1,
    }
    return History((*revisions, made), made, (Create(CONTROLLER_REVISIONS, made),))


def _template_labels(owner: Object) -> dict[str, str]:
    return (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}


def surplus(revisions: Sequence[Object], live: Iterable[str], limit: int) -> tuple[Action, ...]:
    """Return the deletions of the oldest revisions beyond `limit` whose names are not `live`."""
    used = set(live)
    idle = [revision for revision in revisions if name_of(revision) not in used]
    return tuple(
        delete(CONTROLLER_REVISIONS, revision) for revision in idle[: max(len(idle) - limit, 0)]
    )
