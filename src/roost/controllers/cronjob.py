"""CronJob: start Jobs when their time has come, and keep a short history of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.errors import NAMESPACE_ENDS, StatusError
from roost.api.values import Object
from roost.controllers.job.facts import is_finished
from roost.decisions import conditions
from roost.decisions.claims import BY_CONTROLLER, owned
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key, owner_keys
from roost.decisions.cron import Schedule, is_zone, parse, zoned_stamp
from roost.decisions.meta import (
    annotations_of,
    by_controller,
    controller_reference,
    created_at,
    deleting,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    seconds_of,
    stamp,
    uid_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, Create, Delete, EmitEvent, Plan, Update
from roost.decisions.resources import CRON_JOBS, JOBS

_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
#: With more missed starts than this the clock or the schedule is likely to be wrong.
_MISSED_MAX = 100
_WINDOWS_S = (3600.0, 86400.0, 7 * 86400.0, 31 * 86400.0)


@dataclass(frozen=True, slots=True)
class View:
    """A CronJob and the Jobs it made."""

    cron_job: Object
    jobs: tuple[Object, ...]
    now: float


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the CronJob `key` rests on."""
    cron_job = caches[CRON_JOBS].get(*key)
    return View(cron_job, owned(caches[JOBS], cron_job), now) if cron_job is not None else None


def reconcile(view: View) -> Plan:
    """Decide whether to start a Job now, what to tell, and what history to remove."""
    cron_job = view.cron_job
    status, told = _finished(view)
    actions: list[Action] = [*told, *_history(view)]
    wake_at = None
    if not deleting(cron_job):
        schedule, fault = _schedule(view, status)
        if fault is not None:
            actions.append(fault)
        elif schedule is not None:
            actions += _start(view, schedule, status)
            wake_at = _next_look(view, schedule, status)
    if status != (cron_job.get("status") or {}):
        actions.append(Update(CRON_JOBS, {**cron_job, "status": status}, "status"))
    return Plan(tuple(actions), wake_at)


def _schedule(view: View, status: Object) -> tuple[Schedule | None, EmitEvent | None]:
    """Return the schedule, None if the CronJob is suspended; or an event that says what is wrong."""
    cron_job, spec = view.cron_job, view.cron_job["spec"]
    regarding = object_reference(CRON_JOBS, "CronJob", cron_job)
    text, zone = spec["schedule"], spec.get("timeZone") or "UTC"
    if not is_zone(zone):
        fault = f'invalid timeZone: "{zone}": unknown time zone {zone}'
        return None, warning(regarding, "UnknownTimeZone", fault)
    if spec.get("suspend"):
        return None, None
    try:
        schedule = parse(text, zone)
    except ValueError as error:
        fault = f'unparseable schedule: "{text}" : {error}'
        return None, warning(regarding, "UnparseableSchedule", fault)
    if schedule.next_after(_earliest(view, status)) is None:
        why = "time difference between two schedules is less than 1 second"
        return None, warning(regarding, "InvalidSchedule", f"invalid schedule: {text} : {why}")
    return schedule, None


def _job_reference(job: Object) -> Object:
    return object_reference(JOBS, "Job", job)


def _finished(view: View) -> tuple[Object, list[Action]]:
    """Return the status without Jobs that ended or are gone, and events about them."""
    status = dict(view.cron_job.get("status") or {})
    regarding = object_reference(CRON_JOBS, "CronJob", view.cron_job)
    by_uid = {uid_of(job): job for job in view.jobs}
    active: list[Object] = []
    told: list[Action] = []
    for reference in status.get("active") or ():
        job = by_uid.get(reference["uid"])
        if job is None:
            text = f"Active job went missing: {reference['name']}"
            told.append(normal(regarding, "MissingJob", text))
        elif is_finished(job):
            known = job["status"]["conditions"]
            kind = "Complete" if conditions.is_true(known, "Complete") else "Failed"
            text = f"Saw completed job: {name_of(job)}, condition: {kind}"
            told.append(normal(regarding, "SawCompletedJob", text))
        else:
            active.append(reference)
    listed = {reference["uid"] for reference in active}
    for uid, job in by_uid.items():
        if uid in listed or is_finished(job):
            continue
        if _SCHEDULED in annotations_of(job):  # started by us: its uid is known only now
            active.append(_job_reference(job))
        else:
            text = f"Saw a job that the controller did not create or forgot: {name_of(job)}"
            told.append(warning(regarding, "UnexpectedJob", text))
    status.pop("active", None)
    if active:
        status["active"] = active
    succeeded = [
        seconds_of(job["status"].get("completionTime"))
        for job in view.jobs
        if conditions.is_true((job.get("status") or {}).get("conditions"), "Complete")
    ]
    last = max(succeeded, default=0.0)
    if last > seconds_of(status.get("lastSuccessfulTime")):
        status["lastSuccessfulTime"] = stamp(last)
    return status, told


