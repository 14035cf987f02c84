"""Defaults of Jobs and CronJobs."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.defaults.pods import pod_template
from roost.api.kind import Change
from roost.api.values import Object

_BACKOFF_LIMIT = 6
_NO_LIMIT = 2**31 - 1


def job_spec(spec: Object) -> None:
    """Fill in a Job's spec, in a Job or in a CronJob's template."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
        spec["parallelism"] = 1
    fill(spec, parallelism=1)
    per_index = spec.get("backoffLimitPerIndex") is not None
    fill(spec, backoffLimit=_NO_LIMIT if per_index else _BACKOFF_LIMIT)
    fill(spec, completionMode="NonIndexed")
    fill(spec, suspend=False)
    fill(spec, manualSelector=False)
    _patterns(spec)
    if spec.get("podReplacementPolicy") is None:
        failing = spec.get("podFailurePolicy")
        spec["podReplacementPolicy"] = "Failed" if failing else "TerminatingOrFailed"
    part(spec, "template")
    pod_template(spec)


def _patterns(spec: Object) -> None:
    """Fill in the conditions of pods that a failure policy looks for."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def job(change: Change) -> None:
    """Fill in a Job; without labels it gets those of its pods."""
    value = change.object
    spec = part(value, "spec")
    part(value, "status")
    meta = part(value, "metadata")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not meta.get("labels"):
        meta["labels"] = dict(labels)
    job_spec(spec)


def cron_job(change: Change) -> None:
    """Fill in a CronJob; most defaults of the Jobs that it will make are theirs, when they are made."""
    spec = part(change.object, "spec")
    part(change.object, "status")
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    fill(spec, suspend=False)
    fill(spec, successfulJobsHistoryLimit=3)
    fill(spec, failedJobsHistoryLimit=1)
    template = part(spec, "jobTemplate")
    part(template, "metadata")
    job_template = part(template, "spec")
    _patterns(job_template)
    part(job_template, "template")
    pod_template(job_template)
