"""How writes to a custom resource are prepared: status through its subresource, and generations."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.strategies.strategy import PLAIN, next_generation, take
from roost.api.validation.causes import quoted
from roost.api.validation.metadata import STANDARD_FINALIZERS
from roost.api.values import Object, copy_of


class CustomStrategy:
    """The `prepare` hook. Without a status subresource, status is a field like any other."""

    __slots__ = ("_has_status",)

    def __init__(self, *, has_status: bool) -> None:
        self._has_status = has_status

    def __call__(self, change: Change) -> None:
        old = change.old
        PLAIN(change)
        if old is None:
            if self._has_status:
                change.object.pop("status", None)
            change.object["metadata"]["generation"] = 1
        elif change.subresource == "status":
            _only_status(change.object, old)
        else:
            self._updated(change, old)

    def _updated(self, change: Change, old: Object) -> None:
        value = change.object
        if self._has_status:
            take(value, old, "status")
        for key in {**value, **old}:
            if key != "metadata" and value.get(key) != old.get(key):
                next_generation(change)
                return


def _only_status(value: Object, old: Object) -> None:
    """Leave of the new object its status, and who owns what."""
    managed = value["metadata"].get("managedFields")
    status = value.get("status")
    had = "status" in value
    value.clear()
    value.update(copy_of(old))
    if managed is not None:
        value["metadata"]["managedFields"] = managed
    else:
        value["metadata"].pop("managedFields", None)
    if had:
        value["status"] = status
    else:
        value.pop("status", None)


def finalizer_warnings(value: Object, old: Object | None) -> list[str]:
    """Return what is said of new finalizers that other writers may use too."""
    before = set(((old or {}).get("metadata") or {}).get("finalizers") or ())
    added = sorted(set(value["metadata"].get("finalizers") or ()) - before)
    return [
        f"metadata.finalizers: {quoted(name)}: prefer a domain-qualified finalizer name including a "
        "path (/) to avoid accidental conflicts with other finalizer writers"
        for name in added
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]
