"""Facts about a Job and its pods: which count, which index they have, when they ended."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import annotations_of, created_at, deleting, seconds_of
from roost.decisions.pods import phase_of

FINALIZER = "batch.kubernetes.io/job-tracking"
#: On pods of a Job with backoffLimitPerIndex: failures of the index before, counted and ignored.
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
INDEX = "batch.kubernetes.io/job-completion-index"


def tracked(pod: Object) -> bool:
    """Say whether the pod has not been counted for good."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def replaces_only_failed(job: Object) -> bool:
    """Say whether a pod that is being deleted must have ended before it is replaced."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def succeeded(pod: Object) -> bool:
    return phase_of(pod) == "Succeeded"


def failed(job: Object, pod: Object) -> bool:
    """Say whether a pod counts as failed: a deleted one may never come to say so."""
    if phase_of(pod) == "Failed":
        return True
    return not replaces_only_failed(job) and deleting(pod) and not succeeded(pod)


def ended_at(pod: Object) -> float:
    """Return when a pod ended: by its containers, else by what is known best."""
    status = pod.get("status") or {}
    sidecars = {
        one.get("name")
        for one in pod["spec"].get("initContainers") or ()
        if one.get("restartPolicy") == "Always"
    }
    containers = [*(status.get("containerStatuses") or ())]
    containers += [c for c in status.get("initContainerStatuses") or () if c["name"] in sidecars]
    ends = [((c.get("state") or {}).get("terminated") or {}).get("finishedAt") for c in containers]
    if ends and all(ends):
        return max(map(seconds_of, ends))
    ready = conditions.find(status.get("conditions"), "Ready") or {}
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return seconds_of(ready["lastTransitionTime"])
    metadata = pod["metadata"]
    if "deletionTimestamp" in metadata:
        grace_s: int = metadata.get("deletionGracePeriodSeconds") or 0
        return seconds_of(metadata["deletionTimestamp"]) - grace_s
    return created_at(pod)


def index_of(pod: Object) -> int | None:
    """Return the completion index of a pod."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def retries(pod: Object, annotation: str) -> int:
    """Return how often the index of a pod had failed before the pod was made."""
    text = annotations_of(pod).get(annotation, "")
    return int(text) if text.isdecimal() else 0


def in_range(job: Object, pod: Object) -> bool:
    """Say whether a pod has an index that the Job has; pods of a Job without indexes have no need."""
    if not indexed(job):
        return True
    index = index_of(pod)
    return index is not None and index < job["spec"]["completions"]


def indexes_of(pods: Iterable[Object]) -> set[int]:
    return {index for pod in pods if (index := index_of(pod)) is not None}


def tries(pod: Object) -> int:
    """Return how often the index of a pod had failed before, counted or ignored."""
    return retries(pod, INDEX_FAILURES) + retries(pod, INDEX_IGNORED)


def parse_indexes(text: str) -> set[int]:
    """Read `1,3-5`."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Write {1, 3, 4, 5} as `1,3-5`; pairs are listed, not ranged."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(
        str(first)
        if first == last
        else f"{first},{last}"
        if last == first + 1
        else f"{first}-{last}"
        for first, last in runs
    )


def is_finished(job: Object) -> bool:
    known = (job.get("status") or {}).get("conditions")
    return conditions.is_true(known, "Complete") or conditions.is_true(known, "Failed")


def uncounted(job: Object) -> tuple[set[str], set[str]]:
    """Return the uids of pods that ended well and badly and are on their way into the counts."""
    pending = (job.get("status") or {}).get("uncountedTerminatedPods") or {}
    return set(pending.get("succeeded") or ()), set(pending.get("failed") or ())
