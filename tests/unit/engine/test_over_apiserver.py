"""Controllers and scheduler over the API server's core: what a user sees of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.timeless import run
from fakes.world import World, world
from roost.api.errors import NotFound
from roost.api.values import Object
from roost.client.port import DeleteOptions
from roost.decisions import conditions
from roost.decisions.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    SERVICES,
)

TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {"name": "main", "image": "app:1", "ports": [{"name": "http", "containerPort": 8080}]}
        ]
    },
}


def deployment(replicas: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": TEMPLATE,
        },
    }


def job(name: str, **spec: Any) -> Object:
    template = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template, **spec},
    }


async def rolled_out(w: World, replicas: int, image: str) -> bool:
    found = await w.get(DEPLOYMENTS, "web")
    status = found.get("status") or {}
    pods = [p for p in await w.all(PODS) if p["metadata"]["labels"].get("app") == "web"]
    return (
        status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("updatedReplicas") == status.get("availableReplicas") == replicas
        and {p["spec"]["containers"][0]["image"] for p in pods} == {image}
        and len(pods) == replicas
    )


def test_a_deployment_rolls_out_and_its_service_follows() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2"):
                await w.kubelets.add(name)
            await w.client.create(DEPLOYMENTS, deployment(4), "default")
            service: Object = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {
                    "selector": {"app": "web"},
                    "ports": [{"port": 80, "targetPort": "http"}],
                },
            }
            await w.client.create(SERVICES, service, "default")
            await w.until(lambda: rolled_out(w, 4, "app:1"))
            progress = conditions.find(
                (await w.get(DEPLOYMENTS, "web"))["status"]["conditions"], "Progressing"
            )
            assert progress is not None
            assert progress["reason"] == "NewReplicaSetAvailable"
            await asyncio.sleep(2)
            (only,) = await w.all(ENDPOINT_SLICES, "default")
            assert len(only["endpoints"]) == 4
            assert all(e["conditions"]["ready"] for e in only["endpoints"])
            assert [p["port"] for p in only["ports"]] == [8080]
            endpoints = await w.get(ENDPOINTS, "web")
            assert len(endpoints["subsets"][0]["addresses"]) == 4
            image = {"containers": [{**TEMPLATE["spec"]["containers"][0], "image": "app:2"}]}
            patch = {"spec": {"template": {"spec": image}}}
            await w.client.patch(DEPLOYMENTS, "web", patch, "default")
            await w.until(lambda: rolled_out(w, 4, "app:2"))
            sizes = sorted(rs["spec"]["replicas"] for rs in await w.all(REPLICA_SETS))
            assert sizes == [0, 4]
            await w.client.delete(DEPLOYMENTS, "web", "default")

            async def gone() -> bool:
                return not await w.all(PODS) and not await w.all(REPLICA_SETS)

            await w.until(gone)

    run(scenario())


def test_namespaces_get_what_they_need_and_end() -> None:
    async def scenario() -> None:
        async with world() as w:
            body: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
            await w.client.create(NAMESPACES, body)
            await asyncio.sleep(1)
            assert await w.get(SERVICE_ACCOUNTS, "default", "team")
            assert (await w.get(CONFIG_MAPS, "kube-root-ca.crt", "team"))["data"] == {
                "ca.crt": "PEM"
            }
            await w.client.delete(NAMESPACES, "team")
            await asyncio.sleep(3)
            with pytest.raises(NotFound):
                await w.get(NAMESPACES, "team", "")

    run(scenario())


def test_a_job_runs_to_completion_and_counts_each_pod_once() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.kubelets.outcome = lambda pod: "Succeeded"
            await w.kubelets.add("n1")
            body = job("sum", completions=7, parallelism=3, ttlSecondsAfterFinished=100)
            await w.client.create(JOBS, body, "default")

            async def complete() -> bool:
                found = (await w.get(JOBS, "sum"))["status"]
                return conditions.is_true(found.get("conditions"), "Complete")

            await w.until(complete)
            status = (await w.get(JOBS, "sum"))["status"]
            assert (status["succeeded"], status.get("failed", 0)) == (7, 0)
            assert [c["type"] for c in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
            pods = await w.all(PODS)
            assert len(pods) == 7
            assert not any(p["metadata"].get("finalizers") for p in pods)
            await asyncio.sleep(120)
            assert await w.all(JOBS) == []
            assert await w.all(PODS) == []

    run(scenario())


def test_an_indexed_job_runs_every_index() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.kubelets.outcome = lambda pod: "Succeeded"
            await w.kubelets.add("n1")
            body = job("each", completions=5, parallelism=2, completionMode="Indexed")
            await w.client.create(JOBS, body, "default")

            async def complete() -> bool:
                found = (await w.get(JOBS, "each"))["status"]
                return conditions.is_true(found.get("conditions"), "Complete")

            await w.until(complete)
            assert (await w.get(JOBS, "each"))["status"]["completedIndexes"] == "0-4"
            names = sorted(p["spec"]["hostname"] for p in await w.all(PODS))
            assert names == [f"each-{i}" for i in range(5)]

    run(scenario())


def test_a_job_that_keeps_failing_backs_off_and_gives_up() -> None:
    async def scenario() -> None:
        async with world() as w:
            w.kubelets.outcome = lambda pod: "Failed"
            await w.kubelets.add("n1")
            await w.client.create(JOBS, job("bad", backoffLimit=2), "default")
            await asyncio.sleep(15)
            assert len(await w.all(PODS)) == 2
            await asyncio.sleep(100)
            status = (await w.get(JOBS, "bad"))["status"]
            assert status["failed"] == 3
            failed = conditions.find(status["conditions"], "Failed")
            assert failed is not None
            assert (failed["reason"], failed["message"]) == (
                "BackoffLimitExceeded", "Job has reached the specified backoff limit",
            )  # fmt: skip

    run(scenario())


def test_a_suspended_job_keeps_no_pods_and_resumes() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(JOBS, job("pause", parallelism=2), "default")
            await asyncio.sleep(5)
            assert (await w.get(JOBS, "pause"))["status"]["active"] == 2
            await w.client.patch(JOBS, "pause", {"spec": {"suspend": True}}, "default")
            await asyncio.sleep(5)
            assert await w.all(PODS) == []
            status = (await w.get(JOBS, "pause"))["status"]
            assert conditions.is_true(status["conditions"], "Suspended")
            assert "startTime" not in status
            assert status.get("failed", 0) == 0
            await w.client.patch(JOBS, "pause", {"spec": {"suspend": False}}, "default")
            await asyncio.sleep(5)
            assert len(await w.all(PODS)) == 2

    run(scenario())


def test_a_silent_node_is_found_out_and_its_pods_move() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2", "n3"):
                await w.kubelets.add(name)
            await w.client.create(DEPLOYMENTS, deployment(6), "default")
            await w.until(lambda: rolled_out(w, 6, "app:1"))
            w.kubelets.dead.add("n1")
            await asyncio.sleep(40)
            node = await w.get(NODES, "n1", "")
            assert conditions.is_true(node["status"]["conditions"], "Ready")
            await asyncio.sleep(40)
            node = await w.get(NODES, "n1", "")
            ready = conditions.find(node["status"]["conditions"], "Ready")
            assert ready is not None
            assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
            taints = {(t["key"], t["effect"]) for t in node["spec"]["taints"]}
            key = "node.kubernetes.io/unreachable"
            assert taints == {(key, "NoSchedule"), (key, "NoExecute")}
            stuck = [p for p in await w.all(PODS) if p["spec"]["nodeName"] == "n1"]
            assert stuck
            # Pods without tolerations of their own (no admission here) go at once.
            assert all("deletionTimestamp" in p["metadata"] for p in stuck)
            w.kubelets.dead.clear()
            await w.client.patch(
                NODES,
                "n1",
                {
                    "status": {
                        "conditions": [
                            {**ready, "status": "True", "lastHeartbeatTime": "2030-01-01T00:00:00Z"}
                        ]
                    }
                },
                subresource="status",
            )
            await asyncio.sleep(30)
            assert "taints" not in (await w.get(NODES, "n1", ""))["spec"]
            await w.until(lambda: rolled_out(w, 6, "app:1"))

    run(scenario())


def test_when_all_nodes_are_silent_nothing_is_evicted() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2"):
                await w.kubelets.add(name)
            await w.client.create(DEPLOYMENTS, deployment(4), "default")
            await w.until(lambda: rolled_out(w, 4, "app:1"))
            w.kubelets.dead.update(("n1", "n2"))
            await asyncio.sleep(600)
            pods = await w.all(PODS)
            assert len(pods) == 4
            assert not any("deletionTimestamp" in p["metadata"] for p in pods)

    run(scenario())


def test_pods_of_a_node_that_is_deleted_are_removed_after_a_while() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2"):
                await w.kubelets.add(name)
            await w.client.create(DEPLOYMENTS, deployment(4), "default")
            await w.until(lambda: rolled_out(w, 4, "app:1"))
            w.kubelets.dead.add("n1")
            await w.client.delete(NODES, "n1")
            await asyncio.sleep(30)
            assert any(p["spec"]["nodeName"] == "n1" for p in await w.all(PODS))
            await asyncio.sleep(30)
            await w.until(lambda: rolled_out(w, 4, "app:1"))
            assert {p["spec"]["nodeName"] for p in await w.all(PODS)} == {"n2"}

    run(scenario())


def test_budgets_and_quotas_are_counted() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(3), "default")
            budget: Object = {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
            }
            await w.client.create(POD_DISRUPTION_BUDGETS, budget, "default")
            quota: Object = {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "q", "namespace": "default"},
                "spec": {"hard": {"pods": "10", "count/deployments.apps": "5"}},
            }
            await w.until(lambda: rolled_out(w, 3, "app:1"))
            await w.client.create(RESOURCE_QUOTAS, quota, "default")
            await asyncio.sleep(1)
            status = (await w.get(POD_DISRUPTION_BUDGETS, "web"))["status"]
            assert (status["disruptionsAllowed"], status["desiredHealthy"]) == (1, 2)
            assert (status["expectedPods"], status["currentHealthy"]) == (3, 3)
            used = (await w.get(RESOURCE_QUOTAS, "q"))["status"]["used"]
            assert used == {"pods": "3", "count/deployments.apps": "1"}
            await w.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")
            await asyncio.sleep(5)
            used = (await w.get(RESOURCE_QUOTAS, "q"))["status"]["used"]
            assert used == {"pods": "1", "count/deployments.apps": "1"}

    run(scenario())


def test_foreground_deletion_over_the_server() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(2), "default")
            await w.until(lambda: rolled_out(w, 2, "app:1"))
            options = DeleteOptions(propagation="Foreground")
            await w.client.delete(DEPLOYMENTS, "web", "default", options)
            await asyncio.sleep(0.1)
            await asyncio.sleep(20)
            for resource in (DEPLOYMENTS, REPLICA_SETS, PODS):
                assert await w.all(resource) == []

    run(scenario())


def test_the_control_plane_is_quiet_when_nothing_changes() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(3), "default")
            await w.until(lambda: rolled_out(w, 3, "app:1"))
            await asyncio.sleep(30)
            before = {n: c.actions for n, c in w.engine.counters().items()}
            await asyncio.sleep(300)
            assert {n: c.actions for n, c in w.engine.counters().items()} == before
            assert not any(c.faults for c in w.engine.counters().values())

    run(scenario())


def test_events_tell_the_story() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(1), "default")
            await w.until(lambda: rolled_out(w, 1, "app:1"))
            await asyncio.sleep(1)
            told = {(e["source"]["component"], e["reason"]) for e in await w.all(EVENTS)}
            assert {
                ("deployment-controller", "ScalingReplicaSet"),
                ("replicaset-controller", "SuccessfulCreate"),
                ("default-scheduler", "Scheduled"),
            } <= told

    run(scenario())
