"""podFailurePolicy and successPolicy: what the end of a pod, or of some, means for the Job."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.controllers.job.facts import (
    INDEX_FAILURES,
    INDEX_IGNORED,
    index_of,
    parse_indexes,
    retries,
)
from roost.decisions.meta import name_of, namespace_of
from roost.decisions.pods import phase_of


def judge_failure(job: Object, pod: Object) -> tuple[str, str]:
    """Return (action, message) for a failed pod: FailJob, FailIndex, Ignore or Count."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for at, rule in enumerate(policy.get("rules") or ()):
        reason = _exit_code(rule, pod) or _condition(rule, pod)
        if reason:
            return rule["action"], f"{reason} matching {rule['action']} rule at index {at}"
    return "Count", ""


def _exit_code(rule: Object, pod: Object) -> str:
    wanted = rule.get("onExitCodes")
    if not wanted:
        return ""
    status = pod.get("status") or {}
    groups = (status.get("containerStatuses"), status.get("initContainerStatuses"))
    for container in (c for group in groups for c in group or ()):
        if wanted.get("containerName") not in (None, container["name"]):
            continue
        terminated = (container.get("state") or {}).get("terminated")
        code = terminated.get("exitCode", 0) if terminated else 0
        if not code:
            continue
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            where = f"{namespace_of(pod)}/{name_of(pod)}"
            return f"Container {container['name']} for pod {where} failed with exit code {code}"
    return ""


def _condition(rule: Object, pod: Object) -> str:
    for known in (pod.get("status") or {}).get("conditions") or ():
        for pattern in rule.get("onPodConditions") or ():
            wanted = (pattern["type"], pattern.get("status", "True"))
            if (known.get("type"), known.get("status")) == wanted:
                return f"Pod {namespace_of(pod)}/{name_of(pod)} has condition {known['type']}"
    return ""


def fail_job_message(job: Object, pods: Iterable[Object]) -> str:
    """Return why the policy fails the Job; "" if it does not."""
    if not job["spec"].get("podFailurePolicy"):
        return ""
    for pod in pods:
        action, message = judge_failure(job, pod)
        if action == "FailJob":
            return message
    return ""


def counts(job: Object, pod: Object) -> bool:
    """Say whether a failed pod counts against backoffLimit."""
    return judge_failure(job, pod)[0] != "Ignore"


def success_message(job: Object, done: set[int]) -> str:
    """Return which rule of successPolicy the succeeded indexes meet; "" if none."""
    for at, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        listed, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if listed is None:
            met = bool(done) and count is not None and len(done) >= count
        else:
            required = {at for at in parse_indexes(listed) if at < job["spec"]["completions"]}
            matching = len(done & required)
            met = bool(matching) and (
                matching == len(required) or (count is not None and matching >= count)
            )
        if met:
            return f"Matched rules at index {at}"
    return ""


def restarted_too_often(job: Object, pods: Iterable[Object]) -> bool:
    """Say whether containers that restart in their pods have used up backoffLimit."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    count: int = sum(
        container.get("restartCount", 0)
        for pod in pods
        if phase_of(pod) in {"Running", "Pending"}
        for key in ("initContainerStatuses", "containerStatuses")
        for container in (pod.get("status") or {}).get(key) or ()
    )
    limit: int = job["spec"].get("backoffLimit", 6)
    return count >= max(limit, 1)


def failed_indexes(job: Object, failures: Iterable[Object], known: set[int]) -> set[int]:
    """Return the indexes that have failed for good by backoffLimitPerIndex or FailIndex."""
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None:
        return set()
    found = set(known)
    for pod in failures:
        index = index_of(pod)
        action, _ = judge_failure(job, pod)
        spent = action != "Ignore" and retries(pod, INDEX_FAILURES) >= limit
        if index is not None and (action == "FailIndex" or spent):
            found.add(index)
    return found


def retry_annotations(job: Object, before: Object | None) -> dict[str, str]:
    """Return what a new pod says of the failures of its index; `before` is the last that failed."""
    if job["spec"].get("backoffLimitPerIndex") is None:
        return {}
    if before is None:
        return {INDEX_FAILURES: "0"}
    counted, ignored = retries(before, INDEX_FAILURES), retries(before, INDEX_IGNORED)
    if judge_failure(job, before)[0] == "Ignore":
        ignored += 1
    else:
        counted += 1
    found = {INDEX_FAILURES: str(counted)}
    if ignored:
        found[INDEX_IGNORED] = str(ignored)
    return found
