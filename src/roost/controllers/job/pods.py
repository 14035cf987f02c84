"""The pods that a Job makes, with and without an index."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.controllers.job import policies
from roost.controllers.job.facts import FINALIZER, INDEX
from roost.decisions.meta import controller_reference, name_of
from roost.decisions.resources import JOBS
from roost.decisions.templates import pod_from

#: What the server adds five characters to, to make a name of at most 63.
_PREFIX_MAX = 58
_VARIABLE = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
}


def pod_of(job: Object) -> Object:
    """Return a pod of the Job, held until it is counted."""
    base = pod_from(job["spec"]["template"], job, controller_reference(JOBS, "Job", job))
    finalizers = list(base["metadata"].get("finalizers") or ())
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    return {**base, "metadata": {**base["metadata"], "finalizers": finalizers}}


def pod_of_index(job: Object, index: int, before: Object | None) -> Object:
    """Return the pod of an index; `before` is the failed one that it replaces."""
    base, text, name = pod_of(job), str(index), name_of(job)
    metadata, spec = base["metadata"], base["spec"]
    groups = {
        group: _told(spec[group]) for group in ("containers", "initContainers") if spec.get(group)
    }
    suffix = f"-{text}-"
    return {
        **base,
        "metadata": {
            **metadata,
            "generateName": name[: _PREFIX_MAX - len(suffix)] + suffix,
            "labels": {**(metadata.get("labels") or {}), INDEX: text},
            "annotations": {
                **(metadata.get("annotations") or {}),
                INDEX: text,
                **policies.retry_annotations(job, before),
            },
        },
        "spec": {**spec, **groups, "hostname": f"{name}-{text}"},
    }


def _told(containers: Iterable[Object]) -> list[Object]:
    """Tell the index to containers that have no such variable of their own."""
    return [
        container
        if any(one["name"] == _VARIABLE["name"] for one in container.get("env") or ())
        else {**container, "env": [*(container.get("env") or ()), _VARIABLE]}
        for container in containers
    ]
