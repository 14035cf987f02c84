"""The core group, v1: persistentvolumeclaims, persistentvolumes."""

from __future__ import annotations

from roost.api.columns import storage as storage_columns
from roost.api.defaults import storage as storage_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import storage as storage_strategy
from roost.api.validation import claims as claims_rules
from roost.api.validation import storage as storage_rules

KINDS = (
    Kind(
        group="",
        version="v1",
        name="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        namespaced=True,
        schema="io.k8s.api.core.v1.PersistentVolumeClaim",
        columns=storage_columns.PERSISTENT_VOLUME_CLAIMS,
        singular="persistentvolumeclaim",
        returns_deleted=True,
        short_names=("pvc",),
        subresources={"status": Subresource(READ_WRITE, "PersistentVolumeClaim")},
        default=storage_defaults.persistent_volume_claim,
        prepare=storage_strategy.PERSISTENT_VOLUME_CLAIM,
        validate=claims_rules.PERSISTENT_VOLUME_CLAIM,
    ),
    Kind(
        group="",
        version="v1",
        name="PersistentVolume",
        plural="persistentvolumes",
        namespaced=False,
        schema="io.k8s.api.core.v1.PersistentVolume",
        columns=storage_columns.PERSISTENT_VOLUMES,
        singular="persistentvolume",
        returns_deleted=True,
        short_names=("pv",),
        subresources={"status": Subresource(READ_WRITE, "PersistentVolume")},
        default=storage_defaults.persistent_volume,
        prepare=storage_strategy.PERSISTENT_VOLUME,
        validate=storage_rules.PERSISTENT_VOLUME,
    ),
)
