"""[sig-node] and [sig-scheduling] of Kubernetes' conformance tests about pods, on nodes that say that
pods run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from e2eimages import AGNHOST, BUSYBOX, HTTPD
from framework import Framework
from kinds import CONFIG_MAPS, EVENTS, NODES, PODS, PRIORITY_CLASSES, SECRETS
from standin import now
from typedclient import MERGE, STRATEGIC, Refused, Thing, until
from workloads import pod, running

pytestmark = pytest.mark.slow
_TAINT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal",
          "effect": "NoExecute"}  # fmt: skip
_FOO = "scheduling.k8s.io/foo"


def test_generation(f: Framework):
    """Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful
    delete"""
    value = pod("p", {"time": f.unique}, AGNHOST)
    value["metadata"]["generation"] = 100
    assert f.typed(PODS).create(value)["metadata"]["generation"] == 1
    [found] = running(f, f"time={f.unique}", 1)
    assert found["metadata"]["generation"] == 1
    with f.scene.held():
        answer = f.client.ask(
            "DELETE", f.typed(PODS).path("p"), {"gracePeriodSeconds": "60"}, Accept="*/*"
        )
        assert answer["metadata"]["deletionTimestamp"]
        assert f.typed(PODS).get("p")["metadata"]["generation"] == 2
    until(lambda: not f.typed(PODS).exists("p"))


def test_submitted_and_removed(f: Framework):
    """Pods should be submitted and removed"""
    pods, chosen = f.typed(PODS), f"time={f.unique}"
    listed = pods.list(chosen)
    assert listed["items"] == []
    with pods.watch(chosen, version=listed["metadata"]["resourceVersion"]) as watch:
        pods.create(pod("pod-submit-remove", {"name": "foo", "time": f.unique}))
        assert len(pods.items(chosen)) == 1
        watch.until("ADDED")
        running(f, chosen, 1)
        pods.delete("pod-submit-remove", gracePeriodSeconds=30)
        last = watch.until("DELETED")
    assert last["metadata"]["deletionTimestamp"]
    assert last["spec"]["terminationGracePeriodSeconds"] == 30
    assert pods.items(chosen) == []


def test_updated(f: Framework):
    """Pods should be updated"""
    pods = f.typed(PODS)
    pods.create(pod("pod-update", {"name": "foo", "time": f.unique}))
    running(f, f"time={f.unique}", 1)
    pods.retry("pod-update", lambda o: o["metadata"]["labels"].update(time="updated"))
    running(f, "time=updated", 1)
    assert len(pods.items("time=updated")) == 1


def test_host_address(f: Framework):
    """Pods should get a host IP"""
    f.typed(PODS).create(pod("pod-hostip", {"name": "p"}))
    [found] = running(f, "name=p", 1)
    assert found["status"]["hostIP"]


def test_status_is_patched(f: Framework):
    """Pods should patch a pod status"""
    f.typed(PODS).create(pod("p", {"e2e": "p"}, terminationGracePeriodSeconds=1))
    running(f, "e2e=p", 1)
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"message": "Patched by e2e test", "reason": "E2E"},
    }
    status = f.typed(PODS).patch("p", patch, MERGE, "status")["status"]
    assert (status["message"], status["reason"]) == ("Patched by e2e test", "E2E")


def test_lifecycle(f: Framework):
    """Pods should run through the lifecycle of Pods and PodStatus"""
    pods, chosen, name = f.typed(PODS), f"test-pod-static={f.unique}", "pod-test"
    begun = f.typed(PODS, "").list(chosen)["metadata"]["resourceVersion"]
    container = {
        "name": name,
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    pods.create(
        pod(
            name, {"test-pod-static": f.unique}, AGNHOST, terminationGracePeriodSeconds=1,
            container=container,
            securityContext={
                "runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
            },
        )
    )  # fmt: skip
    with pods.watch(chosen, version=begun) as watch:
        watch.until("", lambda o: o["status"].get("phase") == "Running")
    before = pods.get(name)["metadata"]["resourceVersion"]
    # What Go makes of a v1.Pod with these fields.
    patch = {
        "metadata": {"labels": {"test-pod": "patched"}},
        "spec": {
            "containers": [{"name": name, "image": HTTPD, "resources": {}}],
            "terminationGracePeriodSeconds": 1,
        },
        "status": {},
    }
    pods.patch(name, patch, STRATEGIC)
    with pods.watch(chosen, version=before) as watch:
        watch.until("MODIFIED")
    found = pods.get(name)
    assert found["metadata"]["labels"]["test-pod"] == "patched"
    assert found["spec"]["containers"][0]["image"] == HTTPD

    def unready(value: Thing) -> None:
        for condition in value["status"]["conditions"]:
            if condition["type"] in ("Ready", "ContainersReady"):
                condition["status"] = "False"

    updated = pods.retry(name, unready, "status")
    states = {c["type"]: c["status"] for c in updated["status"]["conditions"]}
    assert (states["Ready"], states["ContainersReady"]) == ("False", "False")
    pods.delete_collection(chosen, gracePeriodSeconds=1)
    with pods.watch(chosen, version=updated["metadata"]["resourceVersion"]) as watch:
        watch.until("DELETED")
    assert not pods.exists(name)


@contextlib.contextmanager
def tainted(f: Framework, node: str) -> Iterator[None]:
    """Put the taint on a node as AddOrUpdateTaintOnNode, and take it off again."""
    nodes = f.typed(NODES)

    nodes.patch(node, {"spec": {"taints": [{**_TAINT, "timeAdded": now()}]}}, STRATEGIC)
    try:
        yield
    finally:
        nodes.patch(node, {"spec": {"taints": None}}, STRATEGIC)


def tolerant(name: str, seconds: int, **spec: object) -> Thing:
    toleration = {**_TAINT, "tolerationSeconds": seconds}
    value = pod(name, {"group": "taint"}, tolerations=[toleration], **spec)
    value["metadata"]["deletionGracePeriodSeconds"] = 1  # the server takes it away
    return value


def test_taint_that_goes_again(f: Framework):
    """NoExecuteTaintManager Single Pod removing taint cancels eviction"""
    f.typed(PODS).create(tolerant("taint-eviction-4", 2))
    [found] = running(f, "group=taint", 1)
    listed = f.typed(PODS).list("group=taint")["metadata"]["resourceVersion"]
    with f.typed(PODS).watch("group=taint", version=listed) as watch:
        with tainted(f, found["spec"]["nodeName"]):
            pass
        with pytest.raises(AssertionError, match="no event"):
            watch.until("DELETED", within_s=3)


def test_evictions_by_taint(f: Framework):
    """NoExecuteTaintManager Multiple Pods evicts pods with minTolerationSeconds"""
    f.typed(PODS).create(tolerant("taint-eviction-b1", 1))
    [found] = running(f, "group=taint", 1)
    node = found["spec"]["nodeName"]
    f.typed(PODS).create(
        tolerant("taint-eviction-b2", 2, nodeSelector={"kubernetes.io/hostname": node})
    )
    running(f, "group=taint", 2)
    listed = f.typed(PODS).list("group=taint")["metadata"]["resourceVersion"]
    with f.typed(PODS).watch("group=taint", version=listed) as watch, tainted(f, node):
        gone = [watch.until("DELETED")["metadata"]["name"] for _ in range(2)]
    assert gone == ["taint-eviction-b1", "taint-eviction-b2"]


def outcome(f: Framework, name: str, reason: str) -> str:
    """Return the message of an event that is called after the pod."""

    def found() -> str:
        for event in f.typed(EVENTS).items():
            if event["metadata"]["name"].startswith(name) and event["reason"] == reason:
                said: str = event["message"]
                return said
        return ""

    message: str = until(found, what=f"{reason} of {name}")
    return message


def test_node_selector_that_does_not_match(f: Framework):
    """SchedulerPredicates validates that NodeSelector is respected if not matching"""
    value = pod("restricted-pod", {"name": "restricted"}, nodeSelector={"label": "nonempty"})
    f.typed(PODS).create(value)
    said = outcome(f, "restricted-pod", "FailedScheduling")
    assert "didn't match Pod's node affinity/selector" in said
    assert not f.typed(PODS).get("restricted-pod")["spec"].get("nodeName")


def test_node_selector_that_matches(f: Framework):
    """SchedulerPredicates validates that NodeSelector is respected if matching"""
    key = f"kubernetes.io/e2e-{f.unique}"
    f.typed(NODES).retry(f.nodes[1], lambda o: o["metadata"]["labels"].update({key: "42"}))
    f.typed(PODS).create(pod("with-labels", {"name": "p"}, nodeSelector={key: "42"}))
    [found] = running(f, "name=p", 1)
    assert found["spec"]["nodeName"] == f.nodes[1]
    f.typed(NODES).retry(f.nodes[1], lambda o: o["metadata"]["labels"].pop(key))


def on_node(node: str, **term: Any) -> Thing:
    """Return an affinity to one node: a pod's field of that name."""
    terms = [{kind: [{"operator": "In", "values": [node], **one}]} for kind, one in term.items()]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"nodeAffinity": required}


