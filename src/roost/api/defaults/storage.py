"""Defaults of volumes, claims, and the classes and drivers that make them."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.defaults.quantities import round_up
from roost.api.defaults.volumes import claim_spec, source
from roost.api.kind import Change
from roost.api.values import Object


def persistent_volume(change: Change) -> None:
    """Fill in a PersistentVolume."""
    spec = part(change.object, "spec")
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    fill(spec, volumeMode="Filesystem")
    round_up(spec.get("capacity"))
    source(spec)
    status = part(change.object, "status")
    if not status.get("phase"):
        status["phase"] = "Pending"


def persistent_volume_claim(change: Change) -> None:
    """Fill in a PersistentVolumeClaim."""
    claim_spec(part(change.object, "spec"))
    status = part(change.object, "status")
    if not status.get("phase"):
        status["phase"] = "Pending"
    round_up(status.get("capacity"))
    round_up(status.get("allocatedResources"))


def storage_class(change: Change) -> None:
    """Fill in a StorageClass."""
    fill(change.object, reclaimPolicy="Delete")
    fill(change.object, volumeBindingMode="Immediate")


def csi_driver(change: Change) -> None:
    """Fill in a CSIDriver."""
    spec = part(change.object, "spec")
    fill(spec, attachRequired=True)
    fill(spec, podInfoOnMount=False)
    fill(spec, storageCapacity=False)
    fill(spec, fsGroupPolicy="ReadWriteOnceWithFSType")
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
    fill(spec, requiresRepublish=False)
    fill(spec, seLinuxMount=False)


def csi_node(change: Change) -> None:
    """Write the list of drivers, also when it is empty."""
    fill(part(change.object, "spec"), drivers=None)


def volume_attachment(change: Change) -> None:
    """Fill in a VolumeAttachment."""
    spec = part(change.object, "spec")
    part(spec, "source")
    fill(part(change.object, "status"), attached=False)


def resource_claim_spec(spec: Object) -> None:
    """Fill in the device requests of a claim."""
    for request in part(spec, "devices").get("requests") or ():
        if request.get("exactly") is not None:
            _device_request(request["exactly"])
        for choice in request.get("firstAvailable") or ():
            _device_request(choice)


def _device_request(request: Object) -> None:
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1
    for toleration in request.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def resource_claim(change: Change) -> None:
    """Fill in a ResourceClaim."""
    resource_claim_spec(part(change.object, "spec"))
    part(change.object, "status")


def resource_claim_template(change: Change) -> None:
    """Fill in a ResourceClaimTemplate."""
    spec = part(change.object, "spec")
    part(spec, "metadata")
    resource_claim_spec(part(spec, "spec"))


def resource_slice(change: Change) -> None:
    """Note since when the devices of a ResourceSlice are tainted."""
    for device in part(change.object, "spec").get("devices") or ():
        for taint in device.get("taints") or ():
            if change.now and not taint.get("timeAdded"):
                taint["timeAdded"] = change.now
