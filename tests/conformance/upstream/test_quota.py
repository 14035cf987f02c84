"""test/e2e/apimachinery/resource_quota.go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance_names import unique
from goclient import GoClient, Refused, Resource, poll
from roost.api.quantity import compare

pytestmark = pytest.mark.slow
Object = dict[str, Any]
DONGLE = "example.com/dongle"
HARD = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
    "replicationcontrollers": "10", "resourcequotas": "1", "cpu": "1", "memory": "500Mi",
    "configmaps": "10", "secrets": "10", "persistentvolumeclaims": "10",
    "requests.storage": "10Gi", "ephemeral-storage": "50Gi",
    "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
    "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
    "count/replicasets.apps": "5", f"requests.{DONGLE}": "3",
}  # fmt: skip


@pytest.fixture
def quotas(api: GoClient) -> Resource:
    return api.typed("v1", "ResourceQuota", "resourcequotas")


@pytest.fixture
def pods(api: GoClient) -> Resource:
    return api.typed("v1", "Pod", "pods")


def used(quotas: Resource, space: str, name: str, **wanted: str) -> None:
    """Wait until a quota's status says so."""

    def reached() -> bool:
        status = quotas.get(space, name).get("status") or {}
        found = status.get("used") or {}
        return all(
            key in found and compare(found[key], value) == 0 for key, value in wanted.items()
        )

    poll(reached, 20, f"{wanted} != {quotas.get(space, name).get('status')}")


def limited(quotas: Resource, space: str, **more: str) -> None:
    """Create the quota of most tests and wait for its status."""
    spec = {"hard": {**HARD, **more}}
    quotas.create(space, {"metadata": {"name": "test-quota"}, "spec": spec})
    used(quotas, space, "test-quota", resourcequotas="1")


def pod(name: str, requests: Object, limits: Object, **spec: Any) -> Object:
    resources = {"requests": requests, "limits": limits}
    container = {"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": resources}
    given = {"nodeSelector": {"x-test.k8s.io/unsatisfiable": "not-schedulable"}, **spec}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **given}}


def refused(create: Callable[[], Object], reason: str = "Forbidden") -> None:
    with pytest.raises(Refused) as error:
        create()
    assert error.value.reason == reason


def test_status_is_calculated(quotas: Resource, space: str):
    """ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated."""
    limited(quotas, space)


def test_life_of_a_service(api: GoClient, quotas: Resource, space: str):
    """ResourceQuota should create a ResourceQuota and capture the life of a service."""
    services = api.typed("v1", "Service", "services")
    limited(quotas, space)

    def service(name: str, kind: str, **more: Any) -> Object:
        ports = [{"port": 80, "targetPort": 80}]
        return {"metadata": {"name": name}, "spec": {"type": kind, "ports": ports, **more}}

    services.create(space, service("test-service", "ClusterIP"))
    services.create(space, service("test-service-np", "NodePort"))
    balancer = service("test-service-lb", "LoadBalancer", allocateLoadBalancerNodePorts=True)
    refused(lambda: services.create(space, balancer))
    used(
        quotas, space, "test-quota",
        **{"resourcequotas": "1", "services": "2", "services.nodeports": "1"},
    )  # fmt: skip
    for name in ("test-service", "test-service-np"):
        services.delete(space, name)
    used(quotas, space, "test-quota", **{"services": "0", "services.nodeports": "0"})


@pytest.mark.parametrize(
    ("kind", "plural", "before", "value"),
    [
        ("Secret", "secrets", 0, {"data": {"data-1": "dmFsdWUtMQ=="}}),
        ("ConfigMap", "configmaps", 1, {"data": {"a": "b"}}),
    ],
)
def test_life_of_data(
    api: GoClient, quotas: Resource, space: str, kind: str, plural: str, before: int, value: Object
):
    """ResourceQuota should create a ResourceQuota and capture the life of a secret; of a
    configMap."""
    things = api.typed("v1", kind, plural)
    assert len(things.items(space)) == before
    limited(quotas, space, **{plural: str(before + 1)})
    used(quotas, space, "test-quota", **{plural: str(before)})
    things.create(space, {"metadata": {"name": "test-thing"}, **value})
    used(quotas, space, "test-quota", **{plural: str(before + 1)})
    things.delete(space, "test-thing")
    used(quotas, space, "test-quota", **{plural: str(before)})


