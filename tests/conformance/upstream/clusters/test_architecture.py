"""[sig-architecture] of Kubernetes' conformance tests, and what the programme asks before all tests."""

from __future__ import annotations

import ipaddress

import pytest
from framework import Framework
from kinds import DAEMON_SETS, NODES, PODS, SERVICES
from typedclient import Thing, until

pytestmark = pytest.mark.slow


def test_two_untainted_nodes(f: Framework):
    """Conformance Tests should have at least two untainted nodes"""
    nodes = f.typed(NODES)

    def untainted() -> bool:
        found = [
            node
            for node in nodes.items(fields="spec.unschedulable=false")
            if any(c["type"] == "Ready" and c["status"] == "True"
                   for c in node["status"]["conditions"])
            and not node.get("spec", {}).get("taints")
        ]  # fmt: skip
        return len(found) >= 2

    until(untainted)


def conditions(value: Thing) -> dict[str, str]:
    return {item["type"]: item["status"] for item in value["status"].get("conditions", [])}


def test_before_the_suite(f: Framework):
    """What the programme waits for before its first test: nodes that take pods, the pods and daemons of
    kube-system; and what it reads then."""
    nodes = f.typed(NODES).list(fields="spec.unschedulable=false", resourceVersion="0")["items"]
    assert {node["metadata"]["name"] for node in nodes} == set(f.nodes)
    for node in nodes:
        found = conditions(node)
        assert found["Ready"] == "True"
        assert found.get("NetworkUnavailable", "False") == "False"

    def well() -> bool:
        pods = f.typed(PODS, "kube-system").items()
        return all(
            item["status"]["phase"] == "Succeeded"
            or (item["status"]["phase"] == "Running" and conditions(item)["Ready"] == "True")
            for item in pods
        )

    until(well)
    for daemons in f.typed(DAEMON_SETS, "kube-system").items():
        status = daemons["status"]
        assert status["numberReady"] == status["desiredNumberScheduled"]
    service = f.typed(SERVICES, "default").get("kubernetes")
    assert ipaddress.ip_address(service["spec"]["clusterIP"]).version == 4
    assert f.client.raw("/version")["major"] == "1"
