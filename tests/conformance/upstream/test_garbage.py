"""test/e2e/apimachinery/garbage_collector.go and namespace.go: what goes with what."""

from __future__ import annotations

from typing import Any

import pytest

from conformance_names import unique
from goclient import MERGE, GoClient, Resource, poll

pytestmark = pytest.mark.slow
Object = dict[str, Any]
#: How many pods the tests make: half of what the nodes take, at least 10 and at most 100.
MANY = 100


def pod_spec() -> Object:
    container = {"name": "nginx", "image": "registry.k8s.io/e2e-test-images/nginx:1.15-4"}
    return {"terminationGracePeriodSeconds": 0, "containers": [container]}


def controller(space: str, name: str, replicas: int, labels: dict[str, str]) -> Object:
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    spec = {"replicas": replicas, "selector": labels, "template": template}
    return {"metadata": {"name": name, "namespace": space}, "spec": spec}


@pytest.fixture
def controllers(api: GoClient) -> Resource:
    return api.typed("v1", "ReplicationController", "replicationcontrollers")


@pytest.fixture
def pods(api: GoClient) -> Resource:
    return api.typed("v1", "Pod", "pods")


@pytest.fixture
def deployments(api: GoClient) -> Resource:
    return api.typed("apps/v1", "Deployment", "deployments")


@pytest.fixture
def sets(api: GoClient) -> Resource:
    return api.typed("apps/v1", "ReplicaSet", "replicasets")


def with_replicas(controllers: Resource, space: str, value: Object) -> Object:
    """Create a controller and wait for its pods."""
    made = controllers.create(space, value)
    name, wanted = made["metadata"]["name"], made["spec"]["replicas"]
    poll(lambda: controllers.get(space, name)["status"].get("replicas") == wanted, 60)
    return made


def remove(resource: Resource, space: str, made: Object, policy: str) -> None:
    uid = {"uid": made["metadata"]["uid"]}
    name = made["metadata"]["name"]
    resource.delete(space, name, propagationPolicy=policy, preconditions=uid)


def test_background_takes_the_pods(controllers: Resource, pods: Resource, space: str):
    """Garbage collector should delete pods created by rc when not orphaning"""
    made = controllers.create(space, controller(space, "simpletest.rc", 2, {"gc": "delete"}))
    poll(lambda: pods.items(space))
    remove(controllers, space, made, "Background")
    poll(lambda: not controllers.items(space) and not pods.items(space))


def test_orphan_leaves_the_pods(controllers: Resource, pods: Resource, space: str):
    """Garbage collector should orphan pods created by rc if delete options say so"""
    made = with_replicas(
        controllers, space, controller(space, "simpletest.rc", MANY, {"gc": "orphan"})
    )
    remove(controllers, space, made, "Orphan")
    poll(lambda: not controllers.items(space))
    left = pods.items(space)
    assert len(left) == MANY
    assert not any(pod["metadata"].get("ownerReferences") for pod in left)
    for pod in left:
        pods.delete(space, pod["metadata"]["name"], gracePeriodSeconds=0)


def owner(labels: dict[str, str]) -> Object:
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    spec = {
        "replicas": 2, "selector": {"matchLabels": labels}, "template": template,
        "strategy": {"type": "RollingUpdate"},
    }  # fmt: skip
    return {"metadata": {"name": "simpletest.deployment", "labels": labels}, "spec": spec}


def test_background_takes_the_replica_set(
    deployments: Resource, sets: Resource, pods: Resource, space: str
):
    """Garbage collector should delete RS created by deployment when not orphaning"""
    made = deployments.create(space, owner({"gc": "delete-rs"}))
    poll(lambda: sets.items(space))
    remove(deployments, space, made, "Background")
    poll(lambda: not any(kind.items(space) for kind in (deployments, sets, pods)))


def test_orphan_leaves_the_replica_set(
    deployments: Resource, sets: Resource, pods: Resource, space: str
):
    """Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy
    is Orphan"""
    made = deployments.create(space, owner({"gc": "orphan-rs"}))
    first = poll(lambda: sets.items(space))[0]

    def settled() -> bool:
        found = sets.get(space, first["metadata"]["name"])
        status = found["status"]
        observed = status.get("observedGeneration", 0) >= first["metadata"]["generation"]
        return observed and status.get("replicas") == first["spec"]["replicas"]

    poll(settled)
    remove(deployments, space, made, "Orphan")
    poll(lambda: not deployments.items(space))
    (left,) = sets.items(space)
    assert len(pods.items(space)) == 2
    assert not left["metadata"].get("ownerReferences")


def test_foreground_waits_for_the_pods(controllers: Resource, pods: Resource, space: str):
    """Garbage collector should keep the rc around until all its pods are deleted if the
    deleteOptions says so"""
    made = with_replicas(
        controllers, space, controller(space, "simpletest.rc", MANY, {"gc": "foreground"})
    )
    remove(controllers, space, made, "Foreground")
    poll(lambda: controllers.gone(space, "simpletest.rc"), 60)
    assert pods.items(space) == []


