"""Tests on the real kernel: each in a network namespace of its own, which is removed again.

They say why when they skip; in CI, where `CI` is set, they do not skip but fail.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster_scene import (
    Cluster,
    Namespace,
    Registry,
    Space,
    debian_image,
    machine_state,
    traces,
)
from images import busybox_image
from roost.network.plan import instance_of

NEEDED = ("conmon", "runc", "nft", "ip")
NEEDED_BY_CLUSTERS = ("kubectl", "skopeo", "docker-registry", "busybox")
REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("CI"):
        return
    for marker, programs in (("root", NEEDED), ("kubectl", NEEDED_BY_CLUSTERS)):
        why = ""
        if marker == "root" and os.geteuid() != 0:
            why = "needs root"
        elif missing := [name for name in programs if not shutil.which(name)]:
            why = f"needs {', '.join(missing)}"
        for item in items:
            if why and marker in item.keywords and "machine" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def make_namespace() -> Iterator[Callable[[], Namespace]]:
    made: list[Namespace] = []

    def make() -> Namespace:
        made.append(Namespace.make())
        return made[-1]

    yield make
    for namespace in made:
        namespace.remove()


@pytest.fixture
def namespace(make_namespace: Callable[[], Namespace]) -> Namespace:
    return make_namespace()


# ---------------------------------------------------------------- clusters


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cluster]]:
    """The clusters that were made; when all are gone, nothing of them is left on the machine."""
    before = machine_state(REPOSITORY)
    made: list[Cluster] = []
    yield made
    roots = [str(cluster.root) for cluster in made]
    instances = [instance_of(str(cluster.data)) for cluster in made]
    deadline = time.monotonic() + 5  # the kernel removes namespaces and their links later
    while True:
        left = traces(roots, instances)
        after = machine_state(REPOSITORY)
        new = {name: items - before[name] for name, items in after.items() if items - before[name]}
        if not left and not new:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"left behind: {left or ''} {new or ''}")
        time.sleep(0.2)


def _make(clusters: list[Cluster], root: Path) -> Cluster:
    cluster = Cluster(Namespace.make(), root)
    clusters.append(cluster)
    return cluster


def _end(cluster: Cluster) -> None:
    try:
        cluster.down()
    finally:
        cluster.namespace.remove()


@pytest.fixture(scope="session")
def cluster(clusters: list[Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests that leave it as it was, with a registry that has two images:
    busybox:1 (also as :2, which differs in /etc/release) and debian:1 (bash, tar, coreutils)."""
    root = tmp_path_factory.mktemp("cluster")
    cluster = _make(clusters, root)
    registry = Registry(cluster.namespace, root)
    try:
        cluster.registry = registry.start()
        registry.push(busybox_image({"etc/release": "one\n"}), "busybox:1")
        registry.push(busybox_image({"etc/release": "two\n"}), "busybox:2")
        registry.push(debian_image(), "debian:1")
        cluster.up()
        yield cluster
    finally:
        registry.stop()
        _end(cluster)


@pytest.fixture
def own_cluster(clusters: list[Cluster], tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test, which starts it and may do to it what it likes."""
    cluster = _make(clusters, tmp_path)
    yield cluster
    _end(cluster)


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Space]:
    """A namespace of the shared cluster."""
    space = cluster.space(f"t{uuid.uuid4().hex[:6]}")
    cluster.kubectl("create", "namespace", space.name)
    yield space
    space.ask("delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
    cluster.kubectl("delete", "namespace", space.name, "--wait=false")
