"""[sig-apps] of Kubernetes' conformance tests for ReplicationControllers, ReplicaSets, StatefulSets,
DaemonSets and ControllerRevisions, on nodes that say that pods run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from e2eimages import AGNHOST, AGNHOST_OLD, HTTPD, HTTPD_NEW, PAUSE
from framework import Framework
from kinds import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    NODES,
    PODS,
    RCS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from standin import now
from typedclient import MERGE, STRATEGIC, Kind, Resource, Thing, until
from workloads import owner_uids, pod, rc, replica_set, running, template

pytestmark = pytest.mark.slow
_SAMPLE = {"name": "sample-pod", "pod": "httpd"}
_CONDITION = {"type": "StatusUpdate", "status": "True", "reason": "E2E",
              "message": "Set from e2e test"}  # fmt: skip


@dataclass(frozen=True)
class Web:
    """A web server of StatefulSets in two versions, and a page that both have."""

    old: str
    new: str
    path: str
    args: tuple[str, ...] = ()


#: The programme's versions have one of these.
_HTTPD = Web(HTTPD, HTTPD_NEW, "/index.html")
_AGNHOST = Web(AGNHOST_OLD, AGNHOST, "/localhost.crt", ("test-webserver",))


def check_status(f: Framework, kind: Kind, name: str, labels: str) -> None:
    """Read, update and patch a status, while a watch has to show each condition once."""
    resource = f.typed(kind)
    begun = resource.list()["metadata"]["resourceVersion"]
    assert f.dynamic(kind).get(name, "status")["metadata"]["name"] == name

    def add(value: Thing) -> None:
        value["status"]["conditions"] = [*value["status"].get("conditions", []), _CONDITION]

    updated = resource.retry(name, add, "status")
    assert _CONDITION.items() <= updated["status"]["conditions"][-1].items()

    def has(type_: str) -> Any:
        return lambda o: type_ in [c["type"] for c in o["status"].get("conditions", [])]

    with resource.watch(labels, version=begun) as watch:
        watch.until("MODIFIED", has("StatusUpdate"))
    patch = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = resource.patch(name, patch, MERGE, "status")
    assert [c["type"] for c in patched["status"]["conditions"]] == ["StatusPatched"]
    with resource.watch(labels, version=begun) as watch:
        watch.until("MODIFIED", has("StatusPatched"))


def check_scale(resource: Resource, name: str) -> None:
    """Read, update and patch a scale."""
    scale = resource.get(name, "scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    scale["metadata"]["resourceVersion"] = ""
    scale["spec"]["replicas"] = 2
    assert resource.update(scale, "scale")["spec"]["replicas"] == 2
    assert resource.get(name)["spec"]["replicas"] == 2
    # What Go makes of an autoscaling.Scale with this field.
    payload = {"metadata": {}, "spec": {"replicas": 4}, "status": {"replicas": 0}}
    resource.patch(name, payload, STRATEGIC, "scale")
    assert resource.get(name)["spec"]["replicas"] == 4


def test_replication_controller_adopts(f: Framework):
    """ReplicationController should adopt matching pods on creation"""
    name = "pod-adoption"
    f.typed(PODS).create(pod(name, {"name": name}))
    running(f, f"name={name}", 1)
    value = rc(name, 1, {"name": name})
    value["spec"]["selector"] = {"name": name}
    made = f.typed(RCS).create(value)
    until(lambda: made["metadata"]["uid"] in owner_uids(f.typed(PODS).get(name)))
    assert len(f.typed(PODS).items()) == 1


def test_replication_controller_lifecycle(f: Framework):
    """ReplicationController should test the lifecycle of a ReplicationController"""
    rcs, name, label = f.typed(RCS), "rc-test", f"test-rc-static={f.unique}"
    labels = {"test-rc-static": f.unique}
    value = rc(name, 1, labels)
    value["metadata"]["labels"] = labels
    value["spec"]["selector"] = labels
    with rcs.watch(label) as watch:
        rcs.create(value)
        watch.until("ADDED")
        watch.until("", lambda o: o["status"].get("readyReplicas") == 1)
        patch = {"metadata": {"labels": {"test-rc": "patched"}}, "spec": {},
                 "status": {"replicas": 0}}  # fmt: skip
        assert rcs.patch(name, patch, STRATEGIC)["metadata"]["labels"]["test-rc"] == "patched"
        watch.until("MODIFIED")
        none = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
        assert not rcs.patch(name, none, STRATEGIC, "status")["status"].get("readyReplicas")
        watch.until("MODIFIED")
        watch.until("", lambda o: o["status"].get("replicas") == 1)
        assert f.dynamic(RCS).get(name, "status")["status"]["replicas"] == 1
        scale = {"metadata": {}, "spec": {"replicas": 2}, "status": {"replicas": 0}}
        rcs.patch(name, scale, STRATEGIC, "scale")
        watch.until("MODIFIED")
        watch.until("", lambda o: o["status"].get("readyReplicas") == 2)
        assert rcs.get(name)["metadata"]["labels"]["test-rc"] == "patched"
        rcs.retry(
            name, lambda o: o["status"].update(availableReplicas=1, readyReplicas=1), "status"
        )
        watch.until("MODIFIED")
        [found] = f.typed(RCS, "").items(label)
        assert found["metadata"]["labels"] == {**labels, "test-rc": "patched"}
        rcs.delete_collection(label)
        watch.until("DELETED")


def test_replica_set_adopts_and_releases(f: Framework):
    """ReplicaSet should adopt matching pods on creation and release no longer matching pods"""
    name, pods = "pod-adoption-release", f.typed(PODS)
    pods.create(pod(name, {"name": name}))
    running(f, f"name={name}", 1)
    made = f.typed(REPLICA_SETS).create(replica_set(name, 1, {"name": name}))
    uid = made["metadata"]["uid"]
    until(lambda: uid in owner_uids(pods.get(name)))
    pods.retry(name, lambda o: o["metadata"].update(labels={"name": "not-matching-name"}))
    until(lambda: uid not in owner_uids(pods.get(name)))
    running(f, f"name={name}", 1)


def test_replica_set_scale(f: Framework):
    """ReplicaSet Replicaset should have a working scale subresource"""
    f.typed(REPLICA_SETS).create(replica_set("test-rs", 1, _SAMPLE))
    running(f, "name=sample-pod", 1)
    until(lambda: f.typed(REPLICA_SETS).get("test-rs")["status"].get("replicas") == 1)
    check_scale(f.typed(REPLICA_SETS), "test-rs")


def test_replica_set_replace_and_patch(f: Framework):
    """ReplicaSet Replace and Patch tests"""
    sets, name = f.typed(REPLICA_SETS), "test-rs"
    begun = f.typed(REPLICA_SETS, "").list("test-rs=patched")["metadata"]["resourceVersion"]
    sets.create(replica_set(name, 1, _SAMPLE))
    running(f, "name=sample-pod", 1)
    sets.retry(name, lambda o: o["spec"].update(replicas=2))
    containers = [{"name": name, "image": PAUSE}]
    sets.patch(
        name,
        {
            "metadata": {"labels": {"test-rs": "patched"}},
            "spec": {
                "replicas": 3,
                "template": {
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": containers}
                },
            },
        },
        STRATEGIC,
    )
    with sets.watch("test-rs=patched", version=begun) as watch:
        found = watch.until("", lambda o: o["status"].get("availableReplicas") == 3)
    assert found["status"]["readyReplicas"] == 3
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == PAUSE


def test_replica_set_collection(f: Framework):
    """ReplicaSet should list and delete a collection of ReplicaSets"""
    labels = {**_SAMPLE, "e2e": f.unique}
    f.typed(REPLICA_SETS).create(replica_set("test-rs", 3, labels))
    running(f, "name=sample-pod", 3)
    assert len(f.typed(REPLICA_SETS, "").items(f"e2e={f.unique}")) == 1
    f.typed(REPLICA_SETS).delete_collection(f"e2e={f.unique}", gracePeriodSeconds=1)
    assert f.typed(REPLICA_SETS, "").items(f"e2e={f.unique}") == []


def test_replica_set_status(f: Framework):
    """ReplicaSet should validate Replicaset Status endpoints"""
    f.typed(REPLICA_SETS).create(replica_set("test-rs", 1, _SAMPLE))
    running(f, "name=sample-pod", 1)
    check_status(f, REPLICA_SETS, "test-rs", "name=sample-pod,pod=httpd")


def stateful_set(name: str, count: int, web: Web = _HTTPD, **spec: Any) -> Thing:
    labels = {"foo": "bar", "baz": "blah"}
    made = template(labels, web.old, "webserver")
    made["metadata"]["annotations"] = {}
    probe = {"httpGet": {"path": web.path, "port": 80}, "periodSeconds": 1,
             "successThreshold": 1, "failureThreshold": 1}  # fmt: skip
    made["spec"]["containers"][0] |= {"readinessProbe": probe, "args": list(web.args)}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels}, "replicas": count, "template": made,
            "serviceName": "test", **spec,
        },
    }  # fmt: skip


def settled(f: Framework, name: str, count: int) -> Thing:
    """Wait until all pods of a StatefulSet are ready and its status says so."""

    def found() -> Thing | None:
        value = f.typed(STATEFUL_SETS).get(name)
        status = value["status"]
        seen = status.get("observedGeneration") == value["metadata"]["generation"]
        right = status.get("readyReplicas", 0) == status.get("replicas") == count
        return value if seen and right else None

    value: Thing = until(found, what=f"{name} with {count} ready pods")
    return value


def test_stateful_set_scale(f: Framework):
    """StatefulSet Basic StatefulSet functionality should have a working scale subresource"""
    f.typed(STATEFUL_SETS).create(stateful_set("ss", 1))
    settled(f, "ss", 1)
    check_scale(f.typed(STATEFUL_SETS), "ss")


def test_stateful_set_status(f: Framework):
    """StatefulSet Basic StatefulSet functionality should validate Statefulset Status endpoints"""
    f.typed(STATEFUL_SETS).create(stateful_set("ss", 1))
    settled(f, "ss", 1)
    check_status(f, STATEFUL_SETS, "ss", "foo=bar")


def test_stateful_set_collection(f: Framework):
    """StatefulSet Basic StatefulSet functionality should list, patch and delete a collection of
    StatefulSets"""
    sets = f.typed(STATEFUL_SETS)
    sets.create(stateful_set("test-ss", 1))
    settled(f, "test-ss", 1)
    patch = {
        "metadata": {"labels": {"test-ss": "patched"}},
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "test-ss", "image": PAUSE}],
                }
            },
        },
    }
    sets.patch("test-ss", patch, STRATEGIC)
    patched = settled(f, "test-ss", 2)
    until(lambda: sets.get("test-ss")["status"].get("updatedReplicas") == 2)
    assert patched["metadata"]["labels"]["test-ss"] == "patched"
    images = [item["image"] for item in patched["spec"]["template"]["spec"]["containers"]]
    assert images == [PAUSE, HTTPD]
    assert len(f.typed(STATEFUL_SETS, "").items("test-ss=patched")) == 1
    sets.delete_collection("test-ss=patched", gracePeriodSeconds=1)
    assert f.typed(STATEFUL_SETS, "").items("test-ss=patched") == []


@pytest.mark.parametrize("web", [_HTTPD, _AGNHOST], ids=["httpd", "agnhost"])
def test_stateful_set_phased(f: Framework, web: Web):
    """StatefulSet Basic StatefulSet functionality should perform canary updates and phased rolling
    updates of template modifications"""
    sets, pods = f.typed(STATEFUL_SETS), f.typed(PODS)

    def rolling(partition: int) -> Thing:
        return {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}

    sets.create(stateful_set("ss2", 3, web, updateStrategy=rolling(3)))
    begun = settled(f, "ss2", 3)
    old = begun["status"]["currentRevision"]
    assert begun["status"]["updateRevision"] == old

    def revisions() -> list[str]:
        return [
            item["metadata"]["labels"]["controller-revision-hash"]
            for item in sorted(pods.items(), key=lambda o: str(o["metadata"]["name"]))
        ]

    def images() -> list[str]:
        return [
            item["spec"]["containers"][0]["image"]
            for item in sorted(pods.items(), key=lambda o: str(o["metadata"]["name"]))
        ]

    assert revisions() == [old] * 3

    def change(value: Thing) -> None:
        value["spec"]["template"]["spec"]["containers"][0]["image"] = web.new

    sets.retry("ss2", change)
    updated = until(
        lambda: (found := settled(f, "ss2", 3))["status"]["updateRevision"] != old and found
    )
    new = updated["status"]["updateRevision"]
    assert updated["status"]["currentRevision"] == old
    assert revisions() == [old] * 3  # none: the partition is greater than the replicas

    sets.retry("ss2", lambda o: o["spec"].update(updateStrategy=rolling(2)))
    until(lambda: revisions() == [old, old, new] and len(running(f, "", 3)) == 3)

    def came_back(name: str, revision: str) -> bool:
        found = pods.get(name) if pods.exists(name) else {"metadata": {"labels": {}}}
        return found["metadata"]["labels"].get("controller-revision-hash") == revision

    for name, revision in (("ss2-0", old), ("ss2-2", new)):
        pods.delete(name, gracePeriodSeconds=0)
        until(lambda: len(revisions()) == 3)
        settled(f, "ss2", 3)
        until(partial(came_back, name, revision))
    assert revisions() == [old, old, new]
    assert images() == [web.old, web.old, web.new]
    for partition in (1, 0):
        sets.retry("ss2", lambda o: o["spec"].update(updateStrategy=rolling(partition)))  # noqa: B023
        wanted = [old] * partition + [new] * (3 - partition)
        until(lambda: revisions() == wanted)  # noqa: B023
        settled(f, "ss2", 3)
    assert images() == [web.new] * 3
    until(lambda: sets.get("ss2")["status"]["currentRevision"] == new)
    sets.retry("ss2", lambda o: o["spec"].update(replicas=0))
    until(lambda: not pods.items("foo=bar"))
    until(lambda: not sets.get("ss2")["status"].get("replicas"))


def daemon_set(name: str, labels: dict[str, str], image: str = HTTPD) -> Thing:
    made = template(labels, image, "app")
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": made},
    }


def on_nodes(f: Framework, labels: str, *nodes: str) -> list[Thing]:
    """Wait until exactly one available pod runs on each of the nodes."""

    def found() -> list[Thing] | None:
        pods = [
            item
            for item in f.typed(PODS).items(labels)
            if not item["metadata"].get("deletionTimestamp")
            and item["status"].get("phase") == "Running"
        ]
        right = sorted(item["spec"]["nodeName"] for item in pods) == sorted(nodes)
        return pods if right and (pods or not nodes) else None

    if not nodes:
        until(lambda: not f.typed(PODS).items(labels))
        return []
    pods: list[Thing] = until(found, what=f"daemon pods on {nodes}")
    return pods


def daemons_done(f: Framework, name: str) -> bool:
    status = f.typed(DAEMON_SETS).get(name)["status"]
    return bool(
        status["desiredNumberScheduled"]
        == status["currentNumberScheduled"]
        == status["numberReady"]
    )


def test_daemon_set_simple(f: Framework):
    """Daemon set should run and stop simple daemon"""
    f.typed(DAEMON_SETS).create(daemon_set("daemon-set", {"daemonset-name": "ds"}))
    pods = on_nodes(f, "daemonset-name=ds", *f.nodes)
    until(lambda: daemons_done(f, "daemon-set"))
    f.typed(PODS).delete(pods[0]["metadata"]["name"])
    until(lambda: not f.typed(PODS).exists(pods[0]["metadata"]["name"]))
    on_nodes(f, "daemonset-name=ds", *f.nodes)


def test_daemon_set_complex(f: Framework):
    """Daemon set should run and stop complex daemon"""
    nodes, sets, chosen = f.typed(NODES), f.typed(DAEMON_SETS), "daemonset-name=ds"
    label = f"daemonset-{f.unique}"
    value = daemon_set("daemon-set", {"daemonset-name": "ds"})
    value["spec"]["template"]["spec"]["nodeSelector"] = {label: "blue"}
    sets.create(value)
    on_nodes(f, chosen)

    def paint(colour: str) -> None:
        nodes.retry(f.nodes[0], lambda o: o["metadata"]["labels"].update({label: colour}))

    paint("blue")
    on_nodes(f, chosen, f.nodes[0])
    until(lambda: daemons_done(f, "daemon-set"))
    paint("green")
    on_nodes(f, chosen)
    patch = {
        "spec": {
            "template": {"spec": {"nodeSelector": {label: "green"}}},
            "updateStrategy": {"type": "RollingUpdate"},
        }
    }
    sets.patch("daemon-set", patch, STRATEGIC)
    on_nodes(f, chosen, f.nodes[0])
    until(lambda: daemons_done(f, "daemon-set"))
    nodes.retry(f.nodes[0], lambda o: o["metadata"]["labels"].pop(label))


def test_daemon_set_retries(f: Framework):
    """Daemon set should retry creating failed daemon pods"""
    f.typed(DAEMON_SETS).create(daemon_set("daemon-set", {"daemonset-name": "ds"}))
    pods = on_nodes(f, "daemonset-name=ds", *f.nodes)
    failed = f.typed(PODS).get(pods[0]["metadata"]["name"])
    failed["metadata"]["resourceVersion"] = ""
    failed["status"]["phase"] = "Failed"
    f.typed(PODS).update_status(failed)
    until(lambda: not f.typed(PODS).exists(failed["metadata"]["name"]))
    on_nodes(f, "daemonset-name=ds", *f.nodes)


def test_daemon_set_rolling_update(f: Framework):
    """Daemon set should update pod when spec was updated and update strategy is RollingUpdate"""
    sets, chosen = f.typed(DAEMON_SETS), "daemonset-name=ds"
    value = daemon_set("daemon-set", {"daemonset-name": "ds"})
    value["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    sets.create(value)
    on_nodes(f, chosen, *f.nodes)

    def revision() -> tuple[int, str]:
        newest = max(f.typed(CONTROLLER_REVISIONS).items(chosen), key=lambda o: int(o["revision"]))
        return newest["revision"], newest["metadata"]["labels"]["controller-revision-hash"]

    def hashes() -> set[str]:
        return {
            item["metadata"]["labels"]["controller-revision-hash"]
            for item in f.typed(PODS).items(chosen)
        }

    number, hashed = revision()
    assert number == 1
    assert hashes() == {hashed}
    # In the programme this field is outside the spec by mistake, and so ignored.
    patch = {
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": AGNHOST}]}}},
        "updateStrategy": {"type": "RollingUpdate"},
    }
    sets.patch("daemon-set", patch, STRATEGIC)

    def updated() -> bool:
        pods = f.typed(PODS).items(chosen)
        return [item["spec"]["containers"][0]["image"] for item in pods] == [AGNHOST] * 2

    until(updated)
    on_nodes(f, chosen, *f.nodes)
    number, hashed = revision()
    assert number == 2
    assert hashes() == {hashed}


def test_daemon_set_collection(f: Framework):
    """Daemon set should list and delete a collection of DaemonSets"""
    labels = {"daemonset-name": f.unique}
    chosen = f"daemonset-name={f.unique}"
    f.typed(DAEMON_SETS).create(daemon_set("daemon-set", labels))
    on_nodes(f, chosen, *f.nodes)
    assert len(f.typed(DAEMON_SETS, "").items(chosen)) == 1
    f.typed(DAEMON_SETS).delete_collection(chosen, gracePeriodSeconds=1)
    assert f.typed(DAEMON_SETS, "").items(chosen) == []


def test_daemon_set_status(f: Framework):
    """Daemon set should verify changes to a daemon set status"""
    labels = {"daemonset-name": f.unique}
    f.typed(DAEMON_SETS).create(daemon_set("daemon-set", labels))
    on_nodes(f, f"daemonset-name={f.unique}", *f.nodes)
    check_status(f, DAEMON_SETS, "daemon-set", f"daemonset-name={f.unique}")


def test_controller_revision(f: Framework):
    """ControllerRevision should manage the lifecycle of a ControllerRevision"""
    name, labels = "e2e-daemon-set", {"daemonset-name": f.unique}
    chosen = f"daemonset-name={f.unique}"
    sets, revisions = f.typed(DAEMON_SETS), f.typed(CONTROLLER_REVISIONS)
    sets.create(daemon_set(name, labels))
    on_nodes(f, chosen, *f.nodes)
    until(lambda: daemons_done(f, name))
    owner = sets.get(name)
    [initial] = f.typed(CONTROLLER_REVISIONS, "").items(chosen)
    assert owner_uids(initial) == [owner["metadata"]["uid"]]
    first = initial["metadata"]["name"]
    patched = revisions.patch(first, {"metadata": {"labels": {first: "patched"}}}, STRATEGIC)
    assert patched["metadata"]["labels"][first] == "patched"
    reference = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "name": name, "controller": True,
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": True,
    }  # fmt: skip
    second = f"{name}-5d8f9c7b6"
    made = {
        "metadata": {
            "name": second, "namespace": f.namespace,
            "labels": {**labels, "controller-revision-hash": "5d8f9c7b6"},
            "annotations": owner["metadata"].get("annotations", {}), "ownerReferences": [reference],
        },
        "data": initial["data"], "revision": initial["revision"] + 1,
    }  # fmt: skip
    revisions.create(made)
    until(lambda: len(revisions.items(chosen)) == 2)
    revisions.delete(first)
    until(lambda: len(revisions.items(chosen)) == 1)
    [current] = revisions.items()
    assert current["metadata"]["name"] == second
    updated = revisions.retry(second, lambda o: o["metadata"]["labels"].update({second: "updated"}))
    assert updated["metadata"]["labels"][second] == "updated"
    patch = {
        "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}},
        "updateStrategy": {"type": "RollingUpdate"},
    }
    sets.patch(name, patch, STRATEGIC)
    until(lambda: len(revisions.items(chosen)) == 2)
    revisions.delete_collection(f"{second}=updated")
    until(lambda: len(revisions.items(chosen)) == 1)
    [last] = revisions.items()
    assert last["revision"] == 3
    assert now()
