"""The kinds of storage.k8s.io."""

from __future__ import annotations

from roost.api.columns import storage as storage_columns
from roost.api.defaults import storage as storage_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import storage as storage_strategy
from roost.api.strategies.strategy import PLAIN
from roost.api.validation import csi as csi_rules
from roost.api.validation import storage as storage_rules

GROUP = "storage.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CSIDriver",
        plural="csidrivers",
        namespaced=False,
        schema="io.k8s.api.storage.v1.CSIDriver",
        columns=storage_columns.CSI_DRIVERS,
        singular="csidriver",
        returns_deleted=True,
        unconditional_update=False,
        default=storage_defaults.csi_driver,
        prepare=storage_strategy.CSI_DRIVER,
        validate=csi_rules.CSI_DRIVER,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="CSINode",
        plural="csinodes",
        namespaced=False,
        schema="io.k8s.api.storage.v1.CSINode",
        columns=storage_columns.CSI_NODES,
        singular="csinode",
        returns_deleted=True,
        unconditional_update=False,
        default=storage_defaults.csi_node,
        prepare=PLAIN,
        validate=csi_rules.CSI_NODE,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="CSIStorageCapacity",
        plural="csistoragecapacities",
        namespaced=True,
        schema="io.k8s.api.storage.v1.CSIStorageCapacity",
        columns=storage_columns.CSI_STORAGE_CAPACITIES,
        singular="csistoragecapacity",
        unconditional_update=False,
        prepare=PLAIN,
        validate=csi_rules.CSI_STORAGE_CAPACITY,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="StorageClass",
        plural="storageclasses",
        namespaced=False,
        schema="io.k8s.api.storage.v1.StorageClass",
        columns=storage_columns.STORAGE_CLASSES,
        singular="storageclass",
        returns_deleted=True,
        short_names=("sc",),
        default=storage_defaults.storage_class,
        prepare=PLAIN,
        validate=storage_rules.STORAGE_CLASS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="VolumeAttachment",
        plural="volumeattachments",
        namespaced=False,
        schema="io.k8s.api.storage.v1.VolumeAttachment",
        columns=storage_columns.VOLUME_ATTACHMENTS,
        singular="volumeattachment",
        returns_deleted=True,
        subresources={"status": Subresource(READ_WRITE, "VolumeAttachment")},
        unconditional_update=False,
        default=storage_defaults.volume_attachment,
        prepare=storage_strategy.VOLUME_ATTACHMENT,
        validate=csi_rules.VOLUME_ATTACHMENT,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="VolumeAttributesClass",
        plural="volumeattributesclasses",
        namespaced=False,
        schema="io.k8s.api.storage.v1.VolumeAttributesClass",
        columns=storage_columns.VOLUME_ATTRIBUTES_CLASSES,
        singular="volumeattributesclass",
        returns_deleted=True,
        short_names=("vac",),
        prepare=PLAIN,
        validate=storage_rules.VOLUME_ATTRIBUTES_CLASS,
    ),
)
