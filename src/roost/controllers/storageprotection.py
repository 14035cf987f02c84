"""Claims and volumes go only when nobody uses them any more.

Admission puts a finalizer on each of them; this takes it away from one that is being deleted once no
scheduled pod that has not ended uses the claim, and once the volume is bound to no claim. Follows
"Storage Object in Use Protection". A VolumeAttributesClass stays while a claim or volume names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import deleting, name_of, namespace_of, ref_of
from roost.decisions.plan import NOTHING, Patch, Plan
from roost.decisions.pods import finished, node_of
from roost.decisions.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTRIBUTES_CLASSES,
)

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"
#: The index of pods by their claims; declare it as {BY_CLAIM: by_claim}.
BY_CLAIM = "claim"
_BY_CLASS = "attributes class"


@dataclass(frozen=True, slots=True)
class View:
    """A claim, volume or class, and whether somebody uses it."""

    resource: Resource
    object: Object
    finalizer: str
    in_use: bool


def reconcile(view: View) -> Plan:
    """Let go of what is being deleted and used by nobody; protect what is not being deleted."""
    metadata = view.object["metadata"]
    finalizers = metadata.get("finalizers") or []
    held = view.finalizer in finalizers
    if held is not deleting(view.object) or (held and view.in_use):
        return NOTHING
    wanted = [name for name in finalizers if name != view.finalizer]
    if not held:
        wanted.append(view.finalizer)
    version = metadata["resourceVersion"]
    body = {"metadata": {"resourceVersion": version, "finalizers": wanted}}
    return Plan((Patch(ref_of(view.resource, view.object), body),))


def claims_of(pod: Object) -> Iterable[str]:
    """Yield the names of the claims that a pod uses, those of its ephemeral volumes included."""
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            yield f"{name_of(pod)}-{volume['name']}"


def by_claim(pod: Object) -> Iterable[str]:
    """Index: the claims that a pod uses, as namespace/name."""
    return [f"{namespace_of(pod)}/{name}" for name in claims_of(pod)]


def _claim_keys(pod: Object, _caches: Caches) -> Iterable[Key]:
    return [Key(namespace_of(pod), name) for name in claims_of(pod)]


def _claim_view(caches: Caches, key: Key, _now: float) -> View | None:
    claim = caches[PERSISTENT_VOLUME_CLAIMS].get(*key)
    if claim is None:
        return None
    users = caches[PODS].by(BY_CLAIM, f"{key.namespace}/{key.name}")
    in_use = any(node_of(pod) and not finished(pod) for pod in users)
    return View(PERSISTENT_VOLUME_CLAIMS, claim, CLAIM_FINALIZER, in_use)


def _volume_view(caches: Caches, key: Key, _now: float) -> View | None:
    volume = caches[PERSISTENT_VOLUMES].get(*key)
    if volume is None:
        return None
    bound = (volume.get("status") or {}).get("phase") == "Bound"
    return View(PERSISTENT_VOLUMES, volume, VOLUME_FINALIZER, bound)


def classes_of(obj: Object) -> Iterable[str]:
    """Return the classes that a claim wants, has or is on its way to, or that a volume has."""
    status = obj.get("status") or {}
    names = (
        obj["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return {name for name in names if name}


def _class_keys(obj: Object, _caches: Caches) -> Iterable[Key]:
    return [Key("", name) for name in classes_of(obj)]


def _class_view(caches: Caches, key: Key, _now: float) -> View | None:
    found = caches[VOLUME_ATTRIBUTES_CLASSES].get(*key)
    if found is None:
        return None
    users = (PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS)
    in_use = any(caches[resource].by(_BY_CLASS, key.name) for resource in users)
    return View(VOLUME_ATTRIBUTES_CLASSES, found, CLASS_FINALIZER, in_use)


CLAIMS = Controller(
    name="persistentvolumeclaim-protection-controller",
    watches=(
        Watch(PERSISTENT_VOLUME_CLAIMS, own_key),
        Watch(PODS, _claim_keys, {BY_CLAIM: by_claim}),
    ),
    view=_claim_view,
    reconcile=reconcile,
)

VOLUMES = Controller(
    name="persistentvolume-protection-controller",
    watches=(Watch(PERSISTENT_VOLUMES, own_key),),
    view=_volume_view,
    reconcile=reconcile,
)

CLASSES = Controller(
    name="volumeattributesclass-protection-controller",
    watches=(
        Watch(VOLUME_ATTRIBUTES_CLASSES, own_key),
        Watch(PERSISTENT_VOLUMES, _class_keys, {_BY_CLASS: classes_of}),
        Watch(PERSISTENT_VOLUME_CLAIMS, _class_keys, {_BY_CLASS: classes_of}),
    ),
    view=_class_view,
    reconcile=reconcile,
)
