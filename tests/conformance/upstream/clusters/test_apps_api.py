"""[sig-apps] of Kubernetes' conformance tests in which no pod runs."""

from __future__ import annotations

from typing import Any

import pytest
from discovery import check_discovery
from e2eimages import BUSYBOX, NOWHERE
from framework import Framework
from kinds import CRON_JOBS, PDBS, PODS, QUOTAS, RCS
from typedclient import MERGE, Refused, Thing, until
from workloads import owner_uids, rc

pytestmark = pytest.mark.slow


def cron_job(name: str, schedule: str, policy: str, **spec: Any) -> Thing:
    """Return what newTestCronJob makes."""
    pod = {
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "c", "image": BUSYBOX, "command": ["/bin/true"],
                "volumeMounts": [{"mountPath": "/data", "name": "data"}],
            }
        ],
    }  # fmt: skip
    job = {"parallelism": 1, "completions": 1, "backoffLimit": 1, "template": {"spec": pod}}
    return {
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": schedule, "concurrencyPolicy": policy, "jobTemplate": {"spec": job}, **spec
        },
    }  # fmt: skip


def test_cron_job_operations(f: Framework):
    """CronJob should support CronJob API operations"""
    check_discovery(f.client, "batch/v1", "cronjobs", "cronjobs/status")
    cron_jobs, chosen = f.typed(CRON_JOBS), f"special-label={f.unique}"
    value = cron_job(
        "test-api", "* */1 * * ?", "Allow", successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0
    )
    value["metadata"]["labels"] = {"special-label": f.unique}
    made = cron_jobs.create(value)
    assert cron_jobs.get("test-api")["metadata"]["uid"] == made["metadata"]["uid"]
    listed = cron_jobs.list(chosen)
    assert len(listed["items"]) == len(f.typed(CRON_JOBS, "").items(chosen)) == 1
    version = listed["metadata"]["resourceVersion"]
    f.typed(CRON_JOBS, "").watch(chosen, version=version).stop()
    with cron_jobs.watch(chosen, version=version) as watch:
        notes = {"metadata": {"annotations": {"patched": "true"}}}
        assert cron_jobs.patch("test-api", notes, MERGE)["metadata"]["annotations"]["patched"]
        updated = cron_jobs.retry(
            "test-api", lambda o: o["metadata"]["annotations"].update(updated="true")
        )
        assert updated["metadata"]["annotations"]["updated"] == "true"
        watch.until("MODIFIED", lambda o: o["metadata"].get("annotations", {}).get("patched"))
    moments = ("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z")
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"lastScheduleTime": moments[0]},
    }
    patched = cron_jobs.patch("test-api", patch, MERGE, "status")
    assert patched["status"]["lastScheduleTime"] == moments[0]
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    updated = cron_jobs.retry(
        "test-api", lambda o: o["status"].update(lastScheduleTime=moments[1]), "status"
    )
    assert updated["status"]["lastScheduleTime"] == moments[1]
    status = f.dynamic(CRON_JOBS).get("test-api", "status")
    assert status["metadata"]["uid"] == made["metadata"]["uid"]
    value["metadata"]["name"] = "for-removal"
    cron_jobs.create(value)
    cron_jobs.delete("for-removal")
    assert not cron_jobs.exists("for-removal")
    cron_jobs.delete_collection(chosen)
    assert cron_jobs.items(chosen) == []


def budget(name: str, least: Any, labels: dict[str, str]) -> Thing:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": {"foo": "bar"}}, "minAvailable": least},
    }


def processed(f: Framework, namespace: str, name: str) -> None:
    """Wait as waitForPdbToBeProcessed."""

    def seen() -> bool:
        found = f.typed(PDBS, namespace).get(name)
        return bool(
            found.get("status", {}).get("observedGeneration", 0) >= found["metadata"]["generation"]
        )

    until(seen)


