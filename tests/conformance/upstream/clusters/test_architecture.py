"""[sig-architecture] of Kubernetes' conformance tests, and what the programme asks before all tests."""

from __future__ import annotations

import pytest
from framework import Framework
from kinds import DAEMON_SETS, NODES, PODS, SERVICES
from typedclient import until

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


def test_before_the_suite(f: Framework):
    """What the programme reads before its first test: nodes, kube-system, the version."""
    listed = f.typed(NODES).list(fields="spec.unschedulable=false", resourceVersion="0")
    assert len(listed["items"]) >= 2
    for pod in f.typed(PODS, "kube-system").items():
        assert pod["status"]["phase"] in ("Running", "Succeeded")
    for daemons in f.typed(DAEMON_SETS, "kube-system").items():
        status = daemons["status"]
        assert status["numberReady"] == status["desiredNumberScheduled"]
    service = f.typed(SERVICES, "default").get("kubernetes")
    assert service["spec"]["clusterIP"]
    assert f.client.raw("/version")["major"] == "1"
