"""Claims get volumes, volumes get claims, and volumes that are let go of are reclaimed.

A key with a namespace is a claim, one without is a volume. Each side is brought to agree with the
other: the volume's reference first, because only it cannot be shared. Follows "Persistent Volumes".
"""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.controllers.storageprotection import claims_of
from roost.controllers.volumebinding.claims import ClaimView, reconcile_claim
from roost.controllers.volumebinding.volumes import VolumeView, reconcile_volume
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import key_of, name_of, namespace_of
from roost.decisions.plan import Plan
from roost.decisions.pods import finished, node_of
from roost.decisions.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from roost.decisions.volumes import class_of, has_class

#: Volumes by the claim they refer to, and volumes without one by class.
_CLAIMED, _FREE = "claimed", "free"
#: Claims by the volume they name, and claims that name none by class.
_NAMED, _OPEN = "named", "open"
#: Pods that wait for a node, by their claims.
_WAITING = "waiting-claims"

View = ClaimView | VolumeView


def _claimed(volume: Object) -> Iterable[str]:
    reference = volume["spec"].get("claimRef")
    if reference is not None:
        yield f"{reference.get('namespace', '')}/{reference.get('name', '')}"


def _free(volume: Object) -> Iterable[str]:
    return () if volume["spec"].get("claimRef") is not None else (class_of(volume),)


def _named(claim: Object) -> Iterable[str]:
    return (claim["spec"]["volumeName"],) if claim["spec"].get("volumeName") else ()


def _open(claim: Object) -> Iterable[str]:
    return () if claim["spec"].get("volumeName") else (class_of(claim),)


def _waiting(pod: Object) -> Iterable[str]:
    if node_of(pod) or finished(pod):
        return ()
    return [f"{namespace_of(pod)}/{name}" for name in claims_of(pod)]


def _claim_keys(claim: Object, caches: Caches) -> Iterable[Key]:
    yield key_of(claim)
    for volume in caches[PERSISTENT_VOLUMES].by(_CLAIMED, "/".join(key_of(claim))):
        yield key_of(volume)
    if claim["spec"].get("volumeName"):
        yield Key("", claim["spec"]["volumeName"])


def _volume_keys(volume: Object, caches: Caches) -> Iterable[Key]:
    yield key_of(volume)
    claims = caches[PERSISTENT_VOLUME_CLAIMS]
    reference = volume["spec"].get("claimRef")
    if reference is not None and reference.get("namespace"):
        yield Key(reference["namespace"], reference.get("name", ""))
    elif reference is None:
        yield from (key_of(claim) for claim in claims.by(_OPEN, class_of(volume)))
    yield from (key_of(claim) for claim in claims.by(_NAMED, name_of(volume)))


def _class_keys(storage_class: Object, caches: Caches) -> Iterable[Key]:
    """Return the claims of the class, and those without one, for which it may be the default."""
    claims = caches[PERSISTENT_VOLUME_CLAIMS]
    for name in (name_of(storage_class), ""):
        for claim in claims.by(_OPEN, name):
            if name or not has_class(claim):
                yield key_of(claim)


def _pod_keys(pod: Object, _caches: Caches) -> Iterable[Key]:
    if node_of(pod):
        return ()
    return [Key(namespace_of(pod), name) for name in claims_of(pod)]


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the claim or the volume with all that could be its other half."""
    return _claim_view(caches, key) if key.namespace else _volume_view(caches, key)


def _claim_view(caches: Caches, key: Key) -> ClaimView | None:
    claim = caches[PERSISTENT_VOLUME_CLAIMS].get(*key)
    if claim is None:
        return None
    volumes, classes = caches[PERSISTENT_VOLUMES], caches[STORAGE_CLASSES]
    named = claim["spec"].get("volumeName")
    if named:
        return ClaimView(claim, volume=volumes.get("", named))
    slash_key = f"{key.namespace}/{key.name}"
    return ClaimView(
        claim,
        candidates=(*volumes.by(_CLAIMED, slash_key), *volumes.by(_FREE, class_of(claim))),
        storage_class=classes.get("", class_of(claim)) if class_of(claim) else None,
        classes=() if has_class(claim) else tuple(classes.all()),
        waiting=tuple(name_of(pod) for pod in caches[PODS].by(_WAITING, slash_key)),
    )


def _volume_view(caches: Caches, key: Key) -> VolumeView | None:
    volume = caches[PERSISTENT_VOLUMES].get(*key)
    if volume is None:
        return None
    reference = volume["spec"].get("claimRef") or {}
    claims = caches[PERSISTENT_VOLUME_CLAIMS]
    return VolumeView(volume, claims.get(reference.get("namespace", ""), reference.get("name", "")))


def reconcile(view: View) -> Plan:
    """Bring the claim, or the volume, to agree with its other half."""
    return reconcile_claim(view) if isinstance(view, ClaimView) else reconcile_volume(view)


CONTROLLER: Controller[View] = Controller(
    name="persistentvolume-binder-controller",
    component="persistentvolume-controller",
    watches=(
        Watch(PERSISTENT_VOLUME_CLAIMS, _claim_keys, {_NAMED: _named, _OPEN: _open}),
        Watch(PERSISTENT_VOLUMES, _volume_keys, {_CLAIMED: _claimed, _FREE: _free}),
        Watch(STORAGE_CLASSES, _class_keys),
        Watch(PODS, _pod_keys, {_WAITING: _waiting}),
    ),
    view=view,
    reconcile=reconcile,
)
