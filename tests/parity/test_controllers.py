"""Fine rules of the controllers of workloads, where clients come to see them."""

from __future__ import annotations

import pytest

from parity.manifests import WAIT, daemonset, deployment, job, owned, statefulset
from parity.target import Object, Target, condition, conditions

#: Does not heed that it shall end, for as long as its grace period is.
STUBBORN = "trap '' TERM; while true; do sleep 1; done"
ROLLBACK = "deprecated.deployment.rollback.to"


def quota(name: str, **hard: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
        "spec": {"hard": hard},
    }  # fmt: skip


def status(target: Target, kind: str, name: str) -> Object:
    found: Object = target.get(kind, name).get("status") or {}
    return found


# -- deployments and replica sets


def test_pods_that_are_ending_are_counted(target: Target):
    slow = {"terminationGracePeriodSeconds": 4}
    target.create(deployment("web", 1, STUBBORN, pods=slow))
    target.wait(lambda: status(target, "deployments", "web").get("readyReplicas") == 1)
    assert status(target, "deployments", "web")["terminatingReplicas"] == 0
    target.patch("deployments", "web", {"spec": {"replicas": 0}})
    target.wait(lambda: status(target, "deployments", "web").get("terminatingReplicas") == 1)
    assert "replicas" not in status(target, "deployments", "web")
    target.wait(lambda: status(target, "deployments", "web").get("terminatingReplicas") == 0)


def test_an_annotation_brings_an_old_revision_back(target: Target):
    target.create(deployment("web", 0))
    target.wait(lambda: len(target.list("replicasets")) == 1)
    change = {"spec": {"template": {"metadata": {"annotations": {"rev": "2"}}}}}
    target.patch("deployments", "web", change)
    target.wait(lambda: len(target.list("replicasets")) == 2)
    target.patch("deployments", "web", {"metadata": {"annotations": {ROLLBACK: "1"}}})

    def back() -> bool:
        body = target.get("deployments", "web")
        template = body["spec"]["template"]["metadata"]
        notes = body["metadata"]["annotations"]
        return "annotations" not in template and ROLLBACK not in notes

    target.wait(back)
    assert target.told("web", "DeploymentRollback")["message"] == (
        'Rolled back deployment "web" to revision 1'
    )


def test_a_quota_that_refuses_pods_shows_in_the_deployment(target: Target):
    target.create(quota("q", pods="0"))
    target.wait(lambda: status(target, "resourcequotas", "q").get("hard"))
    target.create(deployment("web", 1))
    target.wait(lambda: condition(target.get("deployments", "web"), "ReplicaFailure") == "True")
    [owner] = target.list("replicasets")
    mine = conditions(target.get("deployments", "web"))["ReplicaFailure"]
    its = conditions(owner)["ReplicaFailure"]
    assert (mine["reason"], mine["message"]) == ("FailedCreate", its["message"])
    assert mine["lastUpdateTime"] == mine["lastTransitionTime"] == its["lastTransitionTime"]


# -- stateful and daemon sets


@pytest.mark.parametrize("kind", ["statefulsets", "daemonsets"])
def test_a_set_that_is_made_again_takes_over_what_it_had(target: Target, kind: str):
    body = statefulset("s", 1) if kind == "statefulsets" else daemonset("s")

    def ready() -> bool:
        found = status(target, kind, "s")
        return bool(found.get("readyReplicas") or found.get("numberReady"))

    target.create(body)
    target.wait(ready)
    before = {one["metadata"]["uid"] for one in target.pods("app=s")}
    revisions = target.names("controllerrevisions")
    target.delete(kind, "s", propagation="Orphan")
    target.gone(kind, "s")
    made = target.create(body)

    def adopted(kind: str) -> bool:
        owners = [one["metadata"].get("ownerReferences", [{}]) for one in target.list(kind)]
        return all(owner[0].get("uid") == made["metadata"]["uid"] for owner in owners)

    target.wait(lambda: adopted("pods") and adopted("controllerrevisions"))
    target.wait(ready)
    assert {one["metadata"]["uid"] for one in target.pods("app=s")} == before
    assert target.names("controllerrevisions") == revisions


def test_a_stateful_pod_gets_its_label_back(target: Target):
    target.create(statefulset("s", 1))
    target.ready("s-0")
    label = "statefulset.kubernetes.io/pod-name"
    target.patch("pods", "s-0", {"metadata": {"labels": {label: None}}})
    target.wait(lambda: target.get("pods", "s-0")["metadata"]["labels"].get(label) == "s-0")
    target.told("s", "SuccessfulUpdate")


def test_how_many_stateful_pods_may_be_down_is_not_asked(target: Target):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    made = target.create(statefulset("s", 0, updateStrategy=rolling))
    assert made["spec"]["updateStrategy"]["rollingUpdate"] == {"partition": 0}


# -- jobs


def ended(target: Target, kind: str) -> Object:
    """Wait until the Job j ends so; return its status."""
    target.wait(
        lambda: condition(target.get("jobs", "j"), kind) == "True",
        60, lambda: target.get("jobs", "j").get("status"),
    )  # fmt: skip
    return status(target, "jobs", "j")


def kinds(found: Object) -> list[tuple[str, str]]:
    return [(one["type"], one["reason"]) for one in found["conditions"]]


