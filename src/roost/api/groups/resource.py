"""The kinds of resource.k8s.io."""

from __future__ import annotations

from roost.api.columns import control as control_columns
from roost.api.defaults import storage as storage_defaults
from roost.api.groups.selectable import text
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import storage as storage_strategy
from roost.api.strategies.strategy import COUNTED, PLAIN
from roost.api.validation import devices as devices_rules
from roost.api.validation import deviceslices as slices_rules

GROUP = "resource.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="DeviceClass",
        plural="deviceclasses",
        namespaced=False,
        schema="io.k8s.api.resource.v1.DeviceClass",
        columns=control_columns.DEVICE_CLASSES,
        singular="deviceclass",
        returns_deleted=True,
        prepare=COUNTED,
        validate=devices_rules.DEVICE_CLASS,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceClaim",
        plural="resourceclaims",
        namespaced=True,
        schema="io.k8s.api.resource.v1.ResourceClaim",
        columns=control_columns.RESOURCE_CLAIMS,
        singular="resourceclaim",
        returns_deleted=True,
        subresources={"status": Subresource(READ_WRITE, "ResourceClaim")},
        default=storage_defaults.resource_claim,
        prepare=storage_strategy.RESOURCE_CLAIM,
        validate=devices_rules.RESOURCE_CLAIM,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceClaimTemplate",
        plural="resourceclaimtemplates",
        namespaced=True,
        schema="io.k8s.api.resource.v1.ResourceClaimTemplate",
        columns=control_columns.RESOURCE_CLAIM_TEMPLATES,
        singular="resourceclaimtemplate",
        returns_deleted=True,
        default=storage_defaults.resource_claim_template,
        prepare=PLAIN,
        validate=devices_rules.RESOURCE_CLAIM_TEMPLATE,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceSlice",
        plural="resourceslices",
        namespaced=False,
        schema="io.k8s.api.resource.v1.ResourceSlice",
        columns=control_columns.RESOURCE_SLICES,
        singular="resourceslice",
        returns_deleted=True,
        fields={"spec.driver": text("spec.driver"), "spec.nodeName": text("spec.nodeName")},
        default=storage_defaults.resource_slice,
        prepare=COUNTED,
        validate=slices_rules.RESOURCE_SLICE,
    ),
)
