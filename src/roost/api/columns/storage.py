"""The columns of volumes, claims and storage.k8s.io."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from roost.api.columns.cells import AGE, NAME, NONE, UNSET, at, count, described, get, name_column
from roost.api.kind import Column
from roost.api.values import Object

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_CLASS = "volume.beta.kubernetes.io/storage-class"


def _modes(modes: Sequence[str] | None) -> str:
    return ",".join(short for name, short in _MODES.items() if name in (modes or ()))


def _storage_class(value: Object, _: float) -> str:
    annotations = get(value, "metadata", "annotations") or {}
    if _CLASS in annotations:
        return str(annotations[_CLASS])
    return get(value, "spec", "storageClassName") or ""


def _phase(value: Object, _: float) -> str:
    if get(value, "metadata", "deletionTimestamp"):
        return "Terminating"
    return get(value, "status", "phase") or ""


def _claim(volume: Object, _: float) -> str:
    ref = get(volume, "spec", "claimRef")
    return f"{ref.get('namespace') or ''}/{ref.get('name') or ''}" if ref else ""


PERSISTENT_VOLUMES = (
    NAME,
    Column("Capacity", at("spec", "capacity", "storage", default="0"),
           description=described("core.v1.PersistentVolumeSpec.capacity")),
    Column("Access Modes", lambda v, _: _modes(get(v, "spec", "accessModes")),
           description=described("core.v1.PersistentVolumeSpec.accessModes")),
    Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy"),
           description=described("core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy")),
    Column("Status", _phase, description=described("core.v1.PersistentVolumeStatus.phase")),
    Column("Claim", _claim, description=described("core.v1.PersistentVolumeSpec.claimRef")),
    Column("StorageClass", _storage_class, description="StorageClass of the pv"),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET),
           description="VolumeAttributesClass of the pv"),
    Column("Reason", at("status", "reason"),
           description=described("core.v1.PersistentVolumeStatus.reason")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default=UNSET), priority=1,
           description=described("core.v1.PersistentVolumeSpec.volumeMode")),
)  # fmt: skip


def _bound(value: Object, *path: str) -> Any:
    """Return what a claim's status says, once it is bound to a volume."""
    return get(value, "status", *path) if get(value, "spec", "volumeName") else None


def _claim_capacity(claim: Object, _: float) -> str:
    if not get(claim, "spec", "volumeName"):
        return ""
    return _bound(claim, "capacity", "storage") or "0"


PERSISTENT_VOLUME_CLAIMS = (
    NAME,
    Column("Status", _phase, description=described("core.v1.PersistentVolumeClaimStatus.phase")),
    Column("Volume", at("spec", "volumeName"),
           description=described("core.v1.PersistentVolumeClaimSpec.volumeName")),
    Column("Capacity", _claim_capacity,
           description=described("core.v1.PersistentVolumeClaimStatus.capacity")),
    Column("Access Modes", lambda v, _: _modes(_bound(v, "accessModes")),
           description=described("core.v1.PersistentVolumeClaimStatus.accessModes")),
    Column("StorageClass", _storage_class, description="StorageClass of the pvc"),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET),
           description="VolumeAttributesClass of the pvc"),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default=UNSET), priority=1,
           description=described("core.v1.PersistentVolumeClaimSpec.volumeMode")),
)  # fmt: skip

_DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


_DEFAULT_ATTRIBUTES = ("volumeattributesclass.alpha.kubernetes.io/is-default-class",)


def _class_name(marks: Sequence[str]) -> Callable[[Object, float], str]:
    def cell(value: Object, _: float) -> str:
        annotations = get(value, "metadata", "annotations") or {}
        default = any(annotations.get(key) == "true" for key in marks)
        return f"{get(value, 'metadata', 'name')}" + (" (default)" if default else "")

    return cell


STORAGE_CLASSES = (
    name_column(_class_name(_DEFAULT_CLASS)),
    Column("Provisioner", at("provisioner"),
           description=described("storage.v1.StorageClass.provisioner")),
    Column("ReclaimPolicy", at("reclaimPolicy", default="Delete"),
           description=described("storage.v1.StorageClass.reclaimPolicy")),
    Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate"),
           description=described("storage.v1.StorageClass.volumeBindingMode")),
    Column("AllowVolumeExpansion", at("allowVolumeExpansion", default=False),
           description=described("storage.v1.StorageClass.allowVolumeExpansion")),
    AGE,
)  # fmt: skip

VOLUME_ATTRIBUTES_CLASSES = (
    name_column(_class_name(_DEFAULT_ATTRIBUTES)),
    Column("DriverName", at("driverName"),
           description=described("storage.v1.VolumeAttributesClass.driverName")),
    AGE,
)  # fmt: skip

VOLUME_ATTACHMENTS = (
    NAME,
    Column("Attacher", at("spec", "attacher"), "string", "name",
           description=described("storage.v1.VolumeAttachmentSpec.attacher")),
    Column("PV", at("spec", "source", "persistentVolumeName"),
           description=described("storage.v1.VolumeAttachmentSource.persistentVolumeName")),
    Column("Node", at("spec", "nodeName"),
           description=described("storage.v1.VolumeAttachmentSpec.nodeName")),
    Column("Attached", at("status", "attached", default=False), "boolean",
           description=described("storage.v1.VolumeAttachmentStatus.attached")),
    AGE,
)  # fmt: skip

CSI_NODES = (
    NAME,
    Column("Drivers", count("spec", "drivers"), "integer",
           description="Drivers indicates the number of CSI drivers registered on the node"),
    AGE,
)  # fmt: skip

CSI_STORAGE_CAPACITIES = (
    NAME,
    Column("StorageClassName", at("storageClassName"),
           description=described("storage.v1.CSIStorageCapacity.storageClassName")),
    Column("Capacity", at("capacity", default=UNSET),
           description=described("storage.v1.CSIStorageCapacity.capacity")),
)  # fmt: skip


def _token_requests(driver: Object, _: float) -> str:
    requests = get(driver, "spec", "tokenRequests")
    return UNSET if requests is None else ",".join(r.get("audience") or "" for r in requests)


def _driver(name: str, field: str, default: bool = False) -> Column:
    return Column(name, at("spec", field, default=default), "boolean",
                  description=described(f"storage.v1.CSIDriverSpec.{field}"))  # fmt: skip


CSI_DRIVERS = (
    NAME,
    _driver("AttachRequired", "attachRequired", default=True),
    _driver("PodInfoOnMount", "podInfoOnMount"),
    _driver("StorageCapacity", "storageCapacity"),
    Column("TokenRequests", _token_requests,
           description=described("storage.v1.CSIDriverSpec.tokenRequests")),
    _driver("RequiresRepublish", "requiresRepublish"),
    Column("Modes", lambda v, _: ",".join(get(v, "spec", "volumeLifecycleModes") or ()) or NONE,
           description=described("storage.v1.CSIDriverSpec.volumeLifecycleModes")),
    AGE,
)  # fmt: skip