def test_a_second_owner_keeps_the_pods(controllers: Resource, pods: Resource, space: str):
    """Garbage collector should not delete dependents that have both valid owner and owner that's
    waiting for dependents to be deleted"""
    first = controller(space, "simpletest-rc-to-be-deleted", MANY, {"gc": "pending"})
    second = controllers.create(space, controller(space, "simpletest-rc-to-stay", 0, {"gc": "in"}))
    made = with_replicas(controllers, space, first)
    reference = {
        "apiVersion": "v1", "kind": "ReplicationController",
        "name": "simpletest-rc-to-stay", "uid": second["metadata"]["uid"],
    }  # fmt: skip
    for pod in pods.items(space)[: MANY // 2]:
        change = {"metadata": {"ownerReferences": [reference]}}
        pods.patch(space, pod["metadata"]["name"], change)
    remove(controllers, space, made, "Foreground")
    poll(lambda: controllers.gone(space, "simpletest-rc-to-be-deleted"), 60)
    left = pods.items(space)
    assert len(left) == MANY // 2
    for pod in left:
        assert "deletionTimestamp" not in pod["metadata"]
        assert len(pod["metadata"]["ownerReferences"]) == 1
        pods.delete(space, pod["metadata"]["name"], gracePeriodSeconds=0)


def test_a_circle_does_not_block(pods: Resource, space: str):
    """Garbage collector should not be blocked by dependency circle"""
    made = [
        pods.create(space, {"metadata": {"name": f"pod{number}"}, "spec": pod_spec()})
        for number in (1, 2, 3)
    ]
    for pod, of in zip(made, (made[2], made[0], made[1]), strict=True):
        reference = {
            "apiVersion": "v1", "kind": "Pod", "name": of["metadata"]["name"],
            "uid": of["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True,
        }  # fmt: skip
        change = {"metadata": {"ownerReferences": [reference]}}
        pods.patch(space, pod["metadata"]["name"], change)
    remove(pods, space, made[0], "Foreground")
    poll(lambda: not pods.items(space))


@pytest.fixture
def namespaces(api: GoClient) -> Resource:
    return api.typed("v1", "Namespace", "namespaces")


def test_namespace_is_patched(namespaces: Resource, space: str):
    """Namespaces should patch a Namespace"""
    before = namespaces.get("", space)
    patched = namespaces.patch("", space, {"metadata": {"labels": {"testLabel": "testValue"}}})
    versions = [int(it["metadata"]["resourceVersion"]) for it in (before, patched)]
    assert versions[0] < versions[1]
    assert namespaces.get("", space)["metadata"]["labels"]["testLabel"] == "testValue"


def test_namespace_is_updated(namespaces: Resource, space: str):
    """Namespaces should apply an update to a Namespace"""

    def change(found: Object) -> None:
        found["metadata"]["labels"][space] = "updated"

    assert namespaces.changed("", space, change)["metadata"]["labels"][space] == "updated"


def test_namespace_has_a_status(api: GoClient, namespaces: Resource, space: str):
    """Namespaces should apply changes to a namespace status"""
    raw = api.dynamic("v1", "namespaces", "Namespace")
    assert raw.get("", space, "status")["status"]["phase"] == "Active"
    bare = {"status": "True", "lastTransitionTime": None, "reason": "E2E"}
    patched = namespaces.patch(
        "", space,
        {
            "metadata": {"annotations": {"e2e-patched-ns-status": space}},
            "status": {
                "conditions": [{**bare, "type": "StatusPatch", "message": "Patched by an e2e test"}]
            },
        },
        MERGE, "status",
    )  # fmt: skip
    assert patched["metadata"]["annotations"]["e2e-patched-ns-status"] == space
    last = patched["status"]["conditions"][-1]
    assert (last["reason"], last["message"]) == ("E2E", "Patched by an e2e test")
    found = raw.get("", space, "status")
    found["status"]["conditions"].append(
        {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Updated by a test"}
    )
    updated = namespaces.update("", found, "status")
    assert updated["status"]["conditions"][-1]["type"] == "StatusUpdate"
    assert updated["status"]["conditions"][-1]["message"] == "Updated by a test"


def test_namespace_gets_a_finalizer(namespaces: Resource):
    """Namespaces should apply a finalizer to a Namespace"""
    name, fake = unique("e2e-ns-"), "e2e.example.com/fakeFinalizer"
    namespaces.create("", {"metadata": {"name": name}})

    def add(found: Object) -> None:
        found["spec"]["finalizers"].append(fake)

    def take(found: Object) -> None:
        found["spec"]["finalizers"].remove(fake)

    assert fake in namespaces.changed("", name, add, "finalize")["spec"]["finalizers"]
    assert fake not in namespaces.changed("", name, take, "finalize")["spec"]["finalizers"]
    namespaces.delete("", name)
    poll(lambda: namespaces.gone("", name))


def test_services_go_with_their_namespace(api: GoClient, namespaces: Resource):
    """Namespaces should ensure that all services are removed when a namespace is deleted"""
    name = unique("nsdeletetest-")
    services = api.typed("v1", "Service", "services")
    accounts = api.typed("v1", "ServiceAccount", "serviceaccounts")
    namespaces.create("", {"metadata": {"name": name}})
    poll(lambda: not accounts.gone(name, "default"))
    spec = {"selector": {"foo": "bar"}, "ports": [{"port": 80, "targetPort": 80}]}
    services.create(name, {"metadata": {"name": "test-service"}, "spec": spec})
    namespaces.delete("", name)
    poll(lambda: namespaces.gone("", name))
    namespaces.create("", {"metadata": {"name": name}})
    assert services.gone(name, "test-service")
    namespaces.delete("", name)
