"""Each invariant sees what breaks it: worlds that are made wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from roost.simulation import Cluster
from roost.simulation.invariants import Violated
from roost.store.port import ANY, Draft

PAUSE = "registry.k8s.io/pause:3.10"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=2, check=True) as made:
        asked = {"requests": {"cpu": "5"}}
        for name in ("one", "two"):
            containers = [{"name": "main", "image": PAUSE, "resources": asked}]
            labels = {"app": "web"}
            made.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "labels": labels},
                    "spec": {"containers": containers},
                }
            )
        made.advance(5)
        yield made


def forge(cluster: Cluster, key: str, change: Callable[[dict[str, Any]], None] | None) -> None:
    """Write into the store behind everybody's back; None deletes."""
    store = cluster.faults.world.store
    record = store.peek(f"/registry/{key}")
    assert record is not None
    draft = None
    if change is not None:
        value = msgspec.json.decode(record.value)
        change(value)
        value["metadata"]["resourceVersion"] = "@@"
        head, _, tail = msgspec.json.encode(value).partition(b"@@")
        draft = Draft(head, tail)
    cluster.loop.finish(store.commit(f"/registry/{key}", draft, ANY))


def moved(pod: dict[str, Any]) -> None:
    here = pod["spec"]["nodeName"]
    pod["spec"]["nodeName"] = "node-2" if here == "node-1" else "node-1"


def reborn(obj: dict[str, Any]) -> None:
    obj["metadata"]["uid"] = "another"


def revived(pod: dict[str, Any]) -> None:
    pod["status"]["containerStatuses"][0]["restartCount"] = -1


def ahead(obj: dict[str, Any]) -> None:
    obj["metadata"]["generation"] = 1
    obj["status"] = {**(obj.get("status") or {}), "observedGeneration": 2}


def taken(service: dict[str, Any]) -> None:
    service["spec"]["clusterIPs"] = ["10.96.0.1"]


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("core/pods/default/one", moved, "pod goes forward: .* moved from"),
        ("core/pods/default/one", moved, "bound pods fit: .* made 10000 of 8000 cpu"),
        ("core/pods/default/one", reborn, "identity is kept: .* uid was"),
        ("core/pods/default/one", revived, "pod goes forward: .* restarts of main fell"),
        ("core/pods/default/one", ahead, "observed is not ahead: .* observed generation 2 of 1"),
        ("core/services/kube-system/kube-dns", taken, "addresses are unique: .* both have"),
    ],
)
def test_a_forged_write_is_seen(
    cluster: Cluster, key: str, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    forge(cluster, key, change)
    with pytest.raises(Violated, match=f"(?s)seed 0: .*{words}.*the last that happened"):
        cluster.settle()


def test_a_pod_that_runs_twice_is_seen(cluster: Cluster) -> None:
    first, second = (cluster.nodes[name] for name in ("node-1", "node-2"))
    first.runtime, second.runtime = second.runtime, second.runtime
    forge(cluster, "core/pods/default/one", lambda pod: None)
    with pytest.raises(Violated, match="pod runs once: default/one runs on node-1 and node-2"):
        cluster.settle()


def test_what_a_watch_did_not_tell_is_seen(cluster: Cluster) -> None:
    assert cluster.checker is not None
    mirror = cluster.checker.mirrors.of("pods")
    mirror.known.pop("default/one")
    with pytest.raises(Violated, match=r"a watch is a list and what came after: .*default/one"):
        cluster.settle()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("core/pods/default/one", "what runs is wanted: node-. still has default/one"),
        ("core/nodes/node-1", "what runs is wanted: pod default/(one|two) is on node-1"),
    ],
)
def test_what_a_cluster_at_rest_still_owes_is_told(cluster: Cluster, key: str, words: str) -> None:
    assert cluster.settled() == []
    for node in cluster.nodes.values():
        cluster.loop.finish(node.crash_agent())
    cluster.crash("controllers")
    forge(cluster, key, None)
    assert any(re.match(words, one) for one in cluster.settled())


def test_quotas_and_endpoints_are_compared_with_what_is(cluster: Cluster) -> None:
    spec = {"hard": {"pods": "9"}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}
    )
    ports = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": ports}
    )
    cluster.advance(5)
    assert cluster.settled() == []
    cluster.crash("controllers")
    cluster.crash("node/node-1")
    cluster.crash("node/node-2")

    def unready(pod: dict[str, Any]) -> None:
        for one in pod["status"]["conditions"]:
            if one["type"] == "Ready":
                one["status"] = "False"

    def used(quota: dict[str, Any]) -> None:
        quota["status"]["used"]["pods"] = "7"

    forge(cluster, "core/pods/default/one", unready)
    forge(cluster, "core/resourcequotas/default/q", used)
    told = "\n".join(cluster.settled())
    assert "quotas are exact: quota default/q says 7 pods, there are 2" in told
    assert "endpoints are the ready pods: Service default/web should lead to" in told


def test_checking_ends_with_its_block() -> None:
    with Cluster(nodes=1) as cluster:
        with cluster.checking() as checker:
            cluster.client.create("configmaps", {"metadata": {"name": "a"}})
            assert checker.looked >= 1
        looked = checker.looked
        cluster.client.create("configmaps", {"metadata": {"name": "b"}})
        assert checker.looked == looked


def test_a_story_goes_back_to_the_command() -> None:
    with Cluster(nodes=1) as cluster:
        labels = {"app": "web"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": PAUSE}]},
        }
        spec = {"selector": {"matchLabels": labels}, "template": template}
        cluster.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
             "spec": spec}
        )  # fmt: skip
        cluster.advance(2)
        (pod,) = cluster.client.list("pods", "default")
        lines = cluster.story(f"pod/{pod['metadata']['name']}").splitlines()
        wanted = [
            "command (for apply Deployment/web default) writes deployments default/web",
            "deployment-controller (for default/web) writes replicasets default/web-",
            "* replicaset-controller (for default/web-",
            "* kube-scheduler writes pods default/web-",
            "! kubelet: Normal Started: Container started",
            "* kubelet of node-1 writes pods default/web-",
        ]
        places = [next(i for i, line in enumerate(lines) if words in line) for words in wanted]
        assert places == sorted(places)
        with pytest.raises(LookupError, match="nothing in the journal is called pod/none"):
            cluster.story("pod/none")
        with pytest.raises(LookupError, match="resource type 'thing'"):
            cluster.story("thing/x")
