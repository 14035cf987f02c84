"""[sig-apps] Deployment of Kubernetes' conformance tests, on nodes that say that pods run."""

from __future__ import annotations

from typing import Any

import pytest
from e2eimages import AGNHOST, HTTPD, HTTPD_NEW, NOWHERE
from framework import Framework
from kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from test_apps_sets import check_scale, check_status
from typedclient import MERGE, STRATEGIC, Thing, until
from workloads import deployment, owner_uids, replica_set, running

pytestmark = pytest.mark.slow
_REVISION = "deployment.kubernetes.io/revision"
_SAMPLE = {"name": "sample-pod"}


def complete(f: Framework, name: str) -> Thing:
    """Wait as DeploymentComplete does; return the deployment."""

    def done() -> Thing | None:
        value = f.typed(DEPLOYMENTS).get(name)
        status, wanted = value["status"], value["spec"]["replicas"]
        right = (
            status.get("updatedReplicas", 0)
            == status.get("replicas", 0)
            == status.get("availableReplicas", 0)
            == wanted
            and status.get("observedGeneration", 0) >= value["metadata"]["generation"]
        )
        return value if right else None

    value: Thing = until(done, what=f"deployment {name} is complete")
    return value


def sets_of(f: Framework, value: Thing) -> list[Thing]:
    uid = value["metadata"]["uid"]
    return [item for item in f.typed(REPLICA_SETS).items() if uid in owner_uids(item)]


def new_set(f: Framework, value: Thing) -> Thing:
    """Return the ReplicaSet of the deployment's revision."""
    number = value["metadata"]["annotations"][_REVISION]
    [found] = [
        item
        for item in sets_of(f, value)
        if item["metadata"].get("annotations", {}).get(_REVISION) == number
    ]
    image = value["spec"]["template"]["spec"]["containers"][0]["image"]
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == image
    return found


def condition(value: Thing, type_: str) -> Thing:
    found: Thing = next(c for c in value["status"]["conditions"] if c["type"] == type_)
    return found


def test_rolling_update_adopts(f: Framework):
    """Deployment RollingUpdateDeployment should delete old pods and create new ones"""
    value = replica_set("test-rolling-update-controller", 1, {**_SAMPLE, "pod": "httpd"})
    value["metadata"]["annotations"] = {_REVISION: "3546343826724305832"}
    old = f.typed(REPLICA_SETS).create(value)
    running(f, "name=sample-pod", 1)
    f.typed(DEPLOYMENTS).create(deployment("test-rolling-update-deployment", 1, _SAMPLE, AGNHOST))
    made = complete(f, "test-rolling-update-deployment")
    assert made["metadata"]["annotations"][_REVISION] == "3546343826724305833"
    sets = sets_of(f, made)
    assert len(sets) == 2
    assert old["metadata"]["uid"] in [item["metadata"]["uid"] for item in sets]
    assert new_set(f, made)["spec"]["replicas"] == 1
    pods = running(f, "name=sample-pod", 1)
    assert pods[0]["spec"]["containers"][0]["image"] == AGNHOST


def test_recreate(f: Framework):
    """Deployment RecreateDeployment should delete old pods and create new ones"""
    value = deployment("test-recreate-deployment", 1, {"name": "sample-pod-3"}, AGNHOST)
    value["spec"]["strategy"] = {"type": "Recreate"}
    f.typed(DEPLOYMENTS).create(value)
    complete(f, "test-recreate-deployment")
    begun = f.typed(PODS).list("name=sample-pod-3")["metadata"]["resourceVersion"]

    def change(found: Thing) -> None:
        found["spec"]["template"]["spec"]["containers"][0]["image"] = HTTPD

    with f.typed(PODS).watch("name=sample-pod-3", version=begun) as watch:
        f.typed(DEPLOYMENTS).retry("test-recreate-deployment", change)
        alive = {AGNHOST}
        while alive != {HTTPD}:
            kind, pod = watch.next()
            image = pod["spec"]["containers"][0]["image"]
            if kind == "DELETED":
                alive.discard(image)
            elif kind == "ADDED":
                alive.add(image)
            assert len(alive) <= 1, "pods of both revisions"
    complete(f, "test-recreate-deployment")


