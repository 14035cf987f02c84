"""[sig-api-machinery] Namespaces and OrderedNamespaceDeletion of Kubernetes' conformance tests, with
pods that run."""

from __future__ import annotations

import pytest
from framework import Framework
from kinds import CONFIG_MAPS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from typedclient import until
from workloads import pod

pytestmark = pytest.mark.slow


def with_pod(f: Framework, name: str, **metadata: object) -> None:
    """Make a namespace in which a pod runs."""
    f.typed(NAMESPACES).create({"metadata": {"name": name}})
    until(lambda: f.typed(SERVICE_ACCOUNTS, name).exists("default"))
    value = pod("test-pod")
    value["metadata"] |= metadata
    pods = f.typed(PODS, name)
    pods.create(value)
    until(lambda: pods.get("test-pod")["status"].get("phase") == "Running")


def test_pods_go_with_their_namespace(f: Framework):
    """Namespaces should ensure that all pods are removed when a namespace is deleted"""
    name, namespaces = f"nsdeletetest-{f.unique[-4:]}", f.typed(NAMESPACES)
    with_pod(f, name)
    namespaces.delete(name)
    until(lambda: not namespaces.exists(name))
    namespaces.create({"metadata": {"name": name}})
    assert not f.typed(PODS, name).exists("test-pod")
    namespaces.delete(name)


def test_pods_go_first(f: Framework):
    """OrderedNamespaceDeletion namespace deletion should delete pod first"""
    name, namespaces = f"nsdeletetest-{f.unique[-4:]}", f.typed(NAMESPACES)
    pods, maps = f.typed(PODS, name), f.typed(CONFIG_MAPS, name)
    with_pod(f, name, finalizers=["e2e.example.com/finalizer"])
    maps.create({"metadata": {"name": "test-configmap"}, "data": {"key": "value"}})
    namespaces.delete(name)

    def processed() -> bool:
        status = namespaces.get(name)["status"]
        conditions = [item["type"] for item in status.get("conditions", ())]
        gone_on: bool = status["phase"] == "Terminating"
        return gone_on and "NamespaceDeletionContentFailure" in conditions

    until(processed, what=lambda: namespaces.get(name)["status"])

    def pod_goes() -> str | None:
        maps.get("test-configmap")
        stamp: str | None = pods.get("test-pod")["metadata"].get("deletionTimestamp")
        return stamp

    until(pod_goes)
    pods.retry("test-pod", lambda o: o["metadata"].update(finalizers=[]))
    until(lambda: not pods.exists("test-pod"))
    until(lambda: not namespaces.exists(name))
