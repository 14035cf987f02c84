"""Behaviours of containers as data: for whom they are, and what is left to chance."""

from __future__ import annotations

import pytest

from roost.adapters.virtual.chance import SeededChance
from roost.api.errors import BadRequest, InternalError, NotFound
from roost.simulation import Behaviour, Cluster, Context, Image

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


def test_an_autoscaler_follows_the_cpu_that_programs_use_up_and_down() -> None:
    class Burner(Image):
        name = "burner"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
            while True:
                ctx.use_cpu(0.0 if ctx.files.exists("/shared/calm") else 2.0)
                await ctx.sleep(5)

    resources = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}}
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    container = {
        "name": "main", "image": "burner", "resources": resources, "volumeMounts": mounts
    }  # fmt: skip
    volumes = [{"name": "shared", "hostPath": {"path": "/shared"}}]
    labels = {"app": "burner"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "volumes": volumes},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "burner"}
    goal = {"type": "Utilization", "averageUtilization": 50}
    with Cluster(nodes=1) as cluster:
        cluster.register(Burner)
        cluster.apply([
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "burner"},
             "spec": {"selector": {"matchLabels": labels}, "template": template}},
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
             "metadata": {"name": "burner"},
             "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4,
                      "metrics": [{"type": "Resource",
                                   "resource": {"name": "cpu", "target": goal}}]}},
        ])  # fmt: skip

        def replicas() -> int:
            found: int = cluster.client.get("deploy", "burner")["spec"]["replicas"]
            return found

        cluster.run_until(lambda: replicas() == 4, timeout_s=600)
        cluster.advance(120)
        metrics = cluster.client.get("hpa", "burner")["status"]["currentMetrics"]
        # Of 2 cores that it wants it gets the 1 of its limit: twice what it asked for.
        assert metrics[0]["resource"]["current"]["averageUtilization"] == 200
        [pod, *_] = cluster.client.list("pods", "default")
        cluster.exec(pod["metadata"]["name"], ["touch", "/shared/calm"])
        cluster.run_until(lambda: replicas() == 1, timeout_s=1200)