def test_old_replica_sets_go(f: Framework):
    """Deployment deployment should delete old replica sets"""
    labels = {"name": "cleanup-pod", "pod": "httpd"}
    f.typed(REPLICA_SETS).create(replica_set("test-cleanup-controller", 1, labels))
    running(f, "name=cleanup-pod", 1)
    value = deployment("test-cleanup-deployment", 1, {"name": "cleanup-pod"}, AGNHOST)
    value["spec"]["revisionHistoryLimit"] = 0
    begun = f.typed(PODS).list()["metadata"]["resourceVersion"]
    with f.typed(PODS).watch(version=begun) as watch:
        made = f.typed(DEPLOYMENTS).create(value)
        until(lambda: f.typed(REPLICA_SETS).exists("test-cleanup-controller") is False)
        until(lambda: len(sets_of(f, made)) == 1)
        [left] = running(f, "name=cleanup-pod", 1)
        watch.until("", lambda o: o["metadata"]["resourceVersion"]
                    == left["metadata"]["resourceVersion"])  # fmt: skip
    added = [pod["metadata"]["name"] for kind, pod in watch.seen if kind == "ADDED"]
    assert added == [left["metadata"]["name"]]


def test_rollover(f: Framework):
    """Deployment deployment should support rollover"""
    labels = {"name": "rollover-pod", "pod": "httpd"}
    f.typed(REPLICA_SETS).create(replica_set("test-rollover-controller", 1, labels))
    running(f, "name=rollover-pod", 1)
    name = "test-rollover-deployment"
    value = deployment(name, 1, {"name": "rollover-pod"}, NOWHERE)
    value["spec"]["minReadySeconds"] = 3
    limits = {"maxUnavailable": 0, "maxSurge": 1}
    value["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": limits}
    f.typed(DEPLOYMENTS).create(value)
    until(lambda: len(sets_of(f, f.typed(DEPLOYMENTS).get(name))) == 2)
    first = new_set(f, until(
        lambda: (v := f.typed(DEPLOYMENTS).get(name))["metadata"].get("annotations", {}).get(
            _REVISION) and v))  # fmt: skip
    until(lambda: f.typed(DEPLOYMENTS).get(name)["status"].get("updatedReplicas", 0) >= 1)
    for item in (first["metadata"]["name"], "test-rollover-controller"):
        found = f.typed(REPLICA_SETS).get(item)
        assert (found["spec"]["replicas"], found["status"]["replicas"]) == (1, 1)

    def change(found: Thing) -> None:
        container = found["spec"]["template"]["spec"]["containers"][0]
        container.update(name="agnhost", image=AGNHOST)

    f.typed(DEPLOYMENTS).retry(name, change)
    made = complete(f, name)
    for item in sets_of(f, made):
        wanted = 1 if item["metadata"]["uid"] == new_set(f, made)["metadata"]["uid"] else 0
        assert item["spec"]["replicas"] == wanted
    assert new_set(f, made)["status"]["availableReplicas"] == 1
    old = f.typed(REPLICA_SETS).get("test-rollover-controller")
    assert made["metadata"]["uid"] in owner_uids(old)


