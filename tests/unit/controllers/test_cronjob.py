"""Plans of the CronJob controller, compared as values."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.controllers.cronjob import View, reconcile, refused
from roost.decisions.meta import seconds_of, stamp
from roost.decisions.plan import Create, Delete, EmitEvent, Plan, Update
from roost.decisions.resources import JOBS

NOW = seconds_of("2027-01-15T09:00:30Z")
ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def cron_job(status: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {
            "name": "c", "namespace": "default", "uid": "cj",
            "creationTimestamp": "2027-01-15T08:59:40Z",
        },
        "spec": {
            "schedule": "* * * * *",
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {}}},
            **spec,
        },
        "status": status or {},
    }  # fmt: skip


def job(name: str, ended: str = "", *, ours: bool = True, **status: Any) -> Object:
    conditions = [{"type": ended, "status": "True"}] if ended else []
    return {
        "metadata": {
            "name": name, "namespace": "default", "uid": f"uid-{name}",
            "annotations": {ANNOTATION: "2027-01-15T09:00:00Z"} if ours else {},
        },
        "status": {"conditions": conditions, **status},
    }  # fmt: skip


def decide(body: Object, *jobs: Object, now: float = NOW) -> Plan:
    return reconcile(View(body, jobs, now))


def made(plan: Plan) -> list[Object]:
    return [a.object for a in plan.actions if isinstance(a, Create)]


def gone(plan: Plan) -> list[str]:
    return [a.ref.name for a in plan.actions if isinstance(a, Delete)]


def told(plan: Plan) -> list[tuple[str, str, str]]:
    return [(a.type, a.reason, a.message) for a in plan.actions if isinstance(a, EmitEvent)]


def status_of(plan: Plan) -> Object:
    (update,) = [a for a in plan.actions if isinstance(a, Update)]
    return update.object["status"]


def reference(name: str) -> Object:
    return {"kind": "Job", "name": name, "uid": f"uid-{name}"}


MINUTE = int(NOW) // 60


def test_a_job_is_made_when_its_time_has_come() -> None:
    plan = decide(cron_job())
    (one,) = made(plan)
    assert one["metadata"]["name"] == f"c-{MINUTE}"
    assert one["metadata"]["annotations"] == {ANNOTATION: "2027-01-15T09:00:00Z"}
    assert one["metadata"]["labels"] == {"a": "b"}
    assert status_of(plan) == {"lastScheduleTime": "2027-01-15T09:00:00Z"}
    assert plan.wake_at == seconds_of("2027-01-15T09:01:00Z")
    done = cron_job(status_of(plan))
    assert decide(done) == Plan(wake_at=plan.wake_at)
    assert decide(cron_job(suspend=True)) == Plan()


def test_the_time_of_a_job_is_that_of_its_zone() -> None:
    (one,) = made(decide(cron_job(timeZone="Asia/Kolkata", schedule="30 14 * * *")))
    assert one["metadata"]["annotations"] == {ANNOTATION: "2027-01-15T14:30:00+05:30"}


def test_only_the_last_of_several_missed_starts_is_made_up_for() -> None:
    late = cron_job({"lastScheduleTime": "2027-01-15T08:55:00Z"})
    (one,) = made(decide(late))
    assert one["metadata"]["name"] == f"c-{MINUTE}"
    assert "TooManyMissedTimes" not in str(told(decide(late)))
    ages = cron_job({"lastScheduleTime": "2027-01-14T08:55:00Z"})
    text = (
        "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or "
        "check clock skew"
    )
    assert ("Warning", "TooManyMissedTimes", text) in told(decide(ages))
    ages["spec"]["startingDeadlineSeconds"] = 200
    assert "TooManyMissedTimes" not in str(told(decide(ages)))
    ages["spec"]["startingDeadlineSeconds"] = 10
    assert made(decide(ages)) == []


def test_an_interval_counts_from_the_last_start() -> None:
    body = cron_job({"lastScheduleTime": "2027-01-15T08:58:00Z"}, schedule="@every 2m")
    plan = decide(body)
    assert status_of(plan)["lastScheduleTime"] == "2027-01-15T09:00:00Z"
    assert plan.wake_at == seconds_of("2027-01-15T09:02:00Z")
    late = cron_job({"lastScheduleTime": "2027-01-01T00:00:00Z"}, schedule="@every 7m")
    at = seconds_of(status_of(decide(late))["lastScheduleTime"])
    assert (at - seconds_of("2027-01-01T00:00:00Z")) % 420 == 0
    assert NOW - 420 < at <= NOW, stamp(at)


def test_running_jobs_forbid_or_are_replaced_or_neither() -> None:
    busy = {"active": [reference("old")]}
    forbid = decide(cron_job(busy, concurrencyPolicy="Forbid"), job("old"))
    text = "Not starting job because prior execution is running and concurrency policy is Forbid"
    assert (made(forbid), told(forbid)) == ([], [("Normal", "JobAlreadyActive", text)])
    replace = decide(cron_job(busy, concurrencyPolicy="Replace"), job("old"))
    assert (gone(replace), len(made(replace))) == (["old"], 1)
    assert "active" not in status_of(replace)
    allow = decide(cron_job(busy), job("old"))
    assert (gone(allow), len(made(allow))) == ([], 1)


def test_a_job_that_somebody_else_made_is_told_of_and_forbids_nothing() -> None:
    plan = decide(cron_job(concurrencyPolicy="Forbid"), job("mine", ours=False))
    text = "Saw a job that the controller did not create or forgot: mine"
    assert told(plan)[0] == ("Warning", "UnexpectedJob", text)
    assert len(made(plan)) == 1
    assert "active" not in status_of(plan)
    plan = decide(cron_job(suspend=True), job("c-1"))
    assert [one["name"] for one in status_of(plan)["active"]] == ["c-1"]


def test_what_became_of_jobs_is_told() -> None:
    status = {"active": [reference("a"), reference("b"), reference("c")]}
    ended = job("a", "Complete", completionTime="2027-01-15T08:59:50Z")
    plan = decide(cron_job(status, suspend=True), ended, job("b"))
    assert [(reason, text) for _, reason, text in told(plan)] == [
        ("SawCompletedJob", "Saw completed job: a, condition: Complete"),
        ("MissingJob", "Active job went missing: c"),
    ]
    found = status_of(plan)
    assert [one["name"] for one in found["active"]] == ["b"]
    assert found["lastSuccessfulTime"] == "2027-01-15T08:59:50Z"


def test_the_jobs_that_started_first_go_first() -> None:
    body = cron_job(suspend=True, successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    jobs = (
        job("late", "Complete", startTime="2027-01-15T08:30:00Z"),
        job("early", "Complete", startTime="2027-01-15T08:10:00Z"),
        job("never", "Failed"),
    )
    plan = decide(body, *jobs)
    assert gone(plan) == ["early", "never"]
    assert told(plan)[0] == ("Normal", "SuccessfulDelete", "Deleted job early")


@pytest.mark.parametrize(
    ("spec", "reason", "text"),
    [
        (
            {"schedule": "often"}, "UnparseableSchedule",
            'unparseable schedule: "often" : expected exactly 5 fields, found 1: [often]',
        ),
        (
            {"timeZone": "Nowhere/Land"}, "UnknownTimeZone",
            'invalid timeZone: "Nowhere/Land": unknown time zone Nowhere/Land',
        ),
        (
            {"schedule": "0 0 31 2 *"}, "InvalidSchedule",
            ("invalid schedule: 0 0 31 2 * : "
            "time difference between two schedules is less than 1 second"),
        ),
    ],
)  # fmt: skip
def test_a_schedule_that_makes_no_sense_is_told(spec: Object, reason: str, text: str) -> None:
    assert told(decide(cron_job(**spec))) == [("Warning", reason, text)]


def test_a_cron_job_that_is_deleted_starts_nothing_and_refusals_are_told() -> None:
    body = cron_job({"active": [reference("a")]})
    body["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:59Z"
    plan = decide(body, job("a", "Failed"))
    assert made(plan) == []
    assert status_of(plan) == {}
    view = View(cron_job(), (), NOW)
    assert told(refused(view, Create(JOBS, {}), Forbidden("no"))) == [
        ("Warning", "FailedCreate", "Error creating job: no")
    ]
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    assert refused(view, Create(JOBS, {}), Forbidden("it ends", causes)) == Plan()
