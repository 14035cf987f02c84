"""The kinds of authentication.k8s.io."""

from __future__ import annotations

from roost.api.kind import Kind

GROUP = "authentication.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="SelfSubjectReview",
        plural="selfsubjectreviews",
        namespaced=False,
        schema="io.k8s.api.authentication.v1.SelfSubjectReview",
        singular="selfsubjectreview",
        verbs=("create",),
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="TokenReview",
        plural="tokenreviews",
        namespaced=False,
        schema="io.k8s.api.authentication.v1.TokenReview",
        singular="tokenreview",
        verbs=("create",),
    ),
)
