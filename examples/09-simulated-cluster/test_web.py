"""What the manifest promises, tested in virtual time: a node is lost, and nobody notices for long."""

from pathlib import Path

from roost.simulation import Cluster

MANIFEST = Path(__file__).with_name("web.yaml")


def ready(cluster: Cluster) -> int:
    status = cluster.client.get("deployment", "web").get("status") or {}
    return int(status.get("readyReplicas", 0))


def test_it_becomes_ready_at_once():
    with Cluster(nodes=3) as cluster:
        cluster.apply(MANIFEST)
        assert cluster.run_until(lambda: ready(cluster) == 3) < 5


def test_a_lost_node_costs_a_replica_for_six_minutes():
    with Cluster(nodes=3) as cluster:
        cluster.apply(MANIFEST)
        cluster.run_until(lambda: ready(cluster) == 3)
        cluster.stop_node("node-1")
        cluster.advance(60)
        assert ready(cluster) == 2
        cluster.advance(300)
        assert ready(cluster) == 3


def test_the_same_seed_gives_the_same_history():
    histories = []
    for _ in range(2):
        with Cluster(nodes=2, seed=42) as cluster:
            cluster.apply(MANIFEST)
            cluster.advance(600)
            histories.append(cluster.log)
    assert histories[0] == histories[1]
