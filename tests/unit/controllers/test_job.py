"""How a Job is counted, judged and concluded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.objects import pod
from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.controllers.job import CONTROLLER, View, reconcile, refused
from roost.controllers.job.facts import FINALIZER, ended_at, format_indexes, parse_indexes
from roost.controllers.job.policies import judge_failure, success_message
from roost.decisions.controller import Key
from roost.decisions.meta import seconds_of
from roost.decisions.plan import Create, Delete, EmitEvent, Patch, Update
from roost.decisions.resources import JOBS, PODS

NOW = seconds_of("2027-01-15T09:00:00Z")


def job(status: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": "j", "namespace": "default", "uid": "job", "generation": 1},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 6,
            "selector": {"matchLabels": {"job": "j"}},
            "template": {"metadata": {"labels": {"job": "j"}}, "spec": {"containers": []}},
            **spec,
        },
        "status": {"startTime": "2027-01-15T08:00:00Z", **(status or {})},
    }


def mine(name: str, phase: str, *, tracked: bool = True, **more: Any) -> Object:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "job", "controller": True}
    finalizers = [FINALIZER] if tracked else []
    return pod(
        name, labels={"job": "j"}, ownerReferences=[owner], finalizers=finalizers,
        status={"phase": phase, **more.pop("status", {})}, **more,
    )  # fmt: skip


def decide(body: Object, *pods: Object, now: float = NOW) -> tuple[Any, ...]:
    return reconcile(View(body, pods, (), now)).actions


def status_of(actions: tuple[Any, ...]) -> Object:
    (update,) = [a for a in actions if isinstance(a, Update) and a.resource == JOBS]
    return update.object["status"]


def test_a_pod_that_ended_is_noted_before_it_is_let_go() -> None:
    actions = decide(job(), mine("a", "Succeeded"))
    assert not any(isinstance(a, Patch) for a in actions)
    status = status_of(actions)
    assert status["uncountedTerminatedPods"] == {"succeeded": ["uid-a"]}
    assert "succeeded" not in status


def test_a_noted_pod_is_let_go_and_not_counted_yet() -> None:
    noted = {"uncountedTerminatedPods": {"succeeded": ["uid-a"]}}
    actions = decide(job(noted), mine("a", "Succeeded"))
    (release,) = [a for a in actions if isinstance(a, Patch)]
    assert release.body["metadata"]["finalizers"] is None
    assert "Complete" not in {c["type"] for c in status_of(actions)["conditions"]}


@pytest.mark.parametrize("pods", [(), (mine("a", "Succeeded", tracked=False),)])
def test_a_pod_that_was_let_go_is_counted_even_if_it_is_gone(pods: tuple[Object, ...]) -> None:
    noted = {"uncountedTerminatedPods": {"succeeded": ["uid-a"]}}
    status = status_of(decide(job(noted), *pods))
    assert status["succeeded"] == 1
    assert status["uncountedTerminatedPods"] == {}
    assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert status["completionTime"] == "2027-01-15T09:00:00Z"


def test_a_counted_pod_is_not_counted_again() -> None:
    status = status_of(decide(job({"succeeded": 1}), mine("a", "Succeeded", tracked=False)))
    assert status["succeeded"] == 1


def test_after_a_deadline_all_pods_go_and_the_job_has_failed_when_they_are_gone() -> None:
    body = job(activeDeadlineSeconds=60)
    actions = decide(body, mine("a", "Running"))
    assert any(isinstance(a, Delete) for a in actions)
    kinds = {c["type"]: c["reason"] for c in status_of(actions)["conditions"]}
    assert kinds == {"FailureTarget": "DeadlineExceeded"}
    actions = decide(body)
    kinds = {c["type"]: c["reason"] for c in status_of(actions)["conditions"]}
    assert kinds == {"FailureTarget": "DeadlineExceeded", "Failed": "DeadlineExceeded"}
    (event,) = [a for a in actions if isinstance(a, EmitEvent)]
    assert (event.type, event.reason) == ("Warning", "DeadlineExceeded")


def test_surplus_pods_lose_their_finalizer_first_so_that_they_do_not_count() -> None:
    body = job(parallelism=1, completions=5)
    actions = decide(body, mine("a", "Running"), mine("b", "Running"))
    kinds = [type(a) for a in actions[:2]]
    assert kinds == [Patch, Delete]


def failed_at(name: str, finished: str) -> Object:
    state = {"state": {"terminated": {"exitCode": 3, "finishedAt": finished}}}
    return mine(name, "Failed", status={"containerStatuses": [{"name": "main", **state}]})


@pytest.mark.parametrize(
    ("failures", "waits_s"), [(1, 10), (2, 20), (3, 40)]
)  # fmt: skip
def test_failures_delay_the_next_pod(failures: int, waits_s: int) -> None:
    pods = [failed_at(f"p{n}", "2027-01-15T09:00:00Z") for n in range(failures)]
    view = View(job(), tuple(pods), (), NOW)
    plan = reconcile(view)
    assert not any(isinstance(a, Create) for a in plan.actions)
    assert plan.wake_at == NOW + waits_s
    later = reconcile(View(job(), tuple(pods), (), NOW + waits_s))
    assert any(isinstance(a, Create) for a in later.actions)


POLICY = {
    "rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}},
    ]
}


def test_a_failure_policy_can_fail_the_job_and_ignore_disruptions() -> None:
    body = job(podFailurePolicy=POLICY)
    broken = failed_at("a", "2027-01-15T09:00:00Z")
    action, message = judge_failure(body, broken)
    assert action == "FailJob"
    assert message == (
        "Container main for pod default/a failed with exit code 3 matching FailJob rule at index 1"
    )
    evicted = mine(
        "b", "Failed", status={"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    )
    assert judge_failure(body, evicted)[0] == "Ignore"
    kinds = {c["type"]: c["reason"] for c in status_of(decide(body, broken))["conditions"]}
    assert kinds == {"FailureTarget": "PodFailurePolicy"}


def test_a_success_policy_ends_the_job_early() -> None:
    rules = [{"succeededIndexes": "0-2", "succeededCount": 2}]
    body = job(completionMode="Indexed", completions=5, successPolicy={"rules": rules})
    assert success_message(body, {1, 4}) == ""
    assert success_message(body, {1, 2}) == "Matched rules at index 0"


@given(st.sets(st.integers(0, 60)))
def test_index_lists_are_read_as_they_are_written(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes


def test_index_lists_look_as_in_kubernetes() -> None:
    assert format_indexes([1, 3, 4, 5, 7, 8]) == "1,3-5,7,8"


def test_each_index_waits_for_its_own_failures_and_gives_up_alone() -> None:
    spec = {
        "completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1,
    }  # fmt: skip
    index, count = "batch.kubernetes.io/job-completion-index", (
        "batch.kubernetes.io/job-index-failure-count"
    )  # fmt: skip

    def of(name: str, at: int, tries: int, finished: str) -> Object:
        found = failed_at(name, finished)
        found["metadata"]["annotations"] = {index: str(at), count: str(tries)}
        return found

    def made(*pods: Object, now: float = NOW) -> dict[str, str]:
        actions = decide(job(**spec), *pods, now=now)
        new = [a.object["metadata"]["annotations"] for a in actions if isinstance(a, Create)]
        return {one[index]: one[count] for one in new}

    assert made() == {"0": "0", "1": "0", "2": "0"}
    fresh = of("a", 0, 0, "2027-01-15T08:59:55Z")
    assert made(fresh) == {"1": "0", "2": "0"}
    assert made(fresh, now=NOW + 6) == {"0": "1", "1": "0", "2": "0"}
    spent = of("b", 1, 1, "2027-01-15T08:00:00Z")
    assert made(spent) == {"0": "0", "2": "0"}
    assert status_of(decide(job(**spec), spent))["failedIndexes"] == "1"
    plan = reconcile(View(job(**spec), (fresh,), (), NOW))
    assert plan.wake_at == NOW + 5


INDEXES = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}


def of_index(index: int, phase: str = "Running", name: str = "", **more: Any) -> Object:
    annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
    counts = more.pop("counts", {})
    return mine(name or f"p{index}", phase, annotations={**annotations, **counts}, **more)


def made(plan_or_actions: Any) -> list[Object]:
    actions = getattr(plan_or_actions, "actions", plan_or_actions)
    return [a.object for a in actions if isinstance(a, Create)]


def deleted(actions: tuple[Any, ...]) -> list[str]:
    return [a.ref.name for a in actions if isinstance(a, Delete)]


def freed(actions: tuple[Any, ...]) -> list[str]:
    return [a.ref.name for a in actions if isinstance(a, Patch)]


def told(actions: tuple[Any, ...]) -> list[tuple[str, str]]:
    return [(a.reason, a.message) for a in actions if isinstance(a, EmitEvent)]


def test_a_pod_that_succeeded_for_an_index_is_noted_by_the_index() -> None:
    actions = decide(job(**INDEXES), of_index(1, "Succeeded"))
    status = status_of(actions)
    assert (status["completedIndexes"], status["succeeded"]) == ("1", 1)
    assert status["uncountedTerminatedPods"] == {}
    assert freed(actions) == []
    actions = decide(job(status, **INDEXES), of_index(1, "Succeeded"))
    assert freed(actions) == ["p1"]


def test_an_index_counts_once_and_a_counted_pod_not_again() -> None:
    twice = (of_index(1, "Succeeded"), of_index(1, "Succeeded", "again"))
    assert status_of(decide(job(**INDEXES), *twice))["succeeded"] == 1
    counted = of_index(2, "Succeeded", tracked=False)  # of before the Job was smaller
    assert "completedIndexes" not in status_of(decide(job(**INDEXES), counted))


def test_pods_of_no_index_or_of_one_too_many_go_first() -> None:
    stray = mine("stray", "Running")
    double, beyond = of_index(0, "Pending", "double"), of_index(7)
    actions = decide(job(**INDEXES), of_index(0), of_index(1), of_index(2), stray, double, beyond)
    assert sorted(deleted(actions)) == ["double", "p7", "stray"]
    assert made(actions) == []
    lost = of_index(8, "Failed")
    actions = decide(job(**INDEXES), lost)
    assert freed(actions) == ["p8"]
    assert "failed" not in status_of(actions)


def test_a_pod_of_an_index_has_its_host_name_and_a_name_that_fits() -> None:
    body = job(**INDEXES)
    body["metadata"]["name"] = "j" * 63
    body["spec"]["template"]["spec"]["hostname"] = "mine"
    pod_ = made(decide(body))[0]
    assert pod_["spec"]["hostname"] == "j" * 63 + "-0"
    assert pod_["metadata"]["generateName"] == "j" * 55 + "-0-"


def test_pods_that_a_failing_job_runs_have_failed_and_those_of_a_successful_one_do_not_count() -> (
    None
):
    actions = decide(job(activeDeadlineSeconds=60), mine("a", "Running"))
    status = status_of(actions)
    assert status["uncountedTerminatedPods"] == {"failed": ["uid-a"]}
    assert (status.get("active"), status["terminating"]) == (None, 1)
    assert freed(actions) == []
    rules = {"rules": [{"succeededCount": 1}]}
    body = job(**INDEXES, successPolicy=rules)
    actions = decide(body, of_index(0, "Succeeded"), of_index(1))
    status = status_of(actions)
    assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet"]
    assert status["uncountedTerminatedPods"] == {}
    assert (deleted(actions), freed(actions)) == (["p1"], ["p1"])


def test_restarts_in_pods_use_up_the_limit() -> None:
    template = {"metadata": {}, "spec": {"restartPolicy": "OnFailure", "containers": []}}
    tried = mine("a", "Running", status={"containerStatuses": [{"name": "m", "restartCount": 2}]})
    body = job(backoffLimit=3, template=template)
    assert "conditions" not in status_of(decide(body, tried))
    assert status_of(decide(job(backoffLimit=2, template=template), tried))["conditions"][0][
        "reason"
    ] == "BackoffLimitExceeded"  # fmt: skip
    untried = mine("a", "Running", status={"containerStatuses": [{"name": "m", "restartCount": 0}]})
    assert "conditions" not in status_of(decide(job(backoffLimit=0, template=template), untried))


def test_failures_delay_also_when_their_pods_are_gone() -> None:
    body = job(backoffLimit=9)
    pods = (failed_at("a", "2027-01-15T08:59:55Z"), failed_at("b", "2027-01-15T08:59:58Z"))
    plan = reconcile(View(body, pods, (), NOW))
    assert plan.wake_at == NOW + 18
    plan = reconcile(View(body, (), (), NOW, plan.remember))
    assert (made(plan), plan.wake_at) == ([], NOW + 18)
    assert made(reconcile(View(body, (), (), NOW + 18, plan.remember)))


def test_ignored_failures_delay_too_and_a_success_ends_the_delay() -> None:
    evicted = [{"type": "DisruptionTarget", "status": "True"}]
    ignored = mine(
        "b", "Failed", status={"conditions": evicted}, creationTimestamp="2027-01-15T08:59:58Z"
    )
    body = job(podFailurePolicy=POLICY, completions=5, parallelism=2)
    plan = reconcile(View(body, (ignored,), (), NOW))
    assert (made(plan), plan.wake_at) == ([], NOW + 8)
    good = mine("c", "Succeeded", creationTimestamp="2027-01-15T08:59:59Z")
    assert made(reconcile(View(body, (ignored, good), (), NOW, plan.remember)))


def test_pods_that_were_given_up_delay_nothing() -> None:
    gone = mine("a", "Running", tracked=False)
    gone["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:59Z"
    assert made(decide(job(), gone))


def test_when_a_pod_ended() -> None:
    done = {"terminated": {"finishedAt": "2027-01-15T08:10:00Z"}}
    late = {"terminated": {"finishedAt": "2027-01-15T08:20:00Z"}}
    unready = {"type": "Ready", "status": "False", "lastTransitionTime": "2027-01-15T08:30:00Z"}
    body = mine("a", "Failed", status={
        "containerStatuses": [{"name": "m", "state": done}, {"name": "n", "state": {}}],
        "conditions": [unready],
    }, creationTimestamp="2027-01-15T08:00:00Z")  # fmt: skip
    assert ended_at(body) == seconds_of("2027-01-15T08:30:00Z")
    del body["status"]["containerStatuses"][1]
    assert ended_at(body) == seconds_of("2027-01-15T08:10:00Z")
    body["spec"]["initContainers"] = [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]
    body["status"]["initContainerStatuses"] = [{"name": "s", "state": late}, {"name": "i"}]
    assert ended_at(body) == seconds_of("2027-01-15T08:20:00Z")
    body["status"] = {"conditions": [{**unready, "status": "True"}]}
    assert ended_at(body) == seconds_of("2027-01-15T08:00:00Z")
    body["metadata"]["deletionTimestamp"] = "2027-01-15T08:50:30Z"
    body["metadata"]["deletionGracePeriodSeconds"] = 30
    assert ended_at(body) == seconds_of("2027-01-15T08:50:00Z")


def test_the_last_failed_pod_of_an_index_is_held_until_its_successor_is_there() -> None:
    body = job(**INDEXES, backoffLimitPerIndex=3, backoffLimit=99)
    lost = of_index(0, "Failed", "lost")
    others = (of_index(1), of_index(2))
    actions = decide(body, lost, *others)
    assert status_of(actions)["uncountedTerminatedPods"] == {}
    assert freed(actions) == []
    (successor,) = made(actions)
    assert (
        successor["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    )
    lost["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:59Z"  # by hand: it stays all the same
    assert freed(decide(body, lost, *others)) == []
    status = status_of(decide(body, lost, of_index(0, "Pending", "successor"), *others))
    assert status["uncountedTerminatedPods"] == {"failed": ["uid-lost"]}


def test_an_index_that_waits_takes_the_place_of_later_ones() -> None:
    body = job(**{**INDEXES, "parallelism": 1}, backoffLimitPerIndex=3, backoffLimit=99)
    lost = of_index(0, "Failed", creationTimestamp="2027-01-15T08:59:55Z")
    plan = reconcile(View(body, (lost,), (), NOW))
    assert (made(plan), plan.wake_at) == ([], NOW + 5)


def test_failed_indexes_end_a_job_before_its_success_policy() -> None:
    rules = {"rules": [{"succeededIndexes": "0-1"}]}
    body = job(**INDEXES, backoffLimitPerIndex=0, backoffLimit=99, successPolicy=rules)
    pods = (of_index(0, "Succeeded"), of_index(1, "Succeeded"), of_index(2, "Failed"))
    assert status_of(decide(body, *pods))["conditions"][0]["reason"] == "FailedIndexes"
    assert status_of(decide(job(**INDEXES, backoffLimitPerIndex=0)))["failedIndexes"] == ""


def test_success_rules() -> None:
    def message(done: set[int], **rule: Any) -> str:
        return success_message(job(**INDEXES, successPolicy={"rules": [rule]}), done)

    assert message({0, 1}, succeededIndexes="0-1") == "Matched rules at index 0"
    assert message({0}, succeededIndexes="0-1") == ""
    assert message({0, 1}, succeededIndexes="0-1,5") == "Matched rules at index 0"  # became smaller
    assert message({2}, succeededCount=1) == "Matched rules at index 0"


def test_the_condition_of_the_pod_comes_first_in_a_message() -> None:
    patterns = [{"type": "B", "status": "True"}, {"type": "A", "status": "True"}]
    policy = {"rules": [{"action": "FailJob", "onPodConditions": patterns}]}
    found = [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]
    lost = mine("a", "Failed", status={"conditions": found})
    _, message = judge_failure(job(podFailurePolicy=policy), lost)
    assert message == "Pod default/a has condition A matching FailJob rule at index 0"


def test_suspension_takes_the_start_away_and_resuming_sets_it_anew() -> None:
    actions = decide(job(suspend=True), mine("a", "Running"))
    status = status_of(actions)
    assert "startTime" not in status
    assert (freed(actions), deleted(actions)) == (["a"], ["a"])
    assert ("Suspended", "Job suspended") in told(actions)
    assert (status.get("active"), status["terminating"]) == (None, 1)
    status["startTime"] = "2027-01-15T07:00:00Z"  # of a server that leaves it
    actions = decide(job(status))
    assert status_of(actions)["startTime"] == "2027-01-15T09:00:00Z"
    assert status_of(actions)["conditions"][0]["reason"] == "JobResumed"
    assert ("Resumed", "Job resumed") in told(actions)


def test_a_job_that_is_deleted_counts_on_but_makes_and_deletes_nothing() -> None:
    body = job(parallelism=3, completions=9)
    body["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:59Z"
    actions = decide(body, mine("a", "Running"), mine("b", "Succeeded"))
    assert (made(actions), deleted(actions), freed(actions)) == ([], [], ["a"])
    assert status_of(actions)["uncountedTerminatedPods"] == {"succeeded": ["uid-b"]}


def test_too_many_successes_are_told() -> None:
    done = {"succeeded": 2, "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}
    assert told(decide(job(done))) == [
        ("TooManySucceededPods", "Too many succeeded pods running after completion count reached"),
        ("Completed", "Job completed"),
    ]


def test_a_namespace_that_ends_is_not_told_of() -> None:
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    view, action = View(job(), (), (), NOW), Create(PODS, {})
    assert refused(view, action, Forbidden("it ends", causes)).actions == ()
    (event,) = refused(view, action, Forbidden("no room")).actions
    assert isinstance(event, EmitEvent)
    assert (event.reason, event.message) == ("FailedCreate", "Error creating: no room")


class Cache:
    """What there is of one resource; every index finds all of it."""

    def __init__(self, *objects: Object) -> None:
        self._objects = objects

    def get(self, namespace: str, name: str) -> Object | None:
        return next((o for o in self._objects if o["metadata"]["name"] == name), None)

    def by(self, index: str, value: str) -> tuple[Object, ...]:
        return self._objects

    def all(self, namespace: str) -> tuple[Object, ...]:
        return self._objects


def let_go(pod_: Object, *jobs: Object) -> bool:
    caches: Any = {JOBS: Cache(*jobs), PODS: Cache(pod_)}
    found = CONTROLLER.view(caches, Key("default", "j"), NOW)
    plan = reconcile(found) if found is not None else None
    return plan is not None and any(
        isinstance(a, Patch) and a.body["metadata"].get("finalizers", ()) is None
        for a in plan.actions
    )


def test_a_pod_is_not_held_for_a_job_that_is_gone() -> None:
    """A Job that is deleted in the background is gone before its pods."""
    held = mine("a", "Running")
    assert let_go(held)
    assert not let_go(held, job())
    other = job()
    other["metadata"]["uid"] = "another job of that name"
    assert let_go(held, other)
    assert not let_go(held, job(managedBy="example.com/other"))


def test_a_pod_that_a_job_left_behind_is_not_held() -> None:
    held = mine("a", "Running")
    del held["metadata"]["ownerReferences"]
    held["metadata"]["labels"]["batch.kubernetes.io/job-name"] = "j"
    (held_for,) = CONTROLLER.watches[1].indexes["held for job"](held)
    assert held_for == "default/j"
    assert let_go(held)