def test_limits(f: Framework):
    """SchedulerPredicates validates resource limits of pods that are allowed to run"""
    requested = {"requests": {"cpu": "7"}, "limits": {"cpu": "7"}}
    for node in f.nodes:
        f.typed(NODES).patch(node, {"metadata": {"labels": {"node": node}}}, STRATEGIC)
        f.typed(PODS).create(
            pod(f"filler-pod-{node}", {"name": "filler"}, container={"resources": requested},
                affinity=on_node(node, matchExpressions={"key": "node"}))
        )  # fmt: skip
    running(f, "name=filler", 2)
    for node in f.nodes:
        said = outcome(f, f"filler-pod-{node}", "Scheduled")
        assert said == f"Successfully assigned {f.namespace}/filler-pod-{node} to {node}"
    f.typed(PODS).create(pod("additional-pod", container={"resources": requested}))
    assert "Insufficient cpu" in outcome(f, "additional-pod", "FailedScheduling")
    conditions = f.typed(PODS).get("additional-pod")["status"]["conditions"]
    assert [(c["type"], c["status"]) for c in conditions] == [("PodScheduled", "False")]
    f.typed(PODS).delete_collection(gracePeriodSeconds=0)
    for node in f.nodes:
        f.typed(NODES).patch(node, {"metadata": {"labels": {"node": None}}}, STRATEGIC)


