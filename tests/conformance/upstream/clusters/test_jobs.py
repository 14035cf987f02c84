"""[sig-apps] Job and DisruptionController of Kubernetes' conformance tests, on nodes that say that pods
run and end."""

from __future__ import annotations

from typing import Any

import pytest
from e2eimages import BUSYBOX
from framework import Framework
from kinds import JOBS, PDBS, PODS, REPLICA_SETS
from standin import now
from test_apps_api import processed
from typedclient import MERGE, STRATEGIC, Refused, Thing, newer, until
from workloads import pod, replica_set, running

pytestmark = pytest.mark.slow
_FAILS_ONCE = "if [[ -r /data/foo ]] ; then exit 0 ; else touch /data/foo ; exit 1 ; fi"


def job(
    name: str, parallelism: int, completions: int, script: str = "exit 0", **spec: Any
) -> Thing:
    """Return what NewTestJob makes."""
    labels = {"job-name": name}
    made = {
        "restartPolicy": spec.pop("restart", "Never"),
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "c", "image": BUSYBOX, "command": ["/bin/sh", "-c"], "args": [script],
                "volumeMounts": [{"mountPath": "/data", "name": "data"}],
            }
        ],
    }  # fmt: skip
    return {
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "parallelism": parallelism, "completions": completions, "backoffLimit": 6,
            "manualSelector": False,
            "template": {"metadata": {"labels": labels}, "spec": made}, **spec,
        },
    }  # fmt: skip


def completed(f: Framework, name: str, reason: str, count: int) -> Thing:
    """Wait as WaitForJobComplete."""

    def done() -> Thing | None:
        found = f.typed(JOBS).get(name)
        conditions = {c["type"]: c for c in found["status"].get("conditions", [])}
        if conditions.get("Complete", {}).get("status") != "True":
            return None
        assert conditions["Complete"]["reason"] == reason
        assert conditions["SuccessCriteriaMet"]["reason"] == reason
        return found if found["status"]["succeeded"] == count else None

    found: Thing = until(done, what=f"job {name} is complete")
    status = found["status"]
    assert not status.get("active")
    assert (status["ready"], status["terminating"]) == (0, 0)
    return found