def test_a_job_says_first_that_it_will_end_and_then_that_it_has(target: Target):
    target.create(job("j", WAIT, activeDeadlineSeconds=2, parallelism=2))
    found = ended(target, "Failed")
    assert kinds(found) == [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")]
    assert found["failed"] == 2
    assert (found["ready"], found["terminating"]) == (0, 0)
    assert found["uncountedTerminatedPods"] == {}


def test_a_job_that_is_suspended_has_not_started(target: Target):
    target.create(job("j", WAIT))
    target.wait(lambda: status(target, "jobs", "j").get("ready") == 1)
    target.patch("jobs", "j", {"spec": {"suspend": True}})
    target.wait(lambda: "startTime" not in status(target, "jobs", "j"))
    target.wait(lambda: not target.pods("job=j"))
    assert "failed" not in status(target, "jobs", "j")
    target.told("j", "Suspended")
    target.patch("jobs", "j", {"spec": {"suspend": False}})
    target.wait(lambda: status(target, "jobs", "j").get("ready") == 1)
    assert status(target, "jobs", "j")["startTime"]
    target.told("j", "Resumed")


INDEXED = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}


@pytest.mark.parametrize("how", ["limit", "rule"])
def test_an_index_may_fail_alone(target: Target, how: str):
    policy: Object = {}
    if how == "rule":
        rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}
        policy = {"podFailurePolicy": {"rules": [rule]}}
    limit = 0 if how == "limit" else 5
    script = "[ $JOB_COMPLETION_INDEX != 1 ] || exit 3"
    target.create(job("j", script, backoffLimitPerIndex=limit, **INDEXED, **policy))
    found = ended(target, "Failed")
    assert kinds(found)[-1] == ("Failed", "FailedIndexes")
    assert (found["completedIndexes"], found["failedIndexes"]) == ("0,2", "1")
    assert (found["succeeded"], found["failed"]) == (2, 1)


def test_an_indexed_job_becomes_smaller(target: Target):
    target.create(job("j", WAIT, **INDEXED))
    target.wait(lambda: status(target, "jobs", "j").get("ready") == 3)
    target.patch("jobs", "j", {"spec": {"completions": 1, "parallelism": 1}})
    target.wait(lambda: len(target.pods("job=j")) == 1)
    [left] = target.pods("job=j")
    assert left["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "0"
    assert left["spec"]["hostname"] == "j-0"
    target.wait(lambda: status(target, "jobs", "j").get("active") == 1)
    assert "failed" not in status(target, "jobs", "j")


def test_restarts_in_a_pod_count(target: Target):
    target.create(job("j", "exit 1", backoffLimit=1, pods={"restartPolicy": "OnFailure"}))
    assert kinds(ended(target, "Failed"))[-1] == ("Failed", "BackoffLimitExceeded")


def test_a_pod_that_somebody_deletes_has_failed(target: Target):
    target.create(job("j", WAIT, backoffLimit=1))
    target.wait(lambda: status(target, "jobs", "j").get("ready") == 1)
    [victim] = target.pods("job=j")
    target.delete("pods", victim["metadata"]["name"])
    target.wait(lambda: status(target, "jobs", "j").get("failed") == 1)
    target.never(lambda: target.pods("job=j"), 3)  # the next one waits ten seconds


@pytest.mark.parametrize("how", ["Foreground", "Background", "Orphan"])
def test_pods_are_held_for_no_job_that_goes(target: Target, how: str):
    script = "[ $JOB_COMPLETION_INDEX = 0 ] || sleep 1000"
    target.create(job("j", script, **INDEXED))
    target.wait(lambda: status(target, "jobs", "j").get("completedIndexes") == "0")
    target.wait(lambda: status(target, "jobs", "j").get("ready") == 2)
    target.delete("jobs", "j", propagation=how)
    target.gone("jobs", "j")
    if how == "Orphan":
        tracking = "batch.kubernetes.io/job-tracking"

        def free() -> bool:
            found = [one["metadata"] for one in target.list("pods", "job=j")]
            return len(found) == 3 and not any(
                one.get("ownerReferences") or tracking in one.get("finalizers", ()) for one in found
            )

        target.wait(free)
    else:
        target.wait(lambda: not target.list("pods", "job=j"))


# -- cron jobs


def cron(schedule: str, **spec: object) -> Object:
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {
            "schedule": schedule, "jobTemplate": {"spec": job("c", WAIT)["spec"]}, **spec,
        },
    }  # fmt: skip


def test_a_job_that_is_made_by_hand_is_not_counted(target: Target):
    made = target.create(cron("0 0 1 1 *"))
    target.create(owned(job("by-hand", WAIT), made, controller=True))
    event = target.told("c", "UnexpectedJob")
    text = "Saw a job that the controller did not create or forgot: by-hand"
    assert (event["type"], event["message"]) == ("Warning", text)
    assert "active" not in status(target, "cronjobs", "c")


def test_a_schedule_that_never_comes_is_told(target: Target):
    target.create(cron("0 0 31 2 *"))
    assert target.told("c", "InvalidSchedule")["message"].startswith(
        "invalid schedule: 0 0 31 2 * : "
    )
