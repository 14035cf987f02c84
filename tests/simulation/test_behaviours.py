"""Behaviours of containers as data: for whom they are, and what is left to chance."""

from __future__ import annotations

import pytest

from roost.adapters.virtual.chance import SeededChance
from roost.api.errors import BadRequest, InternalError, NotFound
from roost.simulation import Behaviour, Cluster

PAUSE = "registry.k8s.io/pause:3.10"


def pod(name: str, *containers: str, **more: object) -> dict[str, object]:
    labels = {"app": name}
    made = [{"name": one, "image": PAUSE} for one in containers or ("main",)]
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": made, **more}}  # fmt: skip


def restarts(cluster: Cluster, name: str) -> int:
    status = cluster.client.get("pod", name)["status"]
    count: int = status["containerStatuses"][0]["restartCount"]
    return count


def test_a_selector_says_whose_pods_behave_so() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.behave("*", Behaviour(run_s=1, exit_code=1), labels="app in (bad),app!=good")
        cluster.apply([pod("good"), pod("bad")])
        cluster.advance(5)
        assert (restarts(cluster, "good"), restarts(cluster, "bad")) == (0, 1)
        with pytest.raises(ValueError, match="expected: "):
            cluster.behave("*", Behaviour(), labels="a=b=c")


def test_an_image_whose_behaviour_is_known_can_be_pulled() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.behave("example.org/shop:*", Behaviour(output=("open",)))
        spec = {"containers": [{"name": "main", "image": "example.org/shop:7"}]}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
        cluster.advance(1)
        assert cluster.logs("p") == "open\n"


def test_crashes_and_lives_are_drawn_from_the_seed() -> None:
    drawn = Behaviour(run_s=10, run_spread_s=5, start_s=1, start_spread_s=2, crash_odds=0.5)
    lives = [drawn.drawn(SeededChance(seed)) for seed in range(200)]
    crashed = [one for one in lives if one.exit_code == 1]
    whole = [one for one in lives if one.exit_code == 0]
    assert 70 < len(crashed) < 130
    assert all(10 <= (one.run_s or 0) <= 15 for one in whole)
    assert all(0 <= (one.run_s or 0) <= 15 for one in crashed)
    assert all(1 <= one.start_s <= 3 for one in lives)
    assert len({one.run_s for one in lives}) > 190
    assert drawn.drawn(SeededChance(7)) == drawn.drawn(SeededChance(7))


def test_who_always_crashes_restarts_and_who_never_does_not() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.behave("main", Behaviour(crash_odds=1.0))
        cluster.behave("main", Behaviour(crash_odds=0.0), labels="app=calm")
        cluster.apply([pod("wild"), pod("calm")])
        cluster.advance(300)
        assert restarts(cluster, "calm") == 0
        assert restarts(cluster, "wild") > 0
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        Behaviour(crash_odds=3)


def test_logs_and_exec_say_what_a_kubelet_says() -> None:
    with Cluster(nodes=1) as cluster:
        cluster.behave("slow", Behaviour(start_s=60, output=("never",)))
        cluster.behave("talks", Behaviour(output=("hello",)))
        cluster.apply([
            pod("late", "slow"), pod("two", "talks", "slow"),
            pod("nowhere", nodeSelector={"disk": "none"}),
        ])  # fmt: skip
        cluster.advance(5)
        waits = 'container "slow" in pod "late" is waiting to start: ContainerCreating'
        with pytest.raises(BadRequest, match=waits):
            cluster.logs("late")
        with pytest.raises(InternalError, match=r'container not found .*"slow"'):
            cluster.exec("late", ["ls"])
        assert cluster.logs("two") == "hello\n"  # the first, as kubectl chooses
        assert cluster.exec("default/two", ["true"]).code == 0
        with pytest.raises(BadRequest, match='previous terminated container "talks" in pod "two"'):
            cluster.logs("two", previous=True)
        with pytest.raises(BadRequest, match="container x is not valid for pod two"):
            cluster.logs("two", "x")
        assert cluster.logs("nowhere") == ""
        with pytest.raises(BadRequest, match="pod nowhere does not have a host assigned"):
            cluster.exec("nowhere", ["ls"])
        with pytest.raises(NotFound):
            cluster.logs("nobody")
