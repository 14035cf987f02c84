"""Every invariant that has no test of its own elsewhere: the world is forged, and it is seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from roost.simulation import Cluster
from roost.simulation.atrest import AT_REST
from roost.simulation.invariants import ALWAYS, OF, Violated
from roost.store.port import ANY, Draft

PAUSE = "registry.k8s.io/pause:3.10"
LABELS = {"app": "web"}
TEMPLATE = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [{"name": "main", "image": PAUSE}]},
}
Change = Callable[[dict[str, Any]], None]


def made(kind: str, version: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    selector = {"matchLabels": LABELS}
    with Cluster(nodes=1, check=True) as one:
        one.apply([
            made("Deployment", "apps/v1", "web", selector=selector, template=TEMPLATE),
            made("StatefulSet", "apps/v1", "db", selector=selector, template=TEMPLATE),
            made("DaemonSet", "apps/v1", "agent", selector=selector, template=TEMPLATE),
            made("PodDisruptionBudget", "policy/v1", "web", selector=selector, minAvailable=1),
            made("ResourceQuota", "v1", "all", hard={"pods": "3"}),
        ])  # fmt: skip
        one.advance(30)
        assert one.settled() == []
        yield one


def write(cluster: Cluster, key: str, value: dict[str, Any] | None) -> None:
    """Write into the store behind everybody's back; None deletes."""
    draft = None
    if value is not None:
        value["metadata"]["resourceVersion"] = "@@"
        head, _, tail = msgspec.json.encode(value).partition(b"@@")
        draft = Draft(head, tail)
    store = cluster.faults.world.store
    cluster.loop.finish(store.commit(f"/registry/{key}", draft, ANY))


def read(cluster: Cluster, key: str) -> dict[str, Any]:
    record = cluster.faults.world.store.peek(f"/registry/{key}")
    assert record is not None
    found: dict[str, Any] = msgspec.json.decode(record.value)
    return found


def a_pod(cluster: Cluster, owner: str) -> dict[str, Any]:
    [name] = [
        pod["metadata"]["name"]
        for pod in cluster.client.list("pods", "default")
        if pod["metadata"]["ownerReferences"][0]["kind"] == owner
    ]
    return read(cluster, f"core/pods/default/{name}")


def ghost(cluster: Cluster) -> None:
    pod = a_pod(cluster, "ReplicaSet")
    pod["metadata"].update(name="ghost", uid="ghost")
    write(cluster, "core/pods/default/ghost", pod)


def born_too_late(cluster: Cluster) -> None:
    settings = {"metadata": {"name": "a", "namespace": "gone", "uid": "a"}}
    write(cluster, "core/configmaps/gone/a", settings)


def evicted_behind_the_budget(cluster: Cluster) -> None:
    pod = a_pod(cluster, "ReplicaSet")
    pod["metadata"]["deletionTimestamp"] = "2025-01-01T00:01:00Z"
    told = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    pod["status"]["conditions"].append(told)
    write(cluster, f"core/pods/default/{pod['metadata']['name']}", pod)


def too_generous(cluster: Cluster) -> None:
    key = "policy/poddisruptionbudgets/default/web"
    budget = read(cluster, key)
    budget["status"]["disruptionsAllowed"] = 9
    write(cluster, key, budget)


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (born_too_late, "nothing is born in an ending namespace: .*gone/a"),
        (ghost, "ready pods run: default/ghost became ready on node-1, where it does not run"),
        (ghost, "quota bounds pods: .* is pod 4 of 3 that quota default/all allows"),
        (evicted_behind_the_budget, "budget is held: .* budget default/web knows nothing of it"),
        (too_generous, "budget allows no less than none: .* allows 9 with 2 to spare"),
    ],
)
def test_what_may_never_be_is_seen(
    cluster: Cluster, forge: Callable[[Cluster], None], words: str
) -> None:
    forge(cluster)
    with pytest.raises(Violated, match=f"(?s)seed 0: .*{words}.*the last that happened"):
        cluster.settle()


def change(cluster: Cluster, key: str, forge: Change) -> None:
    value = read(cluster, key)
    forge(value)
    write(cluster, key, value)


