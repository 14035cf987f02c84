"""The accounting of a Job: every pod is counted exactly once, whatever fails in between.

A pod that ended is first noted by its uid in uncountedTerminatedPods; when that is written, its
finalizer is removed; when that is seen, the uid turns into a count. A Job is concluded when nothing is
left to count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.job import facts, policies
from roost.decisions import conditions
from roost.decisions.meta import deleting, seconds_of, stamp, uid_of
from roost.decisions.pods import active as is_active
from roost.decisions.pods import finished, ready

_PER_UPDATE = 500


@dataclass(slots=True)
class Tally:
    """What the pods of a Job amount to, counted and uncounted together."""

    active: list[Object]
    succeeded: int
    failed: int
    failures: list[Object]
    terminating: int
    ready: int
    done_indexes: set[int]
    failed_indexes: set[int]
    uncounted: tuple[list[str], list[str]]
    counted: tuple[int, int]
    release: list[Object]


def tally(job: Object, pods: Sequence[Object]) -> Tally:
    """Count the pods of a Job."""
    status = job.get("status") or {}
    noted_good, noted_bad = facts.uncounted(job)
    by_uid = {uid_of(pod): pod for pod in pods}
    waiting = {uid for uid, pod in by_uid.items() if facts.tracked(pod)}
    good, bad = status.get("succeeded", 0), status.get("failed", 0)
    good += len(noted_good - waiting)
    bad += len(noted_bad - waiting)
    new_good = [p for p in pods if facts.tracked(p) and facts.succeeded(p)]
    new_bad = [
        p for p in pods if facts.tracked(p) and facts.failed(job, p) and uid_of(p) not in noted_good
    ]
    countable = [p for p in new_bad if policies.counts(job, p) or uid_of(p) in noted_bad]
    done = facts.parse_indexes(status.get("completedIndexes", ""))
    lost = facts.parse_indexes(status.get("failedIndexes", ""))
    if facts.indexed(job):
        limit = job["spec"].get("completions", 0)
        ended = (facts.index_of(p) for p in pods if facts.succeeded(p))
        done |= {index for index in ended if index is not None}
        done = {index for index in done if index < limit}  # the Job may have become smaller
        every = [p for p in pods if facts.failed(job, p)]
        lost = policies.failed_indexes(job, every, lost) - done
        lost = {index for index in lost if index < limit}
    still = [p for p in pods if is_active(p)]
    keep_good = [uid_of(p) for p in new_good][:_PER_UPDATE]
    keep_bad = [uid_of(p) for p in countable][:_PER_UPDATE]
    noted = noted_good | noted_bad
    ignored = [p for p in new_bad if p not in countable and finished(p)]
    return Tally(
        active=still,
        succeeded=good + len(new_good),
        failed=bad + len(countable),
        failures=new_bad,
        terminating=sum(deleting(p) and not finished(p) for p in pods),
        ready=sum(ready(p) for p in still),
        done_indexes=done,
        failed_indexes=lost,
        uncounted=(keep_good, keep_bad),
        counted=(good, bad),
        release=[p for uid, p in by_uid.items() if uid in noted and uid in waiting] + ignored,
    )


def conclusion(job: Object, counts: Tally, now: float) -> tuple[str, str, str] | None:
    """Return (FailureTarget or SuccessCriteriaMet, reason, message) once it is clear how it ends."""
    spec, status = job["spec"], job.get("status") or {}
    for kind in ("FailureTarget", "SuccessCriteriaMet"):
        known = conditions.find(status.get("conditions"), kind)
        if known is not None and known["status"] == "True":
            return kind, known.get("reason", ""), known.get("message", "")
    message = policies.fail_job_message(job, counts.failures)
    if message:
        return "FailureTarget", "PodFailurePolicy", message
    if counts.failed > spec.get("backoffLimit", 6):
        text = "Job has reached the specified backoff limit"
        return "FailureTarget", "BackoffLimitExceeded", text
    if _past_deadline(job, now):
        text = "Job was active longer than specified deadline"
        return "FailureTarget", "DeadlineExceeded", text
    limit = spec.get("maxFailedIndexes")
    if limit is not None and len(counts.failed_indexes) > limit:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return "FailureTarget", "MaxFailedIndexesExceeded", text
    message = policies.success_message(job, counts.done_indexes)
    if message:
        return "SuccessCriteriaMet", "SuccessPolicy", message
    return _completion(job, counts)


def _completion(job: Object, counts: Tally) -> tuple[str, str, str] | None:
    wanted = job["spec"].get("completions")
    reached = "Reached expected number of succeeded pods"
    if facts.indexed(job):
        if len(counts.done_indexes) + len(counts.failed_indexes) < wanted:
            return None
        if counts.failed_indexes:
            return "FailureTarget", "FailedIndexes", "Job has failed indexes"
        return "SuccessCriteriaMet", "CompletionsReached", reached
    if wanted is None:
        complete = counts.succeeded > 0 and not counts.active
    else:
        complete = counts.succeeded >= wanted
    return ("SuccessCriteriaMet", "CompletionsReached", reached) if complete else None


def deadline(job: Object) -> float | None:
    """Return when activeDeadlineSeconds runs out."""
    limit: int | None = job["spec"].get("activeDeadlineSeconds")
    started = (job.get("status") or {}).get("startTime")
    if limit is None or not started or job["spec"].get("suspend"):
        return None
    return seconds_of(started) + limit


def _past_deadline(job: Object, now: float) -> bool:
    end = deadline(job)
    return end is not None and now >= end


def new_status(
    job: Object, counts: Tally, end: tuple[str, str, str] | None, now: float
) -> tuple[Object, bool]:
    """Return the status, and whether the Job is over with it."""
    status = dict(job.get("status") or {})
    status["conditions"] = list(status.get("conditions") or ())
    good, bad = counts.uncounted
    status.update(
        active=len(counts.active),
        ready=counts.ready,
        terminating=counts.terminating,
        succeeded=counts.counted[0],
        failed=counts.counted[1],
        uncountedTerminatedPods={
            key: uids for key, uids in (("succeeded", good), ("failed", bad)) if uids
        },
    )
    if facts.indexed(job):
        status["completedIndexes"] = facts.format_indexes(counts.done_indexes)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            status["failedIndexes"] = facts.format_indexes(counts.failed_indexes)
    if end is None:
        _suspension(job, status, now)
    else:
        status.setdefault("startTime", stamp(now))  # which every Job that ended must have
    over = False
    if end is not None:
        kind, reason, message = end
        _add(status, kind, reason, message, now)
        settled = not (good or bad or counts.release or counts.active or counts.terminating)
        if settled:
            over = True
            _add(status, "Failed" if kind == "FailureTarget" else "Complete", reason, message, now)
            if kind != "FailureTarget":
                status["completionTime"] = stamp(now)
    return {k: v for k, v in status.items() if v or k in _KEPT}, over


_KEPT = ("ready", "terminating", "uncountedTerminatedPods")


def _add(status: Object, kind: str, reason: str, message: str, now: float) -> None:
    if not conditions.is_true(status["conditions"], kind):
        at = stamp(now)
        made = conditions.make(kind, "True", reason, message, at, lastProbeTime=at)
        status["conditions"] = [*conditions.without(status["conditions"], kind), made]


def _suspension(job: Object, status: Object, now: float) -> None:
    at = stamp(now)
    known = conditions.find(status["conditions"], "Suspended")
    if job["spec"].get("suspend"):
        status.pop("startTime", None)
        if known is None or known["status"] != "True":
            made = conditions.make(
                "Suspended", "True", "JobSuspended", "Job suspended", at, lastProbeTime=at
            )
            status["conditions"] = conditions.put(status["conditions"], made)
        return
    if known is not None and known["status"] == "True":
        made = conditions.make(
            "Suspended", "False", "JobResumed", "Job resumed", at, lastProbeTime=at
        )
        status["conditions"] = conditions.put(status["conditions"], made)
    status.setdefault("startTime", at)
