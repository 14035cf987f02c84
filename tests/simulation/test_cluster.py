"""A cluster in virtual time behaves as a cluster: rollouts, crash loops, lost nodes, crashed parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roost.api.errors import Expired, Invalid, NotFound, StatusError
from roost.api.kind import Resource
from roost.client.port import Query
from roost.simulation import Behaviour, Cluster

PAUSE = "registry.k8s.io/pause:3.10"


def deployment(name: str = "web", replicas: int = 3, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": PAUSE}]},
            },
            **spec,
        },
    }


def pod(name: str = "one", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": PAUSE}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


def ready(cluster: Cluster, name: str = "web") -> int:
    return int((cluster.client.get("deploy", name).get("status") or {}).get("readyReplicas", 0))


def node_ready(cluster: Cluster, name: str) -> str:
    conditions = cluster.client.get("node", name)["status"]["conditions"]
    return str(next(one["status"] for one in conditions if one["type"] == "Ready"))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=3) as made:
        yield made


def test_a_new_cluster_has_what_every_cluster_has(cluster: Cluster) -> None:
    names = [one["metadata"]["name"] for one in cluster.client.list("ns")]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert [node_ready(cluster, f"node-{n}") for n in (1, 2, 3)] == ["True"] * 3
    dns = cluster.client.get("svc", "kube-dns", "kube-system")
    assert dns["spec"]["clusterIP"] == "10.96.0.10"
    assert cluster.client.get("lease", "node-1", "kube-node-lease")["spec"]["renewTime"]
    assert cluster.client.get("sa", "default")


def test_a_deployment_becomes_ready_and_is_spread(cluster: Cluster) -> None:
    cluster.apply(deployment())
    assert cluster.run_until(lambda: ready(cluster) == 3) < 1
    pods = cluster.client.list("pods", "default")
    assert {one["spec"]["nodeName"] for one in pods} == {"node-1", "node-2", "node-3"}
    assert len({one["status"]["podIP"] for one in pods}) == 3


def test_a_rollout_never_has_too_few_or_too_many(cluster: Cluster) -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.apply(deployment(strategy=strategy))
    cluster.run_until(lambda: ready(cluster) == 3)
    seen: list[tuple[int, int]] = []

    def done() -> bool:
        pods = cluster.client.list("pods", "default")
        live = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        seen.append((ready(cluster), len(live)))
        status = cluster.client.get("deploy", "web")["status"]
        return bool(status.get("updatedReplicas") == 3 and status.get("replicas") == 3)

    changed = deployment(strategy=strategy)
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    cluster.apply(changed)
    cluster.run_until(done)
    assert min(count for count, _ in seen) == 3
    assert max(count for _, count in seen) <= 4


def test_a_crash_loop_waits_as_the_kubelet_does(cluster: Cluster) -> None:
    cluster.behave("main", Behaviour(run_s=0.0, exit_code=1))
    cluster.apply(pod())
    starts: list[float] = []

    def count() -> int:
        statuses = cluster.client.get("pod", "one")["status"].get("containerStatuses") or [{}]
        return int(statuses[0].get("restartCount", 0))

    def watch() -> bool:
        if count() > len(starts):
            starts.append(round(cluster.now, 1))
        return len(starts) == 7

    cluster.run_until(watch, timeout_s=2000)
    waits = [round(b - a) for a, b in itertools.pairwise(starts)]
    assert starts[0] < 1
    assert waits == [10, 20, 40, 80, 160, 300]


def test_one_advance_over_a_crash_loop_plays_all_of_it(cluster: Cluster) -> None:
    cluster.behave("main", Behaviour(run_s=0.0, exit_code=1))
    cluster.apply(pod())
    cluster.advance(600)
    (status,) = cluster.client.get("pod", "one")["status"]["containerStatuses"]
    assert status["restartCount"] == 6
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert any(event["reason"] == "BackOff" for event in cluster.events("default"))


def test_a_stopped_node_is_given_up_and_its_pods_replaced(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.advance(100)
    cluster.stop_node("node-2")
    cluster.advance(25)
    assert node_ready(cluster, "node-2") == "True"
    cluster.advance(20)
    assert node_ready(cluster, "node-2") == "Unknown"
    taints = cluster.client.get("node", "node-2")["spec"]["taints"]
    assert {one["key"] for one in taints} == {"node.kubernetes.io/unreachable"}
    assert ready(cluster) == 2
    cluster.advance(240)
    assert ready(cluster) == 2
    waited = cluster.run_until(lambda: ready(cluster) == 3)
    assert 30 < waited < 80
    live = [
        one for one in cluster.client.list("pods", "default")
        if "deletionTimestamp" not in one["metadata"]
    ]  # fmt: skip
    assert "node-2" not in {one["spec"]["nodeName"] for one in live}
    cluster.start_node("node-2")
    cluster.run_until(lambda: node_ready(cluster, "node-2") == "True")
    cluster.advance(60)
    assert len(cluster.client.list("pods", "default")) == 3


def test_a_partition_shorter_than_the_grace_does_no_harm(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.partition("node-1")
    cluster.advance(25)
    cluster.heal("node-1")
    cluster.advance(120)
    assert node_ready(cluster, "node-1") == "True"
    assert ready(cluster) == 3
    assert all(
        status["restartCount"] == 0
        for one in cluster.client.list("pods", "default")
        for status in one["status"]["containerStatuses"]
    )


def test_a_longer_one_ends_with_the_pods_elsewhere(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.partition("node-1")
    cluster.advance(500)
    assert node_ready(cluster, "node-1") == "Unknown"
    assert ready(cluster) == 3
    cluster.heal("node-1")
    cluster.advance(120)
    assert node_ready(cluster, "node-1") == "True"
    assert len(cluster.client.list("pods", "default")) == 3


def test_containers_outlive_the_agent(cluster: Cluster) -> None:
    cluster.apply(pod())
    cluster.settle()
    cluster.advance(1)
    name = cluster.client.get("pod", "one")["spec"]["nodeName"]
    before = cluster.client.get("pod", "one")["status"]["containerStatuses"][0]
    cluster.crash(f"node/{name}")
    cluster.advance(20)
    cluster.restart(f"node/{name}")
    cluster.advance(30)
    after = cluster.client.get("pod", "one")["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert after["state"] == before["state"]


def test_the_server_can_be_killed_and_started_again(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.crash("server")
    with pytest.raises(ConnectionRefusedError):
        cluster.client.get("deploy", "web")
    cluster.advance(20)
    cluster.restart("server")
    assert ready(cluster) == 3
    cluster.apply(deployment(replicas=5))
    assert cluster.run_until(lambda: ready(cluster) == 5) < 70


@pytest.mark.parametrize("component", ["controllers", "scheduler"])
def test_what_is_crashed_does_nothing_until_it_is_started_again(
    cluster: Cluster, component: str
) -> None:
    cluster.crash(component)
    cluster.apply(deployment())
    cluster.advance(60)
    assert ready(cluster) == 0
    cluster.restart(component)
    assert cluster.run_until(lambda: ready(cluster) == 3) < 5


def test_component_statuses_say_what_runs(cluster: Cluster) -> None:
    def well() -> dict[str, str]:
        parts = cluster.client.list("componentstatuses")
        return {p["metadata"]["name"]: p["conditions"][0]["status"] for p in parts}

    assert well() == {"scheduler": "True", "controller-manager": "True", "etcd-0": "True"}
    cluster.crash("scheduler")
    assert well()["scheduler"] == "False"
    cluster.restart("scheduler")
    assert well()["scheduler"] == "True"


def test_an_unknown_component_is_refused_by_name(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="there is no component 'kubelet'; there are server"):
        cluster.crash("kubelet")


def test_nodes_come_and_go(cluster: Cluster) -> None:
    cluster.add_node("big", cpu="64", labels={"size": "big"})
    cluster.apply(pod(nodeSelector={"size": "big"}))
    cluster.advance(1)
    assert cluster.client.get("pod", "one")["spec"]["nodeName"] == "big"
    with pytest.raises(ValueError, match="there is a node big already"):
        cluster.add_node("big")
    cluster.remove_node("big")
    with pytest.raises(NotFound):
        cluster.client.get("node", "big")
    cluster.advance(120)
    with pytest.raises(NotFound):  # the pod collector takes what was left on it
        cluster.client.get("pod", "one")


def test_what_fits_nowhere_says_why(cluster: Cluster) -> None:
    cluster.apply(pod(nodeSelector={"size": "big"}))
    cluster.advance(1)
    (event,) = [e for e in cluster.events("default") if e["reason"] == "FailedScheduling"]
    assert event["message"].startswith("0/3 nodes are available: 3 node(s) didn't match")


def test_apply_changes_what_its_author_names_and_leaves_the_rest(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.client.patch("deploy", "web", {"metadata": {"labels": {"team": "a"}}})
    cluster.client.patch("deploy", "web", {"spec": {"replicas": 7}}, subresource="")
    changed = deployment(minReadySeconds=1)
    del changed["spec"]["replicas"]
    (made,) = cluster.apply(changed)
    assert made["metadata"]["labels"] == {"team": "a"}
    assert made["spec"]["minReadySeconds"] == 1
    assert made["spec"]["replicas"] == 1  # named before and no more: back to the default
    (same,) = cluster.apply(changed)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"] or (
        same["metadata"]["generation"] == made["metadata"]["generation"]
    )


def test_apply_reads_yaml_with_several_documents_and_lists(cluster: Cluster) -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {on: "1"}}
"""
    assert [one["metadata"]["name"] for one in cluster.apply(text)] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ({**pod(), "kind": "Pood"}, NotFound, 'no matches for kind "Pood" in version "v1"'),
        (pod(nodeSelekter={}), StatusError, 'unknown field "spec.nodeSelekter"'),
        (pod("Bad_Name"), Invalid, "a lowercase RFC 1123 subdomain"),
    ],
)
def test_what_a_real_server_refuses_is_refused_in_its_words(
    cluster: Cluster, body: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        cluster.apply(body)
    assert text in str(caught.value)


def test_a_namespace_ends_with_all_that_is_in_it(cluster: Cluster) -> None:
    cluster.client.create("ns", {"metadata": {"name": "away"}})
    cluster.settle()
    cluster.apply(deployment(), namespace="away")
    cluster.advance(5)
    assert len(cluster.client.list("pods", "away")) == 3
    cluster.client.delete("ns", "away")
    cluster.advance(60)
    assert not cluster.client.list("pods", "away")
    with pytest.raises(NotFound):
        cluster.client.get("ns", "away")


def test_a_watch_yields_what_happens(cluster: Cluster) -> None:
    events = cluster.client.watch("pods", "default")
    cluster.apply(pod())
    kinds = [(one.type, one.object["status"]["phase"]) for one in events]
    assert kinds[0] == ("ADDED", "Pending")
    assert kinds[-1] == ("MODIFIED", "Running")


def test_paused_time_stands_still_and_speed_is_kept(cluster: Cluster) -> None:
    real = [0.0]

    def sleep(seconds: float) -> None:
        real[0] += seconds

    def run(seconds: float) -> float:
        before = cluster.now
        cluster.pace.run(seconds, clock=lambda: real[0], sleep=sleep)
        return round(cluster.now - before, 6)

    cluster.speed = 100
    assert run(10) == 1000
    cluster.pause()
    assert run(10) == 0
    cluster.resume()
    cluster.speed = 0.5
    assert run(10) == 5


def test_two_clusters_side_by_side_know_nothing_of_each_other() -> None:
    with Cluster(nodes=1) as one, Cluster(nodes=1) as two:
        one.apply(pod())
        one.advance(10)
        assert two.now == 0
        assert not two.client.list("pods")


def test_a_closed_cluster_leaves_nothing_behind() -> None:
    cluster = Cluster(nodes=1)
    cluster.close()
    cluster.close()
    assert cluster.loop.is_closed()


def leaps_change_nothing(setup: Callable[[Cluster], None]) -> tuple[Any, Any]:
    states = []
    for leaping in (True, False):
        with Cluster(nodes=2, seed=3) as cluster:
            if not leaping:
                cluster.loop._leap = lambda _limit: None  # type: ignore[method-assign]
            setup(cluster)
            cluster.advance(4000)
            objects = [
                one
                for kind in ("pods", "nodes", "deployments", "leases", "events")
                for one in cluster.client.list(kind)
            ]
            states.append([_bare(one) for one in objects])
            assert bool(cluster.loop.leaps) is leaping
    return states[0], states[1]


def _bare(obj: Any) -> Any:
    metadata = {
        key: item
        for key, item in obj["metadata"].items()
        if key not in ("resourceVersion", "managedFields")
    }
    return {**obj, "metadata": metadata}


def test_what_was_leapt_over_looks_as_if_it_had_been_played() -> None:
    def setup(cluster: Cluster) -> None:
        cluster.apply(deployment(replicas=2))
        cluster.advance(1234)
        cluster.stop_node("node-2")

    leapt, ticked = leaps_change_nothing(setup)
    assert leapt == ticked


def test_a_rollout_that_was_complete_is_not_looked_at_again_and_again(cluster: Cluster) -> None:
    cluster.apply(deployment())
    cluster.advance(10)
    cluster.behave("main", Behaviour(run_s=0.0, exit_code=1))
    for one in cluster.client.list("pods", "default"):
        cluster.client.delete("pods", one["metadata"]["name"])
    cluster.advance(580)
    turns = cluster.loop.turns
    cluster.advance(100)  # over the progress deadline
    assert cluster.loop.turns - turns < 2000


def test_the_first_cluster_of_a_process_is_like_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("roost.simulation.starting._made", [])
    logs = []
    for start in (0.0, 0.0, 1000.0):
        with Cluster(nodes=0, start=start) as cluster:
            logs.append(cluster.log)
            role = cluster.client.get("clusterrole", "view")
            (entry,) = role["metadata"]["managedFields"]
            assert entry["time"] == role["metadata"]["creationTimestamp"]
    assert logs[0] == logs[1]
    assert logs[1] != logs[2]


def test_a_claim_of_the_default_class_gets_a_volume_of_the_pods_node(cluster: Cluster) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    cluster.apply(claim)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    cluster.apply(pod(volumes=[volume]))
    cluster.run_until(
        lambda: cluster.client.get("pod", "one").get("status", {}).get("phase") == "Running"
    )
    assert cluster.client.get("pvc", "data")["status"]["phase"] == "Bound"


def test_an_autoscaler_asks_the_server_for_metrics(cluster: Cluster) -> None:
    wanted = deployment(replicas=2)
    [container] = wanted["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "100m"}}
    cluster.apply(wanted)
    cluster.run_until(lambda: ready(cluster) == 2)
    cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 1,
                "maxReplicas": 5,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 50},
                        },
                    }
                ],
            },
        }
    )

    def conditions() -> dict[str, Any]:
        status = cluster.client.get("hpa", "web").get("status") or {}
        return {one["type"]: one for one in status.get("conditions") or ()}

    cluster.run_until(lambda: "ScalingActive" in conditions())
    cluster.advance(120)
    assert conditions()["ScalingActive"]["status"] == "True"


def test_history_is_forgotten_after_five_minutes_of_the_clusters_time(cluster: Cluster) -> None:
    link, query = cluster.plane.link(), Query(Resource("", "v1", "namespaces"))
    page = cluster.loop.finish(link.list(query, limit=1))

    def more() -> int:
        asked = link.list(query, limit=1, continue_token=page.continue_token)
        return len(cluster.loop.finish(asked).items)

    cluster.client.create("configmaps", {"metadata": {"name": "a"}})
    cluster.advance(200)
    assert more() == 1
    cluster.advance(400)
    with pytest.raises(Expired):
        more()