def test_indexed_job(f: Framework):
    """Job should create pods for an Indexed job with completion indexes and specified hostname"""
    f.typed(JOBS).create(job("indexed-job", 2, 4, completionMode="Indexed"))
    found = completed(f, "indexed-job", "CompletionsReached", 4)
    assert found["status"]["completedIndexes"] == "0-3"
    indexes = set()
    for item in f.typed(PODS).items("job-name=indexed-job"):
        index = item["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        indexes.add(index)
        assert item["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == index
        assert item["spec"]["hostname"] == f"indexed-job-{index}"
    assert indexes == set("0123")


def test_job_with_local_restarts(f: Framework):
    """Job should run a job to completion when tasks sometimes fail and are locally restarted"""
    f.typed(JOBS).create(job("fail-once-local", 2, 4, _FAILS_ONCE, restart="OnFailure"))
    completed(f, "fail-once-local", "CompletionsReached", 4)
    pods = f.typed(PODS).items("job-name=fail-once-local")
    assert [item["status"]["phase"] for item in pods] == ["Succeeded"] * 4


@pytest.mark.parametrize("rule", [{"succeededIndexes": "0-1"}, {"succeededCount": 2}], ids=str)
def test_job_with_success_policy(f: Framework, rule: Thing):
    """Job with successPolicy should succeeded when all indexes succeeded"""
    rules = {"rules": [rule]}
    f.typed(JOBS).create(
        job("with-success-policy", 2, 2, completionMode="Indexed", successPolicy=rules)
    )
    found = completed(f, "with-success-policy", "SuccessPolicy", 2)
    assert found["status"]["completedIndexes"] == "0,1"
    assert not found["status"].get("failed")


def test_job_lifecycle(f: Framework):
    """Job should manage the lifecycle of a job"""
    jobs, name = f.typed(JOBS), f"e2e-{f.unique[-4:]}"
    chosen = f"e2e-job-label={name}"
    value = job(name, 2, 4, suspend=True)
    value["metadata"]["labels"] = {"e2e-job-label": name}
    begun = jobs.list(chosen)["metadata"]["resourceVersion"]
    made = jobs.create(value)
    patched = jobs.patch(name, {"metadata": {"labels": {name: "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"][name] == "patched"
    assert newer(patched, made)

    def change(found: Thing) -> None:
        found["spec"]["suspend"] = False
        found["metadata"].setdefault("annotations", {})["updated"] = "true"

    updated = jobs.retry(name, change)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    with jobs.watch(chosen, version=begun) as watch:
        watch.until("MODIFIED", lambda o: o["metadata"]["labels"].get(name) == "patched")
        watch.until("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("updated"))
    assert len(f.typed(JOBS, "").items(chosen)) == 1
    completed(f, name, "CompletionsReached", 4)
    jobs.delete_collection(chosen, propagationPolicy="Background")
    with jobs.watch(chosen, version=updated["metadata"]["resourceVersion"]) as watch:
        watch.until("DELETED")
    assert f.typed(JOBS, "").items(chosen) == []


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_job_that_is_deleted_while_it_runs(f: Framework, policy: str):
    """What the programme takes for granted: namespaces with such Jobs can be deleted."""
    value = job("j", 2, 4, "sleep 1000000")
    value["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    f.typed(JOBS).create(value)
    running(f, "job-name=j", 2)
    f.typed(JOBS).delete("j", propagationPolicy=policy)
    until(lambda: not f.typed(JOBS).exists("j"))
    if policy == "Orphan":
        until(lambda: not any(item["metadata"].get("finalizers") for item in f.typed(PODS).items()))
        assert len(running(f, "job-name=j", 2)) == 2
        f.typed(PODS).delete_collection("job-name=j")
    until(lambda: not f.typed(PODS).items())


def guard(f: Framework, **spec: Any) -> None:
    """Make a budget for pods foo=bar and wait until the controller has seen it."""
    f.typed(PDBS).create(
        {
            "metadata": {"name": "foo", "namespace": f.namespace},
            "spec": {"selector": {"matchLabels": {"foo": "bar"}}, **spec},
        }
    )
    processed(f, f.namespace, "foo")


def evict(f: Framework, name: str) -> None:
    eviction = {
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": f.namespace},
    }  # fmt: skip
    f.typed(PODS).create(eviction, "eviction", name)


def refuses(f: Framework, name: str) -> None:
    """Assert that an eviction is refused because of a budget."""
    with pytest.raises(Refused) as refused:
        evict(f, name)
    assert refused.value.code == 429
    causes = [cause["reason"] for cause in refused.value.status["details"]["causes"]]
    assert causes == ["DisruptionBudget"]


def test_eviction_is_blocked(f: Framework):
    """DisruptionController should block an eviction until the PDB is updated to allow it"""
    budgets = f.typed(PDBS)
    guard(f, minAvailable=3)
    f.typed(REPLICA_SETS).create(replica_set("rs", 3, {"foo": "bar"}))
    [first, *_] = running(f, "foo=bar", 3)
    name = first["metadata"]["name"]
    refuses(f, name)
    budgets.retry("foo", lambda o: o["spec"].update(minAvailable=2))
    until(lambda: (s := budgets.get("foo")["status"])["currentHealthy"] == 3
          and s["desiredHealthy"] == 2 and s["disruptionsAllowed"] == 1)  # fmt: skip
    evict(f, name)
    patch = {"spec": {"minAvailable": None, "maxUnavailable": 0}}
    budgets.patch("foo", patch, MERGE)
    processed(f, f.namespace, "foo")
    [first, *_] = running(f, "foo=bar", 3)
    refuses(f, first["metadata"]["name"])
    budgets.delete("foo")
    until(lambda: not budgets.exists("foo"))
    running(f, "foo=bar", 3)
    evict(f, first["metadata"]["name"])


def test_budget_status_is_observed(f: Framework):
    """DisruptionController should observe PodDisruptionBudget status updated"""
    guard(f, minAvailable=1)
    for number in range(3):
        f.typed(PODS).create(pod(f"pod-{number}", {"foo": "bar"}, restartPolicy="Always"))
    running(f, "foo=bar", 3)
    until(lambda: f.typed(PDBS).get("foo")["status"].get("disruptionsAllowed", 0) > 0)


def test_budget_status_is_changed(f: Framework):
    """DisruptionController should update/patch PodDisruptionBudget status"""
    guard(f, minAvailable=1)
    f.typed(PODS).create(pod("pod-0", {"foo": "bar"}))
    running(f, "foo=bar", 1)
    f.typed(PDBS).retry(
        "foo", lambda o: o["status"].update(disruptedPods={"pod-0": now()}), "status"
    )
    read = f.dynamic(PDBS).get("foo", "status")
    assert "pod-0" in read["status"]["disruptedPods"]
    patch = {"status": {"disruptedPods": None}}
    patched = f.typed(PDBS).patch("foo", patch, MERGE, "status")
    assert not patched["status"].get("disruptedPods")
