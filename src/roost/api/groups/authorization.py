"""The kinds of authorization.k8s.io."""

from __future__ import annotations

from roost.api.kind import Kind

GROUP = "authorization.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="LocalSubjectAccessReview",
        plural="localsubjectaccessreviews",
        namespaced=True,
        schema="io.k8s.api.authorization.v1.LocalSubjectAccessReview",
        singular="localsubjectaccessreview",
        verbs=("create",),
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="SelfSubjectAccessReview",
        plural="selfsubjectaccessreviews",
        namespaced=False,
        schema="io.k8s.api.authorization.v1.SelfSubjectAccessReview",
        singular="selfsubjectaccessreview",
        verbs=("create",),
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="SelfSubjectRulesReview",
        plural="selfsubjectrulesreviews",
        namespaced=False,
        schema="io.k8s.api.authorization.v1.SelfSubjectRulesReview",
        singular="selfsubjectrulesreview",
        verbs=("create",),
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="SubjectAccessReview",
        plural="subjectaccessreviews",
        namespaced=False,
        schema="io.k8s.api.authorization.v1.SubjectAccessReview",
        singular="subjectaccessreview",
        verbs=("create",),
    ),
)
