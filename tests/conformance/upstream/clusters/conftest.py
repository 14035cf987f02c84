"""What the conformance programme finds: a cluster with all controllers and two ready nodes.

Every test is run twice: with stand-ins for nodes, which say that pods run, and in a simulated cluster.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from framework import Framework, make_namespace
from kinds import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from scenes import Scene, Simulated, WithStandIns
from typedclient import GoClient, Thing, until

from simulated_server import SimulatedServer


def left(namespaces: list[Thing]) -> dict[str, list[str]]:
    """Say what keeps namespaces."""
    return {
        item["metadata"]["name"]: [c["message"] for c in item["status"].get("conditions", [])]
        for item in namespaces
        if item["metadata"].get("deletionTimestamp")
    }


@pytest.fixture(scope="package", params=["stand-ins", "simulated"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    scene: WithStandIns | Simulated
    if request.param == "simulated":
        server: SimulatedServer = request.getfixturevalue("simulated")
        scene = Simulated(server.kubeconfig, server.nodes)
    else:
        scene = WithStandIns(tmp_path_factory.mktemp("upstream"))
        scene.start()
    yield scene
    namespaces = GoClient(scene.kubeconfig).typed(NAMESPACES)
    until(lambda: not namespaces.items("e2e-framework"), 30, lambda: left(namespaces.items()))
    if isinstance(scene, WithStandIns):
        scene.stop()


@pytest.fixture
def f(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Framework]:
    client = GoClient(scene.kubeconfig)
    name = request.node.originalname.removeprefix("test_").lower()
    base = re.sub("[^a-z0-9]+", "-", name)[:36]
    unique = f"{base.strip('-')}-{uuid.uuid4().hex[:4]}"
    namespace = make_namespace(client, unique)
    framework = Framework(client, namespace, unique, scene, [namespace])
    try:
        for kind, name in ((SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")):
            with client.typed(kind, namespace).watch(fields=f"metadata.name={name}") as watch:
                watch.until("ADDED")
        yield framework
    finally:
        for name in framework.namespaces:
            client.typed(NAMESPACES).delete(name)
