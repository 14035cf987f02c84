"""The kinds of apiextensions.k8s.io."""

from __future__ import annotations

from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "apiextensions.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CustomResourceDefinition",
        plural="customresourcedefinitions",
        namespaced=False,
        schema="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        singular="customresourcedefinition",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources={"status": Subresource(READ_WRITE, "CustomResourceDefinition")},
        unconditional_update=False,
    ),
)
