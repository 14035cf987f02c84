"""Strategies of Jobs and CronJobs: a Job writes its own selector unless it is told not to."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.strategies.disabled import drop_of_template
from roost.api.strategies.strategy import Strategy, take
from roost.api.values import Object

PREFIX = "batch.kubernetes.io/"
UID_LABEL = f"{PREFIX}controller-uid"
NAME_LABEL = f"{PREFIX}job-name"
OLD_UID_LABEL = "controller-uid"
OLD_NAME_LABEL = "job-name"


def generated_labels(job: Object) -> Object:
    """Return the labels that tie a job's pods to it."""
    meta = job.get("metadata") or {}
    uid, name = meta.get("uid") or "", meta.get("name") or ""
    return {UID_LABEL: uid, NAME_LABEL: name, OLD_UID_LABEL: uid, OLD_NAME_LABEL: name}


def _create(change: Change) -> None:
    """Generate selector and labels; the user's own selector wins only with manualSelector.

    The API server must have set metadata.uid before.
    """
    drop_of_template(change)
    job = change.object
    spec = job.setdefault("spec", {})
    if spec.get("manualSelector"):
        return
    labels = generated_labels(job)
    template = spec.setdefault("template", {})
    meta = template.setdefault("metadata", {})
    wanted = meta.setdefault("labels", {})
    for key, value in labels.items():
        wanted.setdefault(key, value)
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(UID_LABEL, labels[UID_LABEL])
    if not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(wanted)


def _update(change: Change) -> None:
    """Keep the pod template of a job; which parts may change while suspended is validation's."""
    drop_of_template(change)
    if change.old is not None and "selector" not in (change.object.get("spec") or {}):
        take(change.object.setdefault("spec", {}), change.old.get("spec") or {}, "selector")


JOB = Strategy(status={}, counted=("spec",), create=_create, update=_update)


def _drop(change: Change) -> None:
    drop_of_template(change, "spec", "jobTemplate", "spec", "template")


CRON_JOB = Strategy(status={}, counted=("spec",), create=_drop, update=_drop)