@pytest.mark.parametrize(
    ("version", "kind", "plural", "counted"),
    [
        ("v1", "ReplicationController", "replicationcontrollers", "replicationcontrollers"),
        ("apps/v1", "ReplicaSet", "replicasets", "count/replicasets.apps"),
    ],
)
def test_life_of_a_controller(
    api: GoClient, quotas: Resource, space: str, version: str, kind: str, plural: str, counted: str
):
    """ResourceQuota should create a ResourceQuota and capture the life of a replication
    controller; of a replica set."""
    things = api.typed(version, kind, plural)
    limited(quotas, space)
    used(quotas, space, "test-quota", **{counted: "0"})
    labels = {"name": "test"}
    selector: Object = labels if version == "v1" else {"matchLabels": labels}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "test", "image": "nginx"}]},
    }
    spec = {"replicas": 0, "selector": selector, "template": template}
    things.create(space, {"metadata": {"name": "test"}, "spec": spec})
    used(quotas, space, "test-quota", **{counted: "1"})
    things.delete(space, "test", propagationPolicy="Background")
    used(quotas, space, "test-quota", **{counted: "0"})


def test_life_of_a_pod(quotas: Resource, pods: Resource, space: str):
    """ResourceQuota should create a ResourceQuota and capture the life of a pod."""
    limited(quotas, space)
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    pods.create(space, pod("test-pod", requests, {DONGLE: "2"}))
    taken = {
        "resourcequotas": "1", "pods": "1", "cpu": "500m", "memory": "252Mi",
        "ephemeral-storage": "30Gi", f"requests.{DONGLE}": "2",
    }  # fmt: skip
    used(quotas, space, "test-quota", **taken)
    refused(lambda: pods.create(space, pod("fail", {"cpu": "600m", "memory": "100Mi"}, {})))
    too_much = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "30Gi", DONGLE: "2"}
    refused(lambda: pods.create(space, pod("fail-dongle", too_much, {DONGLE: "2"})))
    less = {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "10Gi"}

    def shrink(found: Object) -> None:
        found["spec"]["containers"][0]["resources"]["requests"] = less

    refused(lambda: pods.changed(space, "test-pod", shrink), "Invalid")
    used(quotas, space, "test-quota", **taken)
    pods.delete(space, "test-pod", gracePeriodSeconds=0)
    none = {name: "0" for name in taken if name != "resourcequotas"}
    used(quotas, space, "test-quota", resourcequotas="1", **none)


def scoped(quotas: Resource, space: str, name: str, scope: str, **hard: str) -> None:
    spec = {"hard": {"pods": "5", **hard}, "scopes": [scope]}
    quotas.create(space, {"metadata": {"name": name}, "spec": spec})
    used(quotas, space, name, pods="0")


SIZES = {"requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"}
REQUESTS, LIMITS = {"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"}


def test_terminating_scopes(quotas: Resource, pods: Resource, space: str):
    """ResourceQuota should verify ResourceQuota with terminating scopes."""
    scoped(quotas, space, "terminating", "Terminating", **SIZES)
    scoped(quotas, space, "not-terminating", "NotTerminating", **SIZES)
    taken = {
        "pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1",
        "limits.memory": "400Mi",
    }  # fmt: skip
    free = dict.fromkeys(taken, "0")
    for deadline, mine, other in (
        ({}, "not-terminating", "terminating"),
        ({"activeDeadlineSeconds": 3600}, "terminating", "not-terminating"),
    ):
        pods.create(space, pod("test-pod", REQUESTS, LIMITS, **deadline))
        used(quotas, space, mine, **taken)
        used(quotas, space, other, **free)
        pods.delete(space, "test-pod", gracePeriodSeconds=0)
        used(quotas, space, mine, **free)


