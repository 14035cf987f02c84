"""How a Job is counted, judged and concluded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.objects import pod
from roost.api.values import Object
from roost.controllers.job import CONTROLLER, View, reconcile
from roost.controllers.job.facts import FINALIZER, format_indexes, parse_indexes
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
