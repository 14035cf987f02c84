"""The kinds of scheduling.k8s.io."""

from __future__ import annotations

from roost.api.kind import Kind

GROUP = "scheduling.k8s.io"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="PriorityClass",
        plural="priorityclasses",
        namespaced=False,
        schema="io.k8s.api.scheduling.v1.PriorityClass",
        singular="priorityclass",
        short_names=("pc",),
    ),
)
