"""What becomes of a claim: bound, waiting, provisioned from outside, or lost."""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.meta import (
    annotations_of,
    name_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, Patch, Plan
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from roost.decisions.volumes import (
    BETA_STORAGE_PROVISIONER,
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    best_match,
    claim_reference,
    claimed_by,
    class_of,
    default_class,
    has_class,
    misfit,
    phase_of,
    waits_for_consumer,
)

_LOST = "PersistentVolume. Data on the volume is lost!"


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim; the volume it names; and, if it names none, the volumes and classes for it.

    `candidates` are the volumes reserved for it and those of its class that are free; `waiting` names
    the pods that have no node yet and use the claim.
    """

    claim: Object
    volume: Object | None = None
    candidates: tuple[Object, ...] = ()
    storage_class: Object | None = None
    classes: tuple[Object, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def regarding(self) -> Object:
        return object_reference(PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim", self.claim)


def reconcile_claim(view: ClaimView) -> Plan:
    """Bind the claim, or say why it is not bound."""
    if BIND_COMPLETED in annotations_of(view.claim):
        return _keep(view)
    if view.claim["spec"].get("volumeName"):
        return _wanted(view)
    waits = waits_for_consumer(view.storage_class)
    volume = best_match(view.claim, view.candidates, only_reserved=waits)
    if volume is not None:
        return Plan(bind(volume, view.claim))
    return _without_volume(view, waits=waits)


def _keep(view: ClaimView) -> Plan:
    """A claim that was bound stays so, or is lost."""
    claim, volume = view.claim, view.volume
    if not claim["spec"].get("volumeName"):
        return _lost(view, "ClaimLost", f"Bound claim has lost reference to {_LOST}")
    if volume is None:
        return _lost(view, "ClaimLost", f"Bound claim has lost its {_LOST}")
    reference = volume["spec"].get("claimRef")
    if reference is None or reference.get("uid") == uid_of(claim):
        return Plan(bind(volume, claim))
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    return _lost(view, "ClaimMisbound", text)


def _lost(view: ClaimView, reason: str, message: str) -> Plan:
    actions = _set_phase(view.claim, "Lost")
    return Plan((*actions, warning(view.regarding, reason, message))) if actions else NOTHING


def _wanted(view: ClaimView) -> Plan:
    """A claim that asks for one volume gets that or waits for it."""
    claim, volume = view.claim, view.volume
    if volume is None:
        return Plan(_set_phase(claim, "Pending"))
    if volume["spec"].get("claimRef") is None:
        why = misfit(volume, claim)
        if not why:
            return Plan(bind(volume, claim))
        text = f'Cannot bind to requested volume "{name_of(volume)}": {why}'
        event = warning(view.regarding, "VolumeMismatch", text)
        return Plan((event, *_set_phase(claim, "Pending")))
    if claimed_by(volume, claim):
        return Plan(bind(volume, claim))
    text = f'volume "{name_of(volume)}" already bound to a different claim.'
    event = warning(view.regarding, "FailedBinding", text)
    return Plan((event, *_set_phase(claim, "Pending")))


def _without_volume(view: ClaimView, *, waits: bool) -> Plan:
    claim = view.claim
    if not has_class(claim):
        default = default_class(view.classes)
        if default is not None:
            body = {
                "metadata": {"resourceVersion": version_of(claim)},
                "spec": {"storageClassName": name_of(default)},
            }
            return Plan((Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body),))
    if waits and SELECTED_NODE not in annotations_of(claim):
        event = normal(view.regarding, *_why_it_waits(view.waiting))
        return Plan((event, *_set_phase(claim, "Pending")))
    if class_of(claim):
        return _provision(view)
    text = "no persistent volumes available for this claim and no storage class is set"
    event = normal(view.regarding, "FailedBinding", text)
    return Plan((event, *_set_phase(claim, "Pending")))


def _why_it_waits(pods: tuple[str, ...]) -> tuple[str, str]:
    if not pods:
        return (
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding",
        )
    if len(pods) == 1:
        return "WaitForPodScheduled", f"waiting for pod {pods[0]} to be scheduled"
    return "WaitForPodScheduled", f"waiting for pods {','.join(pods)} to be scheduled"


def _provision(view: ClaimView) -> Plan:
    """Call the provisioner, which is never part of this controller."""
    if view.storage_class is None:
        text = f'storageclass.storage.k8s.io "{class_of(view.claim)}" not found'
        return Plan((warning(view.regarding, "ProvisioningFailed", text),))
    provisioner = view.storage_class["provisioner"]
    if provisioner.startswith("kubernetes.io/"):
        text = f"no volume plugin matched name: {provisioner}"
        return Plan((warning(view.regarding, "ProvisioningFailed", text),))
    text = (
        "Waiting for a volume to be created either by the external provisioner "
        f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, "
        "please verify that the provisioner is running and correctly registered."
    )
    event = normal(view.regarding, "ExternalProvisioning", text)
    own = annotations_of(view.claim)
    wanted = dict.fromkeys((BETA_STORAGE_PROVISIONER, STORAGE_PROVISIONER), provisioner)
    if wanted.items() <= own.items():
        return Plan((event,))
    body = {"metadata": {"resourceVersion": version_of(view.claim), "annotations": wanted}}
    return Plan((Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, view.claim), body), event))


def _set_phase(claim: Object, phase: str) -> tuple[Action, ...]:
    """Return what makes a claim one without volume."""
    status = claim.get("status") or {}
    if (
        status.get("phase") == phase
        and not status.get("accessModes")
        and not (status.get("capacity"))
    ):
        return ()
    body = {
        "metadata": {"uid": uid_of(claim)},
        "status": {"phase": phase, "accessModes": None, "capacity": None},
    }
    return (Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body, subresource="status"),)


def bind(volume: Object, claim: Object) -> tuple[Action, ...]:
    """Return what is missing until the two are bound to each other, in the order that is safe."""
    return (
        *_refer_to_claim(volume, claim),
        *_volume_bound(volume),
        *_refer_to_volume(volume, claim),
        *_claim_bound(volume, claim),
    )


def _refer_to_claim(volume: Object, claim: Object) -> tuple[Action, ...]:
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == uid_of(claim) and claimed_by(volume, claim):
        return ()
    metadata: Object = {"resourceVersion": version_of(volume)}
    if not reference:
        metadata["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
    body = {"metadata": metadata, "spec": {"claimRef": claim_reference(claim)}}
    return (Patch(ref_of(PERSISTENT_VOLUMES, volume), body),)


def _volume_bound(volume: Object) -> tuple[Action, ...]:
    if phase_of(volume) == "Bound":
        return ()
    body = {
        "metadata": {"uid": uid_of(volume)},
        "status": {"phase": "Bound", "message": None, "reason": None},
    }
    return (Patch(ref_of(PERSISTENT_VOLUMES, volume), body, subresource="status"),)


def _refer_to_volume(volume: Object, claim: Object) -> tuple[Action, ...]:
    own, spec = annotations_of(claim), claim["spec"]
    annotations: dict[str, str] = {}
    body: Object = {"metadata": {"resourceVersion": version_of(claim)}}
    if spec.get("volumeName") != name_of(volume):
        body["spec"] = {"volumeName": name_of(volume)}
        annotations[BOUND_BY_CONTROLLER] = "yes"
    if BIND_COMPLETED not in own:
        annotations[BIND_COMPLETED] = "yes"
    if not annotations:
        return ()
    body["metadata"]["annotations"] = annotations
    return (Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body),)


def _claim_bound(volume: Object, claim: Object) -> tuple[Action, ...]:
    """The size is taken over when the claim becomes bound; later it is the resizer's to report."""
    before, spec = claim.get("status") or {}, volume["spec"]
    status: Object = {"phase": "Bound", "accessModes": spec.get("accessModes")}
    if before.get("phase") != "Bound":
        status["capacity"] = spec.get("capacity")
        if spec.get("volumeAttributesClassName"):
            status["currentVolumeAttributesClassName"] = spec["volumeAttributesClassName"]
    if status.items() <= before.items():
        return ()
    body = {"metadata": {"uid": uid_of(claim)}, "status": status}
    return (Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body, subresource="status"),)