def test_budgets_of_all_namespaces(f: Framework):
    """DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a
    collection of PodDisruptionBudgets"""
    other, labels = f.another_namespace(), {"foo_pdb": f.unique}
    for namespace, name, least in (
        (f.namespace, "foo", 2), (f.namespace, "foo2", "1%"), (other, "foo3", 2)
    ):  # fmt: skip
        f.typed(PDBS, namespace).create(budget(name, least, labels))
        processed(f, namespace, name)
    chosen = f"foo_pdb={f.unique}"
    found = sorted(item["metadata"]["name"] for item in f.typed(PDBS, "").items(chosen))
    assert found == ["foo", "foo2", "foo3"]
    assert len(f.typed(PDBS).items(chosen)) == 2
    f.typed(PDBS).delete_collection()
    until(lambda: f.typed(PDBS).items() == [])
    assert len(f.typed(PDBS, "").items(chosen)) == 1


def test_budget(f: Framework):
    """DisruptionController should create a PodDisruptionBudget"""
    budgets = f.typed(PDBS)
    budgets.create(budget("foo", "1%", {}))
    processed(f, f.namespace, "foo")
    updated = budgets.retry("foo", lambda o: o["spec"].update(minAvailable="2%"))
    assert updated["spec"]["minAvailable"] == "2%"
    processed(f, f.namespace, "foo")
    patched = budgets.patch("foo", {"spec": {"minAvailable": "3%"}}, MERGE)
    assert patched["spec"]["minAvailable"] == "3%"
    processed(f, f.namespace, "foo")
    budgets.delete("foo")
    until(lambda: not budgets.exists("foo"))


def replicas(f: Framework, name: str) -> int:
    found: int = f.typed(RCS).get(name)["status"].get("replicas", 0)
    return found


def test_replication_controller_scale(f: Framework):
    """ReplicationController should get and update a ReplicationController scale"""
    rcs = f.typed(RCS)
    rcs.create(rc("e2e-rc", 1, {"name": "e2e-rc"}, NOWHERE))
    until(lambda: replicas(f, "e2e-rc") == 1)
    scale = rcs.get("e2e-rc", "scale")
    assert (scale["kind"], scale["status"]["replicas"]) == ("Scale", 1)
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    rcs.update(scale, "scale")
    until(lambda: replicas(f, "e2e-rc") == 2)


def test_replication_controller_releases(f: Framework):
    """ReplicationController should release no longer matching pods"""
    rcs, pods, name = f.typed(RCS), f.typed(PODS), "pod-release"
    value = rc(name, 1, {"name": name}, NOWHERE)
    value["spec"]["selector"] = {"name": name}
    made = rcs.create(value)
    [pod] = until(lambda: pods.items(f"name={name}"))
    pods.retry(
        pod["metadata"]["name"], lambda o: o["metadata"].update(labels={"name": "not-matching"})
    )
    until(lambda: made["metadata"]["uid"] not in owner_uids(pods.get(pod["metadata"]["name"])))
    until(lambda: len(pods.items(f"name={name}")) == 1)


def test_replication_controller_with_exceeded_quota(f: Framework):
    """ReplicationController should surface a failure condition on a common issue like exceeded quota"""
    quotas, rcs, name = f.typed(QUOTAS), f.typed(RCS), "condition-test"
    quotas.create({"metadata": {"name": name}, "spec": {"hard": {"pods": "2"}}})
    until(lambda: quotas.get(name).get("status", {}).get("hard", {}).get("pods") == "2")
    made = rcs.create(rc(name, 3, {"name": name}, NOWHERE))

    def failing(generation: int) -> bool | None:
        status = rcs.get(name).get("status", {})
        if generation > status.get("observedGeneration", 0):
            return None
        return "ReplicaFailure" in [c["type"] for c in status.get("conditions", [])]

    until(lambda: failing(made["metadata"]["generation"]) is True)
    scaled = rcs.retry(name, lambda o: o["spec"].update(replicas=2))
    until(lambda: failing(scaled["metadata"]["generation"]) is False)


def test_schedules_that_are_refused(f: Framework):
    """A schedule with a question mark is right; one with six fields is not."""
    f.typed(CRON_JOBS).create(cron_job("right", "*/1 * * * ?", "Forbid"))
    with pytest.raises(Refused) as refused:
        f.typed(CRON_JOBS).create(cron_job("wrong", "*/1 * * * * ?", "Forbid"))
    assert refused.value.code == 422