def _history(view: View) -> Iterable[Action]:
    spec = view.cron_job["spec"]
    regarding = object_reference(CRON_JOBS, "CronJob", view.cron_job)
    for kind, limit in (
        ("Complete", spec.get("successfulJobsHistoryLimit", 3)),
        ("Failed", spec.get("failedJobsHistoryLimit", 1)),
    ):
        ended = [
            job
            for job in view.jobs
            if not deleting(job)
            and conditions.is_true((job.get("status") or {}).get("conditions"), kind)
        ]
        ended.sort(key=_by_start)
        for job in ended[: max(len(ended) - limit, 0)]:
            yield Delete(ref_of(JOBS, job), propagation="Background")
            yield normal(regarding, "SuccessfulDelete", f"Deleted job {name_of(job)}")


def _by_start(job: Object) -> tuple[float, str]:
    started = (job.get("status") or {}).get("startTime")
    return seconds_of(started) if started else math.inf, name_of(job)


def _earliest(view: View, status: Object) -> float:
    """Return the time since which a start may have been missed."""
    return seconds_of(status.get("lastScheduleTime")) or created_at(view.cron_job)


def _next_look(view: View, schedule: Schedule, status: Object) -> float | None:
    """Return the next start: of a constant interval, counted from the last one."""
    if not schedule.every_s:
        return schedule.next_after(view.now)
    since = _earliest(view, status)
    return since + (int((view.now - since) / schedule.every_s) + 1) * schedule.every_s


def _due(view: View, schedule: Schedule, status: Object) -> tuple[float | None, int]:
    """Return the latest start that is due, and how many were missed up to it."""
    cron_job = view.cron_job
    earliest = _earliest(view, status)
    deadline = cron_job["spec"].get("startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, view.now - deadline)
    if schedule.every_s:
        count = max(int((view.now - earliest) / schedule.every_s), 0)
        return (earliest + count * schedule.every_s if count else None), count
    latest: float | None = None
    count = 0
    at = schedule.next_after(earliest)
    while at is not None and at <= view.now:
        latest, count = at, count + 1
        if count > _MISSED_MAX:
            return _latest(schedule, view.now) or latest, count
        at = schedule.next_after(at)
    return latest, count


def _latest(schedule: Schedule, now: float) -> float | None:
    """Return the last start up to `now` without going through all since the beginning."""
    for window_s in _WINDOWS_S:
        at, latest = schedule.next_after(now - window_s), None
        while at is not None and at <= now:
            latest, at = at, schedule.next_after(at)
        if latest is not None:
            return latest
    return None


def _start(view: View, schedule: Schedule, status: Object) -> list[Action]:
    """Start what is due, unless a running Job forbids it; notes it in `status`."""
    cron_job, spec = view.cron_job, view.cron_job["spec"]
    regarding = object_reference(CRON_JOBS, "CronJob", cron_job)
    at, missed = _due(view, schedule, status)
    if at is not None and at == seconds_of(status.get("lastScheduleTime")):
        return []
    actions: list[Action] = []
    if missed > _MISSED_MAX:
        text = (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or "
            "check clock skew"
        )
        actions.append(warning(regarding, "TooManyMissedTimes", text))
    if at is None:
        return actions
    name = f"{name_of(cron_job)}-{int(at) // 60}"
    if any(name_of(job) == name for job in view.jobs):
        return actions
    policy, active = spec.get("concurrencyPolicy", "Allow"), status.get("active") or []
    if active and policy == "Forbid":
        text = (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        return [*actions, normal(regarding, "JobAlreadyActive", text)]
    if active and policy == "Replace":
        uids = {reference["uid"] for reference in active}
        del status["active"]
        for job in view.jobs:
            if uid_of(job) in uids and not deleting(job):
                actions.append(Delete(ref_of(JOBS, job), propagation="Background"))
                text = f"Deleted job {name_of(job)}"
                actions.append(normal(regarding, "SuccessfulDelete", text))
    event = normal(regarding, "SuccessfulCreate", f"Created job {name}")
    actions.append(Create(JOBS, _job(cron_job, name, at), tolerate_existing=True, announce=event))
    status["lastScheduleTime"] = stamp(at)
    return actions


def _job(cron_job: Object, name: str, at: float) -> Object:
    template = cron_job["spec"]["jobTemplate"]
    source = template.get("metadata") or {}
    metadata: Object = {
        "name": name,
        "namespace": namespace_of(cron_job),
        "annotations": {
            **(source.get("annotations") or {}),
            _SCHEDULED: zoned_stamp(at, cron_job["spec"].get("timeZone") or "UTC"),
        },
        "ownerReferences": [controller_reference(CRON_JOBS, "CronJob", cron_job)],
    }
    if source.get("labels"):
        metadata["labels"] = source["labels"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": template["spec"],
    }


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why a Job could not be made or deleted."""
    if error.has_cause(NAMESPACE_ENDS):
        return NOTHING
    if isinstance(action, Create):
        reason, text = "FailedCreate", f"Error creating job: {error.message}"
    elif isinstance(action, Delete):
        reason, text = "FailedDelete", f"Deleted job: {error.message}"
    else:
        return NOTHING
    regarding = object_reference(CRON_JOBS, "CronJob", view.cron_job)
    return Plan((warning(regarding, reason, text),))


CONTROLLER = Controller(
    name="cronjob-controller",
    watches=(
        Watch(CRON_JOBS, own_key),
        Watch(JOBS, owner_keys("CronJob", "batch"), {BY_CONTROLLER: by_controller}),
    ),
    view=view,
    reconcile=reconcile,
    refused=refused,
)
