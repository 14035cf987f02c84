"""The kinds of batch."""

from __future__ import annotations

from roost.api.columns import workloads as workloads_columns
from roost.api.defaults import batch as batch_defaults
from roost.api.groups.selectable import count
from roost.api.kind import READ_WRITE, Kind, Subresource
from roost.api.strategies import batch as batch_strategy
from roost.api.validation import batch as batch_rules

GROUP = "batch"

KINDS = (
    Kind(
        group=GROUP,
        version="v1",
        name="CronJob",
        plural="cronjobs",
        namespaced=True,
        schema="io.k8s.api.batch.v1.CronJob",
        columns=workloads_columns.CRON_JOBS,
        singular="cronjob",
        short_names=("cj",),
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "CronJob")},
        default=batch_defaults.cron_job,
        prepare=batch_strategy.CRON_JOB,
        validate=batch_rules.CRON_JOB,
    ),
    Kind(
        group=GROUP,
        version="v1",
        name="Job",
        plural="jobs",
        namespaced=True,
        schema="io.k8s.api.batch.v1.Job",
        columns=workloads_columns.JOBS,
        singular="job",
        categories=("all",),
        subresources={"status": Subresource(READ_WRITE, "Job")},
        fields={"status.successful": count("status.succeeded")},
        default=batch_defaults.job,
        prepare=batch_strategy.JOB,
        validate=batch_rules.JOB,
    ),
)
