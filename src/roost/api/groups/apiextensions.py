"""The kinds of apiextensions.k8s.io."""

from __future__ import annotations

from roost.api.defaults import extension as extension_defaults
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import extension as extension_strategy
from roost.api.validation import definitions

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
        default=extension_defaults.custom_resource_definition,
        prepare=extension_strategy.CUSTOM_RESOURCE_DEFINITION,
        validate=definitions.DEFINITION,
    ),
)
