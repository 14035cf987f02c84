"""What test/e2e/framework does around each test: ready nodes, a namespace with its account and CA.

Every test is run twice: at a server process with all controllers, where nodes have no agents but leases,
and in a simulated cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from bare_server import BareServer
from conformance_names import unique
from goclient import MERGE, GoClient
from simulated_server import SimulatedServer

_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_node(api: GoClient, name: str) -> None:
    """Make a node that is ready and has room, as an agent reports it."""
    nodes = api.typed("v1", "Node", "nodes")
    nodes.create("", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
    leases = api.typed("coordination.k8s.io/v1", "Lease", "leases")
    lease = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now()[:-1] + ".0Z"}
    leases.create("kube-node-lease", {"metadata": {"name": name}, "spec": lease})
    room = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = {
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready",
        "lastHeartbeatTime": now(), "lastTransitionTime": now(),
    }  # fmt: skip
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    nodes.patch("", name, {"status": status}, sub="status")


def renew(api: GoClient, names: Sequence[str], stop: threading.Event) -> None:
    """Keep nodes ready, as their agents do."""
    leases = api.typed("coordination.k8s.io/v1", "Lease", "leases")
    while not stop.wait(10):
        for name in names:
            renewed = {"spec": {"renewTime": now()[:-1] + ".000000Z"}}
            leases.patch("kube-node-lease", name, renewed, MERGE)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedServer]:
    """A simulated cluster with two nodes, for all tests that want one."""
    server = SimulatedServer(tmp_path_factory.mktemp("simulated"), nodes=2)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package", params=["server", "simulated"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GoClient]:
    """A client of a cluster with two ready nodes: a server with Node objects, or a simulated one."""
    if request.param == "simulated":
        simulated: SimulatedServer = request.getfixturevalue("simulated")
        yield GoClient(str(simulated.kubeconfig))
        return
    server = BareServer(tmp_path_factory.mktemp("server"))
    server.start()
    try:
        client = GoClient(str(server.kubeconfig))
        names = ("node-a", "node-b")
        for name in names:
            add_node(client, name)
        stop = threading.Event()
        renewing = threading.Thread(target=renew, args=(client, names, stop), daemon=True)
        renewing.start()
        yield client
        stop.set()
        renewing.join(5)
    finally:
        server.stop()


def wait_for_one(api: GoClient, kind: str, plural: str, namespace: str, name: str) -> None:
    """Wait for an object as an informer of client-go does: a list that is streamed in a watch."""
    found = False
    with api.typed("v1", kind, plural).watch(
        namespace,
        fieldSelector=f"metadata.name={name}",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
        timeoutSeconds="400",
    ) as stream:
        assert stream.media == "application/vnd.kubernetes.protobuf;stream=watch"
        synced = False
        while not (found and synced):
            event = stream.next(20)
            if event.type == "BOOKMARK":
                notes: dict[str, Any] = event.object["metadata"].get("annotations") or {}
                synced = synced or notes.get(_INITIAL_EVENTS_END) == "true"
            else:
                assert event.type in ("ADDED", "MODIFIED")
                assert event.object["metadata"]["name"] == name
                found = True


def make_space(api: GoClient, base: str, level: str) -> str:
    """Make a namespace as framework.CreateNamespace, and wait until it is ready for use."""
    name = unique(f"{base}-")
    labels = {"e2e-framework": base, "e2e-run": "5a0c2b4d-1f4b-4a4c-8f6b-0123456789ab"}
    for mode in ("enforce", "audit", "warn"):
        labels[f"pod-security.kubernetes.io/{mode}"] = level
    labels["pod-security.kubernetes.io/enforce-version"] = "latest"
    api.typed("v1", "Namespace", "namespaces").create(
        "", {"metadata": {"name": name, "labels": labels}}
    )
    wait_for_one(api, "ServiceAccount", "serviceaccounts", name, "default")
    wait_for_one(api, "ConfigMap", "configmaps", name, "kube-root-ca.crt")
    return name


@pytest.fixture
def space(api: GoClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own; a module says its pod security level as LEVEL."""
    made = make_space(api, "e2e", getattr(request.module, "LEVEL", "baseline"))
    yield made
    api.typed("v1", "Namespace", "namespaces").delete("", made)
