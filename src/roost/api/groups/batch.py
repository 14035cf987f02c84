"""The kinds of batch."""

from __future__ import annotations

from roost.api.groups.selectable import count
from roost.api.kind import READ_WRITE, Kind, Subresource

GROUP = "batch"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CronJob",
        plural="cronjobs",
        namespaced=True,
        schema="io.k8s.api.batch.v1.CronJob",
        singular="cronjob",
        short_names=("cj",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "CronJob")},
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Job",
        plural="jobs",
        namespaced=True,
        schema="io.k8s.api.batch.v1.Job",
        singular="job",
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "Job")},
        fields={"status.successful": count("status.succeeded")},
    ),
)
