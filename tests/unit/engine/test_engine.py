"""The engine runs controllers over a cluster in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from fakes.cluster import Cluster, NoChance, refuse
from fakes.timeless import run
from roost.api.errors import Forbidden, InternalError
from roost.api.values import Object
from roost.controllers import deployment, replicaset, serviceaccount
from roost.decisions.controller import AnyController, Caches, Controller, Key, Watch, own_key
from roost.decisions.plan import AssertAbsent, Create, Plan, Ref
from roost.decisions.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
)
from roost.engine.engine import Engine


@asynccontextmanager
async def running(cluster: Cluster, *controllers: AnyController) -> AsyncIterator[Engine]:
    engine = Engine(cluster, cluster.clock, NoChance(), controllers)
    task = asyncio.create_task(engine.run())
    try:
        await asyncio.wait_for(engine.synced.wait(), 60)
        yield engine
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


@dataclass
class Recorder:
    """A controller that writes down what it is asked, and wants what a test says."""

    plans: dict[str, Plan]
    seen: list[tuple[float, str]]

    def controller(self, **more: Any) -> Controller[tuple[str, float]]:
        def view(caches: Caches, key: Key, now: float) -> tuple[str, float] | None:
            self.seen.append((now, key.name))
            return (key.name, now)

        def reconcile(view: tuple[str, float]) -> Plan:
            return self.plans.get(view[0], Plan())

        return Controller(
            "test-controller", (Watch(CONFIG_MAPS, own_key),), view, reconcile, **more
        )


def deployment_of(replicas: int, image: str = "v1", **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            **spec,
        },
    }


def make_ready(cluster: Cluster) -> int:
    """Let a kubelet of few words run every pod; return how many it changed."""
    changed = 0
    for pod in cluster.all(PODS):
        metadata = pod["metadata"]
        if "deletionTimestamp" in metadata:
            cluster.remove(PODS, metadata["name"], metadata["namespace"])
            changed += 1
        elif pod["status"].get("phase") != "Running":
            ready = [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2027-01-15T08:00:00Z"}
            ]
            status = {"phase": "Running", "conditions": ready}
            cluster.change(PODS, metadata["name"], metadata["namespace"], {"status": status})
            changed += 1
    return changed


async def settle(cluster: Cluster) -> None:
    for _ in range(200):
        await asyncio.sleep(0.05)
        if not make_ready(cluster):
            await asyncio.sleep(1)
            if not make_ready(cluster):
                return
    raise AssertionError("it does not settle")


def test_a_deployment_becomes_pods_and_rolls_to_a_new_template() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(DEPLOYMENTS, deployment_of(5))
        async with running(cluster, deployment.CONTROLLER, replicaset.CONTROLLER):
            await settle(cluster)
            status = cluster.find(DEPLOYMENTS, "web", "default")["status"]
            assert status["availableReplicas"] == status["updatedReplicas"] == 5
            reasons = {c["type"]: c["reason"] for c in status["conditions"]}
            assert reasons == {
                "Available": "MinimumReplicasAvailable",
                "Progressing": "NewReplicaSetAvailable",
            }
            template = {"spec": {"containers": [{"name": "main", "image": "v2"}]}}
            cluster.change(
                DEPLOYMENTS,
                "web",
                "default",
                {"metadata": {"generation": 2}, "spec": {"template": template}},
            )
            await settle(cluster)
            images = [pod["spec"]["containers"][0]["image"] for pod in cluster.all(PODS)]
            assert images == ["v2"] * 5
            found = cluster.find(DEPLOYMENTS, "web", "default")
            assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
            assert found["status"]["observedGeneration"] == 2
            sizes = sorted(rs["spec"]["replicas"] for rs in cluster.all(REPLICA_SETS))
            assert sizes == [0, 5]
            messages = {
                e["message"] for e in cluster.all(EVENTS) if e["reason"] == "ScalingReplicaSet"
            }
            assert any(
                m.startswith("Scaled up replica set web-") and "from 0 to" in m for m in messages
            )

    run(scenario())


def test_a_cache_that_lags_behind_makes_no_surplus() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.delay_s = 0.7
        cluster.add(DEPLOYMENTS, deployment_of(30))
        most = 0
        async with running(cluster, deployment.CONTROLLER, replicaset.CONTROLLER):
            for _ in range(40):
                await asyncio.sleep(0.3)
                make_ready(cluster)
                most = max(most, len(cluster.all(PODS)))
        assert most == 30
        assert [verb for verb, plural in cluster.requests if plural == "pods"].count("create") == 30

    run(scenario())


def test_nothing_happens_when_nothing_changes() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(DEPLOYMENTS, deployment_of(3))
        async with running(cluster, deployment.CONTROLLER, replicaset.CONTROLLER) as engine:
            await settle(cluster)
            asked = len(cluster.requests)
            decided = sum(c.reconciled for c in engine.counters().values())
            await asyncio.sleep(300)
            assert len(cluster.requests) == asked
            assert sum(c.reconciled for c in engine.counters().values()) == decided
            assert engine.idle()

    run(scenario())


def test_expired_history_is_listed_again_and_compared() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        cluster.add(CONFIG_MAPS, config_map("b"))
        recorder = Recorder({}, [])
        async with running(cluster, recorder.controller()) as engine:
            await asyncio.sleep(1)
            recorder.seen.clear()
            cluster.compact()
            cluster.remove(CONFIG_MAPS, "b", "default")
            cluster.add(CONFIG_MAPS, config_map("c"))
            cluster.compact()
            await asyncio.sleep(5)
            assert sorted(name for _, name in recorder.seen) == ["b", "c"]
            assert [o["metadata"]["name"] for o in engine.informers[CONFIG_MAPS].all()] == [
                "a",
                "c",
            ]

    run(scenario())


def test_a_server_that_refuses_to_list_changes_nothing() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        recorder = Recorder({}, [])
        async with running(cluster, recorder.controller()) as engine:
            await asyncio.sleep(1)
            recorder.seen.clear()
            cluster.before = refuse(Forbidden("no"), "list", "configmaps")
            cluster.compact()
            await asyncio.sleep(120)
            assert recorder.seen == []
            assert len(engine.informers[CONFIG_MAPS]) == 1

    run(scenario())


def test_wake_at_looks_again_at_that_time() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        recorder = Recorder({"a": Plan(wake_at=cluster.clock.now() + 100)}, [])
        async with running(cluster, recorder.controller()):
            await asyncio.sleep(99)
            assert len(recorder.seen) == 1
            await asyncio.sleep(2)
            assert recorder.seen[1][0] == pytest.approx(cluster.clock.start + 100, abs=0.01)

    run(scenario())


def test_a_timer_that_goes_off_early_loses_no_key() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        plans = {"a": Plan(wake_at=cluster.clock.now() + 5)}
        recorder = Recorder(plans, [])
        cluster.add(CONFIG_MAPS, config_map("a"))
        async with running(cluster, recorder.controller()):
            await asyncio.sleep(5.5)
            assert recorder.seen[1][0] == pytest.approx(cluster.clock.start + 5, abs=0.01)

    run(scenario(), early_s=0.0007)


def test_failures_are_tried_again_with_growing_delay() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        cluster.before = refuse(InternalError("no"), "create", "pods")
        pod = {"metadata": {"name": "p", "namespace": "default"}}
        recorder = Recorder({"a": Plan((Create(PODS, pod),))}, [])
        async with running(cluster, recorder.controller()) as engine:
            await asyncio.sleep(1)
            times = [at for at, _ in recorder.seen]
            gaps = [round(b - a, 4) for a, b in pairwise(times)]
            assert gaps[:4] == [0.005, 0.01, 0.02, 0.04]
            assert engine.counters()["test-controller"].errors["InternalError"] >= 5

    run(scenario())


def test_a_namespace_that_ends_is_no_reason_to_try_again() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        ending = Forbidden("ending", {"causes": [{"reason": "NamespaceTerminating"}]})
        cluster.before = refuse(ending, "create", "pods")
        pod = {"metadata": {"name": "p", "namespace": "default"}}
        recorder = Recorder({"a": Plan((Create(PODS, pod),))}, [])
        async with running(cluster, recorder.controller()):
            await asyncio.sleep(60)
            assert len(recorder.seen) == 1

    run(scenario())


def test_a_refusal_is_told_by_the_controller() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(DEPLOYMENTS, deployment_of(2))
        cluster.before = refuse(Forbidden("exceeded quota"), "create", "pods")
        async with running(cluster, deployment.CONTROLLER, replicaset.CONTROLLER):
            await asyncio.sleep(2)
            status = cluster.all(REPLICA_SETS)[0]["status"]
            assert [(c["type"], c["reason"], c["message"]) for c in status["conditions"]] == [
                ("ReplicaFailure", "FailedCreate", "exceeded quota")
            ]
            cluster.before = lambda verb, resource, body: None
            await asyncio.sleep(20)
            assert len(cluster.all(PODS)) == 2
            assert "conditions" not in cluster.all(REPLICA_SETS)[0]["status"]
            found = cluster.find(DEPLOYMENTS, "web", "default")["status"]["conditions"]
            assert "ReplicaFailure" not in {c["type"] for c in found}
            failed = [e for e in cluster.all(EVENTS) if e["reason"] == "FailedCreate"]
            assert [e["message"] for e in failed] == ["Error creating: exceeded quota"]
            assert failed[0]["count"] > 1

    run(scenario())


def test_assert_absent_stops_a_plan_whose_premise_is_wrong() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        found = cluster.add(CONFIG_MAPS, config_map("a"))
        uid = found["metadata"]["uid"]
        pod = {"metadata": {"name": "p", "namespace": "default"}}
        absent = AssertAbsent(Ref(CONFIG_MAPS, "default", "a", uid))
        recorder = Recorder({"a": Plan((absent, Create(PODS, pod)))}, [])
        async with running(cluster, recorder.controller()):
            await asyncio.sleep(2)
            assert cluster.all(PODS) == []
            cluster.remove(CONFIG_MAPS, "a", "default")
            await asyncio.sleep(2)
            assert len(cluster.all(PODS)) == 1

    run(scenario())


def test_a_bug_in_one_controller_does_not_stop_the_others() -> None:
    def broken(view: object) -> Plan:
        raise KeyError("bug")

    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NAMESPACES, {"metadata": {"name": "default"}})
        bad: Controller[Key] = Controller(
            "bad", (Watch(NAMESPACES, own_key),), lambda caches, key, now: key, broken
        )
        async with running(cluster, bad, serviceaccount.SERVICE_ACCOUNT) as engine:
            await asyncio.sleep(1)
            assert cluster.find(SERVICE_ACCOUNTS, "default", "default") is not None
            assert engine.counters()["bad"].faults > 1

    run(scenario())


def test_a_controller_can_be_replaced_while_the_engine_runs() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(CONFIG_MAPS, config_map("a"))
        first, second = Recorder({}, []), Recorder({}, [])
        async with running(cluster, first.controller()) as engine:
            await asyncio.sleep(1)
            engine.put(second.controller())
            cluster.add(CONFIG_MAPS, config_map("b"))
            await asyncio.sleep(1)
            assert [name for _, name in first.seen] == ["a"]
            assert sorted(name for _, name in second.seen) == ["a", "b"]

    run(scenario())


def test_the_root_ca_is_published_and_put_right() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(NAMESPACES, {"metadata": {"name": "one"}})
        async with running(cluster, serviceaccount.root_ca_publisher("PEM")):
            await asyncio.sleep(1)
            cluster.change(CONFIG_MAPS, "kube-root-ca.crt", "one", {"data": {"ca.crt": "evil"}})
            await asyncio.sleep(1)
            assert cluster.find(CONFIG_MAPS, "kube-root-ca.crt", "one")["data"] == {"ca.crt": "PEM"}
            cluster.remove(CONFIG_MAPS, "kube-root-ca.crt", "one")
            await asyncio.sleep(1)
            assert cluster.find(CONFIG_MAPS, "kube-root-ca.crt", "one") is not None

    run(scenario())