@pytest.fixture
def scarce(f: Framework) -> Iterator[str]:
    """Give nodes an extended resource and make classes of priority; returns their prefix."""
    prefix = f"sched-preemption-{f.unique[-4:]}"
    for level, value in (("low", 1), ("medium", 100), ("high", 1000)):
        f.typed(PRIORITY_CLASSES).create(
            {"metadata": {"name": f"{prefix}-{level}", "labels": {"e2e": f.unique}}, "value": value}
        )
    for node in f.nodes:
        f.typed(NODES).patch(
            node, {"status": {"capacity": {_FOO: "5"}, "allocatable": {_FOO: "5"}}}, STRATEGIC,
            "status",
        )  # fmt: skip
    yield prefix

    def remove(value: Thing) -> None:
        for kind in ("capacity", "allocatable"):
            value["status"][kind].pop(_FOO, None)

    for node in f.nodes:
        f.typed(NODES).retry(node, remove, "status")
    f.typed(PRIORITY_CLASSES).delete_collection(f"e2e={f.unique}")


def needing(name: str, priority: str, count: int, **more: object) -> Thing:
    resources = {"requests": {_FOO: str(count)}, "limits": {_FOO: str(count)}}
    value = pod(
        name, {"name": name}, priorityClassName=priority, container={"resources": resources},
        terminationGracePeriodSeconds=0,
    )  # fmt: skip
    value["metadata"] |= more
    return value


