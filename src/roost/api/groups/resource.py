"""The kinds of resource.k8s.io."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "resource.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="DeviceClass",
        plural="deviceclasses",
        namespaced=False,
        schema="io.k8s.api.resource.v1.DeviceClass",
        singular="deviceclass",
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceClaim",
        plural="resourceclaims",
        namespaced=True,
        schema="io.k8s.api.resource.v1.ResourceClaim",
        singular="resourceclaim",
        subresources={"status": Subresource(READ_WRITE, "ResourceClaim")},
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceClaimTemplate",
        plural="resourceclaimtemplates",
        namespaced=True,
        schema="io.k8s.api.resource.v1.ResourceClaimTemplate",
        singular="resourceclaimtemplate",
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="ResourceSlice",
        plural="resourceslices",
        namespaced=False,
        schema="io.k8s.api.resource.v1.ResourceSlice",
        singular="resourceslice",
    ),
)
