"""The core group, v1: persistentvolumeclaims, persistentvolumes."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

KINDS = (
    Kind(
        group="",
        version="v1",
        name="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        namespaced=True,
        schema="io.k8s.api.core.v1.PersistentVolumeClaim",
        singular="persistentvolumeclaim",
        short_names=("pvc",),
        subresources={"status": Subresource(READ_WRITE, "PersistentVolumeClaim")},
    ),
    Kind(
        group="",
        version="v1",
        name="PersistentVolume",
        plural="persistentvolumes",
        namespaced=False,
        schema="io.k8s.api.core.v1.PersistentVolume",
        singular="persistentvolume",
        short_names=("pv",),
        subresources={"status": Subresource(READ_WRITE, "PersistentVolume")},
    ),
)
