"""How a Job ends, and what its status says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.job import facts, policies
from roost.controllers.job.accounting import Outflow, Tally
from roost.decisions import conditions
from roost.decisions.meta import deleting, seconds_of, stamp
from roost.decisions.pods import ready


@dataclass(frozen=True, slots=True)
class End:
    """How a Job ends: FailureTarget or SuccessCriteriaMet, and why. `kind` is "" while it goes on."""

    kind: str = ""
    reason: str = ""
    message: str = ""


GOES_ON = End()


def conclusion(job: Object, pods: Sequence[Object], counts: Tally, now: float) -> End:
    """Say how a Job ends, once that is clear. What was said once stays."""
    known = (job.get("status") or {}).get("conditions")
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        said = conditions.find(known, kind)
        if said is not None and said["status"] == "True":
            return End(kind, said.get("reason", ""), said.get("message", ""))
    reason, message = _failure(job, pods, counts, now)
    if reason:
        return End("FailureTarget", reason, message)
    message = policies.success_message(job, set(counts.done_indexes))
    if message:
        return End("SuccessCriteriaMet", "SuccessPolicy", message)
    if _complete(job, counts):
        text = "Reached expected number of succeeded pods"
        return End("SuccessCriteriaMet", "CompletionsReached", text)
    return GOES_ON


def _failure(job: Object, pods: Sequence[Object], counts: Tally, now: float) -> tuple[str, str]:
    spec, lost = job["spec"], len(counts.failed_indexes)
    message = policies.fail_job_message(job, counts.failures)
    if message:
        return "PodFailurePolicy", message
    limit = spec.get("backoffLimit", 6)
    if counts.failed > limit or policies.restarted_too_often(job, pods):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    end = deadline(job)
    if end is not None and now >= end:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    most = spec.get("maxFailedIndexes")
    if most is not None and lost > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return "MaxFailedIndexesExceeded", text
    if lost and lost + len(counts.done_indexes) >= spec["completions"]:
        return "FailedIndexes", "Job has failed indexes"
    return "", ""


def _complete(job: Object, counts: Tally) -> bool:
    wanted = job["spec"].get("completions")
    if wanted is None:
        return counts.succeeded > 0 and not counts.active
    return bool(counts.succeeded >= wanted)


def deadline(job: Object) -> float | None:
    """Return when activeDeadlineSeconds runs out."""
    limit: int | None = job["spec"].get("activeDeadlineSeconds")
    started = (job.get("status") or {}).get("startTime")
    if limit is None or not started or job["spec"].get("suspend"):
        return None
    return seconds_of(started) + limit


def new_status(
    job: Object, counts: Tally, flow: Outflow, end: End, removed: Sequence[Object], now: float
) -> tuple[Object, bool]:
    """Return the status, and whether the Job is over with it; `removed` are deleted right now."""
    status = dict(job.get("status") or {})
    status["conditions"] = list(status.get("conditions") or ())
    gone = {id(pod) for pod in removed}
    left = [pod for pod in counts.active if id(pod) not in gone]
    status.update(
        active=len(left),
        ready=sum(map(ready, left)),
        terminating=counts.terminating + len(removed),
        succeeded=flow.succeeded,
        failed=flow.failed,
        uncountedTerminatedPods={
            key: list(uids)
            for key, uids in (("succeeded", flow.good), ("failed", flow.bad))
            if uids
        },
    )
    if facts.indexed(job):
        status["completedIndexes"] = facts.format_indexes(flow.done_indexes)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            status["failedIndexes"] = facts.format_indexes(counts.failed_indexes)
    if not job["spec"].get("suspend") or end.kind:  # every Job that ended must have started
        status.setdefault("startTime", stamp(now))
    over = False
    if end.kind:
        _add(status, end.kind, end, now)
        over = flow.settled and not left and not status["terminating"]
        if over:
            _add(status, "Failed" if end.kind == "FailureTarget" else "Complete", end, now)
            if end.kind != "FailureTarget":
                status["completionTime"] = stamp(now)
    elif not deleting(job):
        _suspension(job, status, now)
    return {k: v for k, v in status.items() if v or k in _KEPT}, over


_KEPT = ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")


def _add(status: Object, kind: str, end: End, now: float) -> None:
    if not conditions.is_true(status["conditions"], kind):
        at = stamp(now)
        made = conditions.make(kind, "True", end.reason, end.message, at, lastProbeTime=at)
        status["conditions"] = [*conditions.without(status["conditions"], kind), made]


def _suspension(job: Object, status: Object, now: float) -> None:
    """Say that the Job was suspended or resumed; a suspended one has not started."""
    at = stamp(now)
    was = conditions.is_true(status["conditions"], "Suspended")
    wanted = bool(job["spec"].get("suspend"))
    if was == wanted:
        return
    state, reason, text = (
        ("True", "JobSuspended", "Job suspended")
        if wanted
        else ("False", "JobResumed", "Job resumed")
    )
    made = conditions.make("Suspended", state, reason, text, at, lastProbeTime=at)
    status["conditions"] = conditions.put(status["conditions"], made)
    status.pop("startTime", None)
    if not wanted:
        status["startTime"] = at