def test_lifecycle(f: Framework):
    """Deployment should run the lifecycle of a Deployment"""
    deployments, name = f.typed(DEPLOYMENTS), "test-deployment"
    labels = {"test-deployment-static": f.unique}
    chosen = f"test-deployment-static={f.unique}"
    value = deployment(name, 2, labels)
    value["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    watch = deployments.watch(chosen)
    deployments.create(value)
    watch.until("ADDED")
    ready: Any = lambda count: lambda o: o["status"].get("readyReplicas", 0) == count  # noqa: E731
    watch.until("", lambda o: ready(2)(o) and o["status"]["availableReplicas"] == 2)
    patch = {
        "metadata": {"labels": {"test-deployment": "patched"}},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": name, "image": AGNHOST}],
                }
            },
        },
    }
    deployments.patch(name, patch, STRATEGIC)
    watch.until("MODIFIED", lambda o: o["metadata"]["labels"].get("test-deployment") == "patched")
    watch.until(
        "",
        lambda o: (
            ready(1)(o)
            and o["spec"]["replicas"] == 1
            and o["spec"]["template"]["spec"]["containers"][0]["image"] == AGNHOST
        ),
    )
    [found] = f.typed(DEPLOYMENTS, "").items(chosen)
    assert found["metadata"]["labels"] == {**labels, "test-deployment": "patched"}

    # The object that was created, as the dynamic client sends it: without a version, with nulls.
    value["metadata"] |= {"labels": {**labels, "test-deployment": "updated"},
                          "creationTimestamp": None}  # fmt: skip
    made = value["spec"]["template"]
    made["metadata"]["creationTimestamp"] = None
    made["spec"]["containers"][0] |= {"image": HTTPD_NEW, "resources": {}}
    value |= {"status": {}}
    value["spec"]["strategy"] = {}
    f.dynamic(DEPLOYMENTS).update(value)
    watch.until("MODIFIED")

    def right(image: str) -> Any:
        def done(o: Thing) -> bool:
            status = o["status"]
            return bool(
                status.get("readyReplicas") == status.get("updatedReplicas") == 2
                and not status.get("unavailableReplicas")
                and o["spec"]["template"]["spec"]["containers"][0]["image"] == image
            )

        return done

    def check_updated() -> None:
        found = f.dynamic(DEPLOYMENTS).get(name, "status")
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == HTTPD_NEW
        assert found["metadata"]["labels"]["test-deployment"] == "updated"

    check_updated()
    watch.until("", right(HTTPD_NEW))
    status = {
        "metadata": {"labels": {"test-deployment": "patched-status"}},
        "status": {"readyReplicas": 0, "availableReplicas": 0},
    }
    f.dynamic(DEPLOYMENTS).patch(name, status, STRATEGIC, "status")
    watch.until("MODIFIED")
    check_updated()
    watch.until("", right(HTTPD_NEW))
    deployments.delete_collection(chosen, gracePeriodSeconds=1)
    watch.until("DELETED")
    watch.stop()
    until(lambda: f.typed(REPLICA_SETS).items(chosen) == [])
    until(lambda: f.typed(PODS).items(chosen) == [])


def test_status(f: Framework):
    """Deployment should validate Deployment Status endpoints"""
    labels = {"e2e": "testing"}
    value = deployment("test-deployment", 1, labels)
    f.typed(DEPLOYMENTS).create(value)
    made = complete(f, "test-deployment")
    assert condition(made, "Available")["status"] == "True"
    assert condition(made, "Progressing")["reason"] == "NewReplicaSetAvailable"
    check_status(f, DEPLOYMENTS, "test-deployment", "e2e=testing")


def test_scale(f: Framework):
    """Deployment Deployment should have a working scale subresource"""
    f.typed(DEPLOYMENTS).create(deployment("test-new-deployment", 1, {"name": "sample-pod"}))
    complete(f, "test-new-deployment")
    check_scale(f.typed(DEPLOYMENTS), "test-new-deployment")


def test_merge_patch_of_a_rollout(f: Framework):
    """What the tests above take for granted: a paused rollout waits, and then goes on."""
    deployments = f.typed(DEPLOYMENTS)
    deployments.create(deployment("d", 1, {"name": "d"}))
    complete(f, "d")
    deployments.patch("d", {"spec": {"paused": True}}, MERGE)
    containers = [{"name": "httpd", "image": "other"}]
    deployments.patch("d", {"spec": {"template": {"spec": {"containers": containers}}}}, MERGE)
    until(
        lambda: (
            "DeploymentPaused"
            in [c["reason"] for c in deployments.get("d")["status"]["conditions"]]
        )
    )
    assert len(sets_of(f, deployments.get("d"))) == 1
    deployments.patch("d", {"spec": {"paused": False}}, MERGE)
    complete(f, "d")
    assert len(sets_of(f, deployments.get("d"))) == 2