def test_preemption(f: Framework, scarce: str):
    """SchedulerPreemption validates basic preemption works"""
    pods = f.typed(PODS)
    names = []
    for number in range(4):
        level, node = "low" if number == 0 else "medium", f.nodes[number // 2]
        names.append(f"pod{number}-{level}-priority")
        value = needing(names[-1], f"{scarce}-{level}", 2)
        value["spec"]["affinity"] = on_node(node, matchFields={"key": "metadata.name"})
        pods.create(value)
        running(f, f"name={names[-1]}", 1)
    victim_node = pods.get(names[0])["spec"]["nodeName"]
    assert victim_node == f.nodes[0]
    pods.create(needing("preemptor-pod", f"{scarce}-high", 2))
    [found] = running(f, "name=preemptor-pod", 1)
    assert found["spec"]["nodeName"] == victim_node
    until(lambda: not pods.exists(names[0]))
    for name in names[1:]:
        assert not pods.get(name)["metadata"].get("deletionTimestamp")


def test_condition_of_the_preempted(f: Framework, scarce: str):
    """SchedulerPreemption validates pod disruption condition is added to the preempted pod"""
    pods = f.typed(PODS)
    victim = needing("victim-pod", f"{scarce}-low", 4, finalizers=["example.com/test-finalizer"])
    victim["spec"]["nodeSelector"] = {"kubernetes.io/hostname": f.nodes[0]}
    pods.create(victim)
    running(f, "name=victim-pod", 1)
    preemptor = needing("preemptor-pod", f"{scarce}-high", 4)
    preemptor["spec"]["nodeSelector"] = {"kubernetes.io/hostname": f.nodes[0]}
    pods.create(preemptor)
    until(lambda: pods.get("victim-pod")["metadata"].get("deletionTimestamp"))
    conditions = pods.get("victim-pod")["status"]["conditions"]
    found = next(c for c in conditions if c["type"] == "DisruptionTarget")
    assert (found["status"], found["reason"]) == ("True", "PreemptionByScheduler")
    pods.patch("victim-pod", {"metadata": {"finalizers": None}}, MERGE)
    running(f, "name=preemptor-pod", 1)


def test_wrapped_volumes(f: Framework):
    """EmptyDir wrapper volumes should not conflict"""
    f.typed(SECRETS).create({"metadata": {"name": "s"}, "data": {"data-1": "dmFsdWUtMQo="}})
    f.typed(CONFIG_MAPS).create({"metadata": {"name": "m"}, "data": {"data-1": "value-1"}})
    volumes = [
        {"name": "secret-volume", "secret": {"secretName": "s"}},
        {"name": "configmap-volume", "configMap": {"name": "m"}},
    ]
    mounts = [
        {"name": item["name"], "mountPath": f"/etc/{item['name']}", "readOnly": True}
        for item in volumes
    ]
    f.typed(PODS).create(
        pod("p", {"name": "p"}, container={"volumeMounts": mounts}, volumes=volumes)
    )
    running(f, "name=p", 1)


def test_failing_pod_can_be_deleted(f: Framework):
    """Kubelet when scheduling a busybox command that always fails in a pod should be possible to
    delete"""
    f.typed(PODS).create(pod("bin-false", {}, BUSYBOX, container={"command": ["/bin/false"]}))

    def ended() -> int | None:
        [status] = f.typed(PODS).get("bin-false")["status"].get("containerStatuses", [{}])
        state = status.get("lastState", {}).get("terminated") or {}
        code: int | None = state.get("exitCode")
        return code

    assert until(ended) == 1
    f.typed(PODS).delete("bin-false")
    until(lambda: not f.typed(PODS).exists("bin-false"))


def test_what_simulators_of_nodes_ask(f: Framework):
    """Pods that are on any node, or on one, in a list and a watch; finalizers taken by JSON patch."""
    pods, bound = f.typed(PODS), "spec.nodeName!="
    begun = pods.list(fields=bound)["metadata"]["resourceVersion"]
    value = pod("p", {"name": "p"})
    value["metadata"]["finalizers"] = ["example.com/simulator"]
    with pods.watch(fields=bound, version=begun) as watch:
        pods.create(value)
        node = watch.until("ADDED")["spec"]["nodeName"]
        running(f, "name=p", 1)
        chosen = f"spec.nodeName={node},status.phase=Running,status.phase!=Failed"
        assert len(pods.items(fields=chosen)) == 1
        pods.delete("p")
        watch.until("MODIFIED", lambda o: "deletionTimestamp" in o["metadata"])
        assert [o["metadata"]["name"] for o in pods.items(fields=bound)] == ["p"]
        patch = [{"op": "remove", "path": "/metadata/finalizers"}]
        pods.patch("p", patch, "application/json-patch+json")
        watch.until("DELETED")


def test_pods_that_cannot_be_changed(f: Framework):
    """What the tests above take for granted: other fields of a pod stay as they are."""
    f.typed(PODS).create(pod("p"))
    with pytest.raises(Refused) as refused:
        f.typed(PODS).retry("p", lambda o: o["spec"].update(hostname="other"))
    assert refused.value.code == 422
