"""What the conformance programme finds: a server with all controllers and two ready nodes.

Nodes are stand-ins that say that pods run; a pod with the image "never-starts" stays pending.
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
from standin import Nodes
from typedclient import GoClient, Thing, until

from bare_server import BareServer


def left(namespaces: list[Thing]) -> dict[str, list[str]]:
    """Say what keeps namespaces."""
    return {
        item["metadata"]["name"]: [c["message"] for c in item["status"].get("conditions", [])]
        for item in namespaces
        if item["metadata"].get("deletionTimestamp")
    }


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BareServer, Nodes]]:
    server = BareServer(tmp_path_factory.mktemp("upstream"))
    server.start()
    nodes = Nodes(GoClient(server.kubeconfig), ("node-a", "node-b"))
    nodes.start()
    yield server, nodes
    namespaces = GoClient(server.kubeconfig).typed(NAMESPACES)
    until(lambda: not namespaces.items("e2e-framework"), 30, lambda: left(namespaces.items()))
    nodes.stop()
    server.stop()


@pytest.fixture
def f(scene: tuple[BareServer, Nodes], request: pytest.FixtureRequest) -> Iterator[Framework]:
    server, nodes = scene
    client = GoClient(server.kubeconfig)
    base = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:36]
    unique = f"{base.strip('-')}-{uuid.uuid4().hex[:4]}"
    namespace = make_namespace(client, unique)
    for kind, name in ((SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")):
        with client.typed(kind, namespace).watch(fields=f"metadata.name={name}") as watch:
            watch.until("ADDED")
    framework = Framework(client, namespace, unique, nodes, server, [namespace])
    yield framework
    for name in framework.namespaces:
        client.typed(NAMESPACES).delete(name)
