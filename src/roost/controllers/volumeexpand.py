"""Claims that ask for more than their volume has wait for whoever can expand it.

Nothing is expanded here: CSI drivers bring a resizer. A volume of a local path has no limit, so that it
has the wanted size as soon as it is written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.quantity import compare
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import annotations_of, normal, object_reference, ref_of, uid_of
from roost.decisions.plan import NOTHING, Patch, Plan
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from roost.decisions.volumes import (
    LOCAL_PATH,
    PROVISIONED_BY,
    capacity_of,
    is_bound,
    request_of,
)


@dataclass(frozen=True, slots=True)
class View:
    """A bound claim that asks for more than it has, and its volume."""

    claim: Object
    volume: Object


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the claim, if it waits to grow."""
    claim = caches[PERSISTENT_VOLUME_CLAIMS].get(*key)
    if claim is None or not is_bound(claim):
        return None
    has = ((claim.get("status") or {}).get("capacity") or {}).get("storage", "0")
    volume = caches[PERSISTENT_VOLUMES].get("", claim["spec"]["volumeName"])
    if volume is None or compare(request_of(claim), has) <= 0:
        return None
    return View(claim, volume)


def reconcile(view: View) -> Plan:
    """Say that somebody else has to do it, or write down the new size."""
    claim, volume = view.claim, view.volume
    if (volume["spec"].get("claimRef") or {}).get("uid") != uid_of(claim):
        return NOTHING
    if annotations_of(volume).get(PROVISIONED_BY) != LOCAL_PATH:
        regarding = object_reference(PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim", claim)
        text = "waiting for an external controller to expand this PVC"
        return Plan((normal(regarding, "ExternalExpanding", text),))
    size = {"storage": request_of(claim)}
    written = Patch(
        ref_of(PERSISTENT_VOLUME_CLAIMS, claim),
        {"metadata": {"uid": uid_of(claim)}, "status": {"capacity": size}},
        subresource="status",
    )
    if compare(capacity_of(volume), request_of(claim)) >= 0:
        return Plan((written,))
    grown = {"metadata": {"uid": uid_of(volume)}, "spec": {"capacity": size}}
    return Plan((Patch(ref_of(PERSISTENT_VOLUMES, volume), grown), written))


def _claim_of(volume: Object, _caches: Caches) -> Iterable[Key]:
    reference = volume["spec"].get("claimRef")
    if not reference:
        return ()
    return (Key(reference.get("namespace", ""), reference.get("name", "")),)


CONTROLLER = Controller(
    name="persistentvolume-expander-controller",
    component="volume_expand",
    watches=(Watch(PERSISTENT_VOLUME_CLAIMS, own_key), Watch(PERSISTENT_VOLUMES, _claim_of)),
    view=view,
    reconcile=reconcile,
)
