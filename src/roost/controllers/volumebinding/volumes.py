"""What becomes of a volume: available, bound, released, and then kept or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.meta import (
    annotations_of,
    name_of,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, AssertAbsent, Patch, Plan, Ref
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from roost.decisions.volumes import BOUND_BY_CONTROLLER, PROVISIONED_BY, modes_differ, phase_of

_LET_GO = frozenset({"Released", "Failed"})


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume, and the claim of the name that it refers to."""

    volume: Object
    claim: Object | None


def reconcile_volume(view: VolumeView) -> Plan:
    """Set the volume's phase, take back a reference that leads nowhere, and reclaim."""
    volume, claim = view.volume, view.claim
    reference = volume["spec"].get("claimRef")
    if reference is None or not reference.get("uid"):
        return Plan(_set_phase(volume, "Available"))
    if claim is None or uid_of(claim) != reference["uid"]:
        gone = Ref(
            PERSISTENT_VOLUME_CLAIMS,
            reference.get("namespace", ""),
            reference.get("name", ""),
            reference["uid"],
        )
        return _release(volume, gone)
    named = claim["spec"].get("volumeName")
    if named == name_of(volume):
        return Plan(_set_phase(volume, "Bound"))
    if not named:
        return _mismatch(volume, claim) if modes_differ(claim, volume) else NOTHING
    provisioned = PROVISIONED_BY in annotations_of(volume)
    if provisioned and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
        return _release(volume, None)
    return Plan(_unbind(volume))


def _mismatch(volume: Object, claim: Object) -> Plan:
    why = "due to incompatible volumeMode."
    return Plan((
        warning(
            _regarding(volume), "VolumeMismatch",
            f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{name_of(claim)}" '
            + why,
        ),
        warning(
            object_reference(PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim", claim),
            "VolumeMismatch",
            f'Cannot bind PersistentVolume "{name_of(volume)}" to requested PersistentVolumeClaim '
            + why,
        ),
    ))  # fmt: skip


def _release(volume: Object, gone: Ref | None) -> Plan:
    """Release the volume of a claim that is gone, and do then what its policy says."""
    if phase_of(volume) not in _LET_GO:
        sure = (AssertAbsent(gone),) if gone is not None else ()
        return Plan((*sure, *_set_phase(volume, "Released")))
    if phase_of(volume) == "Failed":
        return NOTHING
    reason, message = _fault_of_reclaiming(volume)
    if not reason:
        return NOTHING
    return Plan((
        *_set_phase(volume, "Failed", message), warning(_regarding(volume), reason, message),
    ))  # fmt: skip


def _fault_of_reclaiming(volume: Object) -> tuple[str, str]:
    """Return (reason, message) if nobody can reclaim a volume as its policy wants it.

    Volumes that a provisioner made, and those of CSI drivers, are deleted from outside.
    """
    spec = volume["spec"]
    policy = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    if policy == "Recycle":
        return "VolumeFailedRecycle", "No recycler plugin found for the volume!"
    if policy != "Delete" or PROVISIONED_BY in annotations_of(volume) or "csi" in spec:
        return "", ""
    text = "no deletable volume plugin matched"
    return (
        "VolumeFailedDelete",
        f'error getting deleter volume plugin for volume "{name_of(volume)}": {text}',
    )


def _unbind(volume: Object) -> tuple[Action, ...]:
    """Take back what this controller wrote into the volume; leave a user's reservation."""
    metadata: Object = {"resourceVersion": version_of(volume)}
    body: Object = {"metadata": metadata, "spec": {"claimRef": {"uid": None}}}
    if BOUND_BY_CONTROLLER in annotations_of(volume):
        metadata["annotations"] = {BOUND_BY_CONTROLLER: None}
        body["spec"] = {"claimRef": None}
    return (
        Patch(ref_of(PERSISTENT_VOLUMES, volume), body),
        *_set_phase(volume, "Available"),
    )


def _set_phase(volume: Object, phase: str, message: str = "") -> tuple[Action, ...]:
    if phase_of(volume) == phase:
        return ()
    body = {
        "metadata": {"uid": uid_of(volume)},
        "status": {"phase": phase, "message": message or None, "reason": None},
    }
    return (Patch(ref_of(PERSISTENT_VOLUMES, volume), body, subresource="status"),)


def _regarding(volume: Object) -> Object:
    return object_reference(PERSISTENT_VOLUMES, "PersistentVolume", volume)