def without_its_pod(cluster: Cluster, owner: str) -> None:
    name = a_pod(cluster, owner)["metadata"]["name"]
    write(cluster, f"core/pods/default/{name}", None)


def unready(deployment: dict[str, Any]) -> None:
    deployment["status"]["readyReplicas"] = 0


def larger(stateful: dict[str, Any]) -> None:
    stateful["spec"]["replicas"] = 2


def healthier(budget: dict[str, Any]) -> None:
    budget["status"]["currentHealthy"] = 7


def ending(obj: dict[str, Any]) -> None:
    obj["metadata"]["deletionTimestamp"] = "2025-01-01T00:00:01Z"


def orphaned(replica_set: dict[str, Any]) -> None:
    replica_set["metadata"]["ownerReferences"][0]["uid"] = "nobody"


def down(node: dict[str, Any]) -> None:
    for one in node["status"]["conditions"]:
        if one["type"] == "Ready":
            one["status"] = "Unknown"


def node_down(cluster: Cluster) -> None:
    cluster.restart("node/node-1")
    change(cluster, "core/nodes/node-1", down)


def finished_early(cluster: Cluster) -> None:
    spec = {"completions": 3, "template": TEMPLATE}
    conditions = [{"type": "Complete", "status": "True"}]
    job = made("Job", "batch/v1", "job", **spec)
    job["metadata"].update(namespace="default", uid="job", generation=1)
    write(cluster, "batch/jobs/default/job", {**job, "status": {"conditions": conditions}})


def replica_set_key(cluster: Cluster) -> str:
    [one] = cluster.client.list("rs", "default")
    return f"apps/replicasets/default/{one['metadata']['name']}"


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda c: without_its_pod(c, "ReplicaSet"), "ReplicaSet .* wants 1 pods and has 0"),
        (lambda c: change(c, "apps/deployments/default/web", unready), "readyReplicas is 0 of 1"),
        (
            lambda c: change(c, "apps/statefulsets/default/db", larger),
            "StatefulSet .* wants .*db-1",
        ),
        (
            lambda c: without_its_pod(c, "DaemonSet"),
            "DaemonSet default/agent tells of 1 ready pods and has 0",
        ),
        (finished_early, "Job default/job is complete with 0 of 3"),
        (lambda c: change(c, "core/serviceaccounts/default/default", ending), "is being deleted"),
        (lambda c: change(c, replica_set_key(c), orphaned), "has outlived Deployment web"),
        (
            lambda c: change(c, "policy/poddisruptionbudgets/default/web", healthier),
            "budget default/web tells of 7 healthy pods, there are 3",
        ),
        (node_down, "node node-1 is not ready"),
    ],
)
def test_what_a_cluster_at_rest_owes_is_seen(
    cluster: Cluster, forge: Callable[[Cluster], None], words: str
) -> None:
    cluster.crash("controllers")
    cluster.crash("node/node-1")
    write(cluster, "core/resourcequotas/default/all", None)  # it would be an excuse
    forge(cluster)
    told = cluster.settled()
    assert any(re.search(words, one) for one in told), told


def test_a_new_invariant_needs_a_test() -> None:
    """Here and in test_invariants each of these is broken once."""
    of = [one.__name__ for group in OF.values() for one in group]
    assert {*(one.__name__ for one in ALWAYS), *of} == {
        "identity_is_kept", "observed_is_not_ahead", "nothing_is_born_in_an_ending_namespace",
        "pod_goes_forward", "bound_pods_fit", "pod_runs_once", "ready_pods_run", "budget_is_held",
        "quota_bounds_pods", "addresses_are_unique", "budget_allows_no_less_than_none",
    }  # fmt: skip
    assert {one.__name__ for one in AT_REST} == {
        "sets_have_their_replicas", "rollouts_are_over", "stateful_sets_are_complete",
        "daemons_are_everywhere", "jobs_are_over", "nothing_is_left_ending",
        "orphans_are_collected", "endpoints_are_the_ready_pods", "quotas_are_exact",
        "budgets_tell_the_truth", "what_runs_is_wanted", "nodes_are_ready",
    }  # fmt: skip
