"""Strategies of volumes, claims and what makes them."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.strategies.strategy import STATUS_META, Strategy, take
from roost.api.values import Object

#: What a `dataSource` may name: (group, kind).
_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _mirror_source(spec: Object) -> None:
    """Keep dataSource and dataSourceRef the same, as long as they stay in the namespace."""
    first, second = spec.get("dataSource"), spec.get("dataSourceRef")
    if first is not None and second is None:
        spec["dataSourceRef"] = dict(first)
    elif second is not None and first is None and not second.get("namespace"):
        spec["dataSource"] = {key: second[key] for key in second if key != "namespace"}


def _drop_sources(spec: Object, old: Object) -> None:
    """Drop what a claim cannot be filled from, unless it was there before.

    Sources in other namespaces are of a gate that is off; a `dataSource` alone is a claim or a
    snapshot, which is why `dataSourceRef` came after it.
    """
    second = spec.get("dataSourceRef")
    if second is not None and second.get("namespace") and old.get("dataSourceRef") is None:
        del spec["dataSourceRef"]
        second = None
    first = spec.get("dataSource")
    known = old.get("dataSource") is not None or old.get("dataSourceRef") is not None
    if first is not None and second is None and not known:
        what = (first.get("apiGroup") or "", first.get("kind"))
        if what not in _SOURCES:
            del spec["dataSource"]


def _claim_create(change: Change) -> None:
    change.object["status"] = {"phase": "Pending"}
    _claim_update(change)


def _claim_update(change: Change) -> None:
    spec = change.object.setdefault("spec", {})
    _drop_sources(spec, (change.old or {}).get("spec") or {})
    _mirror_source(spec)


def _volume_create(change: Change) -> None:
    status: Object = {"phase": "Pending"}
    if change.now:
        status["lastPhaseTransitionTime"] = change.now
    change.object["status"] = status


def _volume_status(change: Change) -> None:
    """A new phase is stamped with the time, unless the caller says when it was."""
    status = change.object.setdefault("status", {})
    before = (change.old or {}).get("status") or {}
    stamp = "lastPhaseTransitionTime"
    if status.get("phase") != before.get("phase"):
        if change.now and status.get(stamp) == before.get(stamp):
            status[stamp] = change.now
    elif not status.get(stamp):
        take(status, before, stamp)


PERSISTENT_VOLUME = Strategy(status={}, create=_volume_create, status_update=_volume_status)
PERSISTENT_VOLUME_CLAIM = Strategy(status={}, create=_claim_create, update=_claim_update)


def _attachment_create(change: Change) -> None:
    change.object["status"] = {"attached": False}


VOLUME_ATTACHMENT = Strategy(status={}, create=_attachment_create, meta=STATUS_META)
RESOURCE_CLAIM = Strategy(status={}, meta=STATUS_META)
RESOURCE_POOL = Strategy(counted=("spec",))
CSI_DRIVER = Strategy()