def test_best_effort_scope(quotas: Resource, pods: Resource, space: str):
    """ResourceQuota should verify ResourceQuota with best effort scope."""
    scoped(quotas, space, "best", "BestEffort")
    scoped(quotas, space, "not-best", "NotBestEffort")
    for requests, limits, mine, other in (
        ({}, {}, "best", "not-best"),
        (REQUESTS, LIMITS, "not-best", "best"),
    ):
        pods.create(space, pod("pfpod", requests, limits))
        used(quotas, space, mine, pods="1")
        used(quotas, space, other, pods="0")
        pods.delete(space, "pfpod", gracePeriodSeconds=0)
        used(quotas, space, mine, pods="0")


def test_quota_is_updated_and_deleted(quotas: Resource, space: str):
    """ResourceQuota should be able to update and delete ResourceQuota."""
    value: Object = {"metadata": {"name": "test-quota"}, "spec": {"hard": {}}}
    for change in ("create", "update"):
        hard = {"cpu": "1", "memory": "500Mi"} if change == "create" else {"cpu": "2"}
        hard.setdefault("memory", "1Gi")
        value["spec"]["hard"] = hard
        getattr(quotas, change)(space, value)
        assert quotas.get(space, "test-quota")["spec"]["hard"] == hard
    quotas.delete(space, "test-quota")
    assert quotas.gone(space, "test-quota")


def test_life_of_a_quota(quotas: Resource, space: str):
    """ResourceQuota should manage the lifecycle of a ResourceQuota"""
    name = unique("e2e-quota-")
    label = f"e2e-rq-label={name}"
    metadata = {"name": name, "labels": {"e2e-rq-label": name}}
    hard = {"cpu": "1", "memory": "500Mi"}
    quotas.create(space, {"metadata": metadata, "spec": {"hard": hard}})
    assert quotas.get(space, name)["spec"]["hard"] == hard
    assert len(quotas.items(labelSelector=label)) == 1
    change = {"metadata": {"labels": {name: "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = quotas.patch(space, name, change)
    assert patched["metadata"]["labels"][name] == "patched"
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    quotas.delete_collection(space, label)
    assert quotas.gone(space, name)


def test_quota_has_a_status(api: GoClient, quotas: Resource, space: str):
    """ResourceQuota should apply changes to a resourcequota status"""
    name = unique("e2e-rq-status-")
    label = f"e2e-rq-label={name}"

    def seen(since: str, hard: dict[str, str]) -> None:
        """As watchtools.Until: an event with this status comes after the version."""
        with quotas.watch(space, labelSelector=label, resourceVersion=since) as watch:
            while (watch.next().object.get("status") or {}).get("hard") != hard:
                pass

    def version() -> str:
        return str(quotas.list(labelSelector=label)["metadata"]["resourceVersion"])

    since, hard = version(), {"cpu": "500m", "memory": "500Mi"}
    metadata = {"name": name, "labels": {"e2e-rq-label": name}}
    quotas.create(space, {"metadata": metadata, "spec": {"hard": hard}})

    def only_hard(found: Object) -> None:
        found["status"] = {"hard": hard}

    quotas.changed(space, name, only_hard, "status")
    seen(since, hard)
    since, hard = version(), {"cpu": "1", "memory": "1Gi"}
    quotas.patch(space, name, {"spec": {"hard": hard}})
    quotas.patch(space, name, {"status": {"hard": hard}}, sub="status")
    seen(since, hard)
    raw = api.dynamic("v1", "resourcequotas").get(space, name, "status")
    assert raw["status"]["hard"] == hard
    since, wrong = version(), {"cpu": "2", "memory": "2Gi"}
    repatched = quotas.patch(space, name, {"status": {"hard": wrong}}, sub="status")
    assert repatched["status"]["hard"] == wrong
    seen(since, wrong)
    # Kubernetes resets it with its next full resync, within five minutes.
    poll(lambda: quotas.get(space, name)["status"]["hard"] == hard)
    assert quotas.get(space, name)["spec"]["hard"] == hard
