"""Faults do what they say and no more, and the cluster comes through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from roost.api.errors import InternalError, NotFound
from roost.simulation import Behaviour, Cluster
from roost.simulation.faults import (
    ClockSkew,
    Crash,
    Delay,
    Duplicate,
    Fault,
    FaultPlan,
    FullDisk,
    Kill,
    Oom,
    Partition,
    PowerOff,
    PullFailure,
    Restart,
    Shortage,
)

PAUSE = "registry.k8s.io/pause:3.10"


def workload(kind: str = "Deployment", replicas: int = 3, **spec: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": PAUSE}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web"},
        "spec": {"selector": selector, "template": template, "replicas": replicas, **spec},
    }


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=3, check=True) as made:
        yield made


def ready(cluster: Cluster, kind: str = "deploy") -> int:
    return int((cluster.client.get(kind, "web").get("status") or {}).get("readyReplicas", 0))


FAULTS: tuple[Fault, ...] = (
    Crash("server"), Crash("controllers"), Crash("scheduler"), Crash("node/node-1"),
    Restart("server"), Restart("controllers"), PowerOff("node-2"), Partition("node-3"),
    Delay("watches", 2.0), Delay("node/node-1", 2.0), Duplicate("controllers", 0.5),
    Duplicate("node/node-2", 0.5), Duplicate("scheduler", 0.5), ClockSkew("node/node-1", 90),
    ClockSkew("controllers", -30), FullDisk("server"), FullDisk("node/node-1"), PullFailure(),
    Oom("*"), Kill("default/web-*"), Shortage("node-1"), Shortage("node-2", "nodefs.available"),
)  # fmt: skip


def test_pods_leave_a_node_without_memory_and_come_back_when_it_has_some(cluster: Cluster) -> None:
    cluster.apply(workload())
    cluster.run_until(lambda: ready(cluster) == 3)
    pods = cluster.client.list("pods")
    node = pods[0]["spec"]["nodeName"]
    with cluster.fault(Shortage(node)):
        cluster.run_until(
            lambda: all(
                pod["spec"]["nodeName"] != node or pod["status"]["phase"] == "Failed"
                for pod in cluster.client.list("pods")
            )
        )
        cluster.run_until(lambda: ready(cluster) == 3)
        failed = [pod for pod in cluster.client.list("pods") if pod["status"]["phase"] == "Failed"]
        assert len(failed) == sum(pod["spec"]["nodeName"] == node for pod in pods)
        for pod in failed:
            assert pod["status"]["reason"] == "Evicted"
            assert pod["status"]["message"].startswith("The node was low on resource: memory. ")
        taints = [one["key"] for one in cluster.client.get("nodes", node)["spec"]["taints"]]
        assert taints == ["node.kubernetes.io/memory-pressure"]
    cluster.advance(290)
    assert cluster.client.get("nodes", node)["spec"].get("taints")
    cluster.advance(60)
    assert not cluster.client.get("nodes", node)["spec"].get("taints")


def test_a_shortage_is_of_something_that_nodes_have(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"there is no signal memory\.free; there are memory\."):
        cluster.inject(Shortage("node-1", "memory.free"))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_cluster_comes_through(cluster: Cluster, fault: Fault) -> None:
    cluster.apply(workload())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.inject(fault, for_s=100)
    cluster.advance(5)
    try:
        cluster.client.patch("deploy", "web", {"spec": {"replicas": 5}})
    except (InternalError, ConnectionRefusedError):
        cluster.advance(100)
        cluster.client.patch("deploy", "web", {"spec": {"replicas": 5}})
    cluster.run_until(lambda: ready(cluster) == 5, timeout_s=700)
    cluster.advance(900)
    assert not cluster.faults.active
    assert cluster.settled() == []


def test_a_full_disk_refuses_writes_and_nothing_else(cluster: Cluster) -> None:
    with cluster.fault(FullDisk("server")):
        with pytest.raises(InternalError, match="no space left"):
            cluster.apply(workload())
        assert cluster.client.list("nodes")
    cluster.apply(workload())


def test_images_that_cannot_be_pulled_say_why(cluster: Cluster) -> None:
    with cluster.fault(PullFailure("*pause*", "the cable is cut")):
        cluster.apply(workload(replicas=1))
        cluster.advance(1)
        (event,) = [e for e in cluster.events() if e["reason"] == "Failed"][:1]
        assert "the cable is cut" in event["message"]
    cluster.run_until(lambda: ready(cluster) == 1, timeout_s=400)


def test_a_lost_answer_makes_no_second_pod(cluster: Cluster) -> None:
    with cluster.fault(Duplicate("controllers", 1.0)):
        cluster.apply(workload(replicas=4))
        cluster.advance(120)
        assert len(cluster.client.list("pods", "default")) == 4


def test_who_ran_out_of_memory_says_so(cluster: Cluster) -> None:
    cluster.apply(workload(replicas=1))
    cluster.run_until(lambda: ready(cluster) == 1)
    cluster.inject(Oom("default/*"))
    cluster.advance(30)
    (pod,) = cluster.client.list("pods", "default")
    (status,) = pod["status"]["containerStatuses"]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"


def test_a_late_watch_is_late(cluster: Cluster) -> None:
    with cluster.fault(Delay("watches", 3.0)):
        cluster.apply(workload(replicas=1))
        cluster.advance(2)
        assert cluster.client.list("rs") == []
        cluster.run_until(lambda: ready(cluster) == 1, timeout_s=60)


def test_the_agent_writes_by_its_own_clock(cluster: Cluster) -> None:
    cluster.inject(ClockSkew("node/node-1", 3600.0), for_s=60)
    cluster.advance(30)
    lease = cluster.client.get("lease", "node-1", "kube-node-lease")
    assert lease["spec"]["renewTime"] > "2025-01-01T01:00:00"
    cluster.advance(120)
    lease = cluster.client.get("lease", "node-1", "kube-node-lease")
    assert lease["spec"]["renewTime"] < "2025-01-01T01:00:00"


def test_a_component_without_a_disk_is_refused_by_name(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="scheduler has no disk"):
        cluster.inject(FullDisk("scheduler"))


def test_a_plan_is_what_its_seed_says(cluster: Cluster) -> None:
    nodes = ["a", "b", "c"]
    plan = FaultPlan.drawn(7, nodes, 600)
    assert plan == FaultPlan.drawn(7, nodes, 600)
    assert plan != FaultPlan.drawn(8, nodes, 600)
    assert len(plan.faults) > 5
    assert all(one.at_s + one.for_s <= 600.001 for one in plan.faults)


def test_ending_all_faults_ends_what_is_planned_too(cluster: Cluster) -> None:
    cluster.inject(FaultPlan.drawn(7, list(cluster.nodes), 600))
    cluster.advance(200)
    cluster.end()
    cluster.advance(500)
    assert not cluster.faults.active
    assert sum("begin" in line for line in cluster.log.splitlines()) < 10


def test_a_stateful_set_at_its_quota_counts_its_pods_and_says_why(cluster: Cluster) -> None:
    hard = {"hard": {"pods": "2"}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": hard}
    )
    cluster.advance(1)
    cluster.apply(workload("StatefulSet", serviceName="web", podManagementPolicy="Parallel"))
    cluster.advance(5)
    assert ready(cluster, "sts") == 2
    (event,) = [e for e in cluster.events() if e["reason"] == "FailedCreate"]
    assert event["message"].startswith("create Pod web-2 in StatefulSet web failed error: ")
    assert "exceeded quota" in event["message"]


def test_a_lost_answer_to_a_binding_does_not_free_the_place(cluster: Cluster) -> None:
    asked = {"requests": {"cpu": "1500m"}}
    wanted = workload(replicas=30)
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = asked
    with cluster.fault(Duplicate("scheduler", 0.5)), cluster.fault(Delay("watches", 2.0)):
        cluster.apply(wanted)
        cluster.advance(200)
    cluster.advance(60)
    assert ready(cluster) == 15  # five on each of three nodes


def quota(pods: int) -> dict[str, Any]:
    spec = {"hard": {"pods": str(pods)}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}


def test_a_daemon_set_at_its_quota_counts_its_pods_and_says_why(cluster: Cluster) -> None:
    cluster.apply(quota(1))
    cluster.advance(1)
    wanted = workload("DaemonSet")
    del wanted["spec"]["replicas"]
    cluster.apply(wanted)
    cluster.advance(5)
    assert cluster.client.get("ds", "web")["status"]["numberReady"] == 1
    assert any("Error creating: pods" in e["message"] for e in cluster.events("default"))


def job(completions: int, parallelism: int) -> dict[str, Any]:
    containers = [{"name": "task", "image": PAUSE}]
    spec = {
        "completions": completions,
        "parallelism": parallelism,
        "template": {"spec": {"containers": containers, "restartPolicy": "Never"}},
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sum"}, "spec": spec}


def test_a_job_counts_its_pods_although_more_are_refused(cluster: Cluster) -> None:
    cluster.behave("task", Behaviour(run_s=10, exit_code=0))
    cluster.apply(quota(1))
    cluster.advance(1)
    cluster.apply(job(completions=4, parallelism=2))
    cluster.advance(15)
    assert cluster.client.get("jobs", "sum")["status"].get("succeeded", 0) >= 1


def test_a_namespace_with_a_job_ends(cluster: Cluster) -> None:
    cluster.behave("task", Behaviour(run_s=3.0, exit_code=0))
    cluster.client.create("ns", {"metadata": {"name": "away"}})
    cluster.apply(job(completions=4, parallelism=3), namespace="away")
    cluster.advance(1)
    cluster.client.delete("ns", "away")
    cluster.advance(120)
    with pytest.raises(NotFound):
        cluster.client.get("ns", "away")


def test_a_quota_is_counted_anew_when_the_controllers_start(cluster: Cluster) -> None:
    cluster.apply(quota(9))
    cluster.apply(workload())
    cluster.run_until(lambda: ready(cluster) == 3)
    cluster.advance(5)
    cluster.crash("controllers")
    for pod in cluster.client.list("pods", "default"):
        cluster.client.delete("pods", pod["metadata"]["name"], grace_period_s=0)
    cluster.client.delete("deploy", "web", propagation="Orphan")
    cluster.client.delete("rs", cluster.client.list("rs")[0]["metadata"]["name"])
    cluster.restart("controllers")
    cluster.advance(5)
    assert cluster.client.get("quota", "q")["status"]["used"]["pods"] == "0"
