"""The strategy that most kinds share, as data.

Rules, which are those of the Kubernetes registry: status is written through `/status` only, and that
writes nothing else; a new generation begins when what the user asks for changes; identity, creation
and deletion of an object are the server's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.kind import Change, Hook
from roost.api.values import Object, copy_of

_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
#: What a status update of the stricter kinds takes from the stored object.
STATUS_META = (
    "deletionTimestamp", "generation", "labels", "annotations", "finalizers", "ownerReferences",
)  # fmt: skip


def take(target: Object, source: Object, key: str) -> None:
    """Make `key` of target what it is in source, absent included; never shares the value."""
    if key in source:
        target[key] = copy_of(source[key])
    else:
        target.pop(key, None)


def share(target: Object, source: Object, key: str) -> None:
    """As `take`, without a copy: for parts that nobody changes any more in this write."""
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def _keep_identity(change: Change, old: Object) -> None:
    meta = change.object.setdefault("metadata", {})
    before = old.get("metadata") or {}
    if not meta.get("uid") and before.get("uid"):
        meta["uid"] = before["uid"]
    take(meta, before, "creationTimestamp")
    if before.get("deletionTimestamp"):
        meta["deletionTimestamp"] = before["deletionTimestamp"]
    if before.get("deletionGracePeriodSeconds") is not None:
        meta.setdefault("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"])
    take(meta, before, "generation")


@dataclass(frozen=True, slots=True)
class Strategy:
    """The `prepare` hook of a kind.

    `counted` names the top-level fields whose change makes a new generation; a kind with none has no
    generation. `status` is that of a new object, None for kinds without one. `parts` names what a
    status update takes from the stored object, `meta` which of its metadata. The hooks run after the
    general rules: `create`, `update` (of the object itself) and `status_update`.
    """

    counted: tuple[str, ...] = ()
    status: Object | None = None
    meta: tuple[str, ...] = ()
    parts: tuple[str, ...] = ("spec",)
    #: Does a create keep the status it brings? (Nodes register with theirs.)
    status_on_create: bool = False
    create: Hook | None = None
    update: Hook | None = None
    status_update: Hook | None = None

    def __call__(self, change: Change) -> None:
        old = change.old
        if old is None:
            self._on_create(change)
        else:
            _keep_identity(change, old)
            if change.subresource == "status":
                self._on_status(change, old)
            elif not change.subresource:
                self._on_update(change, old)

    def _on_create(self, change: Change) -> None:
        value = change.object
        meta = value.setdefault("metadata", {})
        for key in _DELETION:
            meta.pop(key, None)
        if self.status is not None and not self.status_on_create:
            value["status"] = copy_of(self.status)
        if self.counted:
            meta["generation"] = 1
        if self.create is not None:
            self.create(change)

    def _on_status(self, change: Change, old: Object) -> None:
        value = change.object
        for key in self.parts:
            share(value, old, key)
        for key in self.meta:
            take(value["metadata"], old.get("metadata") or {}, key)
        if self.status_update is not None:
            self.status_update(change)

    def _on_update(self, change: Change, old: Object) -> None:
        if self.status is not None:
            take(change.object, old, "status")
        if self.update is not None:
            self.update(change)
        if any(change.object.get(key) != old.get(key) for key in self.counted):
            next_generation(change)


def next_generation(change: Change) -> None:
    """Count one generation on from the stored object."""
    before = (change.old or {}).get("metadata") or {}
    change.object["metadata"]["generation"] = before.get("generation", 0) + 1


#: Kinds with nothing of their own: no status, no generation.
PLAIN = Strategy()
#: Kinds whose spec counts generations, without status.
COUNTED = Strategy(counted=("spec",))
#: Kinds with a status of their own and no generation.
WITH_STATUS = Strategy(status={})
#: Kinds with both, the usual form.
FULL = Strategy(status={}, counted=("spec",))
