"""StatefulSets, DaemonSets and CronJobs over the API server's core."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.timeless import run
from fakes.world import World, world
from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.meta import labels_of
from roost.decisions.resources import (
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    JOBS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STATEFUL_SETS,
    STORAGE_CLASSES,
)


def template(image: str = "app:1", **spec: Any) -> Object:
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": containers, **spec}}


def a_set(kind: str, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}, "template": template(), **spec},
    }


async def images(w: World) -> dict[str, str]:
    return {
        p["metadata"]["name"]: p["spec"]["containers"][0]["image"]
        for p in await w.all(PODS)
        if "deletionTimestamp" not in p["metadata"]
    }


def test_a_stateful_set_goes_in_order_and_waits_for_its_claims() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            claim = {
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }
            body = a_set("StatefulSet", replicas=2, serviceName="db", volumeClaimTemplates=[claim])
            await w.client.create(STATEFUL_SETS, body, "default")
            for ordinal in range(2):
                await asyncio.sleep(10)
                names = [c["metadata"]["name"] for c in await w.all(PERSISTENT_VOLUME_CLAIMS)]
                assert names == [f"data-db-{n}" for n in range(ordinal + 1)]
                waiting = await w.get(PODS, f"db-{ordinal}")
                assert "nodeName" not in waiting["spec"]
                assert waiting["status"]["conditions"][0]["message"] == (
                    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. "
                    "preemption: 0/1 nodes are available: "
                    "1 Preemption is not helpful for scheduling."
                )
                await bind_claim(w, f"data-db-{ordinal}")
            await asyncio.sleep(10)
            assert {p["status"]["phase"] for p in await w.all(PODS)} == {"Running"}

    run(scenario())


async def bind_claim(w: World, name: str) -> None:
    """Make a volume for a claim, as a provisioner does."""
    claim = await w.get(PERSISTENT_VOLUME_CLAIMS, name)
    volume: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/data/{name}"},
            "storageClassName": claim["spec"].get("storageClassName", ""),
            "claimRef": {"namespace": "default", "name": name, "uid": claim["metadata"]["uid"]},
        },
    }
    await w.client.create(PERSISTENT_VOLUMES, volume)


def test_a_claim_that_waits_for_its_consumer_learns_the_node() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            storage_class: Object = {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": "local"},
                "provisioner": "example.com/local",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
            await w.client.create(STORAGE_CLASSES, storage_class)
            claim: Object = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "default"},
                "spec": {
                    "storageClassName": "local",
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }
            await w.client.create(PERSISTENT_VOLUME_CLAIMS, claim, "default")
            volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
            pod: Object = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "default"},
                "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]},
            }
            await w.client.create(PODS, pod, "default")
            await asyncio.sleep(5)
            found = await w.get(PERSISTENT_VOLUME_CLAIMS, "data")
            assert found["metadata"]["annotations"] == {
                "volume.kubernetes.io/selected-node": "n1",
                "volume.kubernetes.io/storage-provisioner": "example.com/local",
                "volume.beta.kubernetes.io/storage-provisioner": "example.com/local",
            }
            assert "nodeName" not in (await w.get(PODS, "p"))["spec"]
            await bind_claim(w, "data")
            await asyncio.sleep(5)
            assert (await w.get(PODS, "p"))["spec"]["nodeName"] == "n1"

    run(scenario())


def test_a_stateful_set_updates_from_the_end_to_its_partition() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            body = a_set("StatefulSet", replicas=3, serviceName="db")
            await w.client.create(STATEFUL_SETS, body, "default")
            await asyncio.sleep(20)
            assert sorted(await images(w)) == ["db-0", "db-1", "db-2"]
            pod = (await w.all(PODS))[0]
            assert pod["spec"]["hostname"] == pod["metadata"]["name"]
            assert pod["spec"]["subdomain"] == "db"
            change = {
                "spec": {
                    "template": template("app:2"),
                    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
                }
            }
            await w.client.patch(STATEFUL_SETS, "db", change, "default")
            await asyncio.sleep(20)
            assert await images(w) == {"db-0": "app:1", "db-1": "app:1", "db-2": "app:2"}
            rest = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
            await w.client.patch(STATEFUL_SETS, "db", rest, "default")
            await asyncio.sleep(30)
            assert set((await images(w)).values()) == {"app:2"}
            status = (await w.get(STATEFUL_SETS, "db"))["status"]
            assert status["currentRevision"] == status["updateRevision"]
            assert (status["readyReplicas"], status["updatedReplicas"]) == (3, 3)
            assert len(await w.all(CONTROLLER_REVISIONS)) == 2
            await w.client.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}}, "default")
            await asyncio.sleep(20)
            assert sorted(await images(w)) == ["db-0"]

    run(scenario())


def test_a_pod_of_a_stateful_set_comes_back_with_its_name() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            body = a_set("StatefulSet", replicas=2, serviceName="db")
            await w.client.create(STATEFUL_SETS, body, "default")
            await asyncio.sleep(10)
            before = (await w.get(PODS, "db-0"))["metadata"]["uid"]
            await w.client.delete(PODS, "db-0", "default")
            await asyncio.sleep(10)
            assert (await w.get(PODS, "db-0"))["metadata"]["uid"] != before

    run(scenario())


def test_a_daemon_set_is_on_every_node_that_it_tolerates() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2", "n3"):
                await w.kubelets.add(name)
            taint = {"key": "dedicated", "value": "x", "effect": "NoSchedule"}
            await w.client.patch(NODES, "n3", {"spec": {"taints": [taint]}})
            await w.client.create(DAEMON_SETS, a_set("DaemonSet"), "default")
            await asyncio.sleep(5)
            nodes = sorted(p["spec"]["nodeName"] for p in await w.all(PODS))
            assert nodes == ["n1", "n2"]
            await w.client.patch(NODES, "n3", {"spec": {"taints": None, "unschedulable": True}})
            await w.kubelets.add("n4")
            await asyncio.sleep(5)
            nodes = sorted(p["spec"]["nodeName"] for p in await w.all(PODS))
            assert nodes == ["n1", "n2", "n3", "n4"]
            status = (await w.get(DAEMON_SETS, "db"))["status"]
            assert (status["desiredNumberScheduled"], status["numberAvailable"]) == (4, 4)

    run(scenario())


def test_a_daemon_set_updates_one_node_at_a_time() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2", "n3"):
                await w.kubelets.add(name)
            await w.client.create(DAEMON_SETS, a_set("DaemonSet"), "default")
            await asyncio.sleep(5)
            await w.client.patch(
                DAEMON_SETS, "db", {"spec": {"template": template("app:2")}}, "default"
            )
            least = 3
            for _ in range(200):
                await asyncio.sleep(0.1)
                up = [p for p in await w.all(PODS) if p["status"].get("phase") == "Running"]
                least = min(least, len([p for p in up if "deletionTimestamp" not in p["metadata"]]))
            assert least == 2
            assert list((await images(w)).values()) == ["app:2"] * 3
            revisions = await w.all(CONTROLLER_REVISIONS)
            digests = {labels_of(p)["controller-revision-hash"] for p in await w.all(PODS)}
            newest = max(revisions, key=lambda r: r["revision"])
            assert digests == {labels_of(newest)["controller-revision-hash"]}

    run(scenario())


def cron_job(**spec: Any) -> Object:
    pod = {"spec": {**template()["spec"], "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": "default"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": pod}}, **spec},
    }


def test_a_cron_job_starts_jobs_on_time_and_keeps_a_short_history() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            w.kubelets.outcome = lambda pod: "Succeeded"
            await w.client.create(CRON_JOBS, cron_job(), "default")
            await asyncio.sleep(301)
            assert len(await w.all(JOBS)) == 1
            await asyncio.sleep(3600)
            assert len(await w.all(JOBS)) == 3
            status = (await w.get(CRON_JOBS, "tick"))["status"]
            assert status["lastScheduleTime"].endswith(":00Z")
            assert "active" not in status

    run(scenario())


def test_a_cron_job_that_forbids_waits_for_the_last_to_end() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.create(CRON_JOBS, cron_job(concurrencyPolicy="Forbid"), "default")
            await asyncio.sleep(1200)
            (only,) = await w.all(JOBS)
            status = (await w.get(CRON_JOBS, "tick"))["status"]
            assert [a["name"] for a in status["active"]] == [only["metadata"]["name"]]

    run(scenario())


def test_a_daemon_set_with_surge_makes_the_new_pod_first() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2"):
                await w.kubelets.add(name)
            rolling = {"maxSurge": 1, "maxUnavailable": 0}
            strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
            await w.client.create(
                DAEMON_SETS, a_set("DaemonSet", updateStrategy=strategy), "default"
            )
            await asyncio.sleep(5)
            w.kubelets.outcome = lambda pod: (
                "Pending" if pod["spec"]["containers"][0]["image"] == "app:2" else "Running"
            )
            change = {"spec": {"template": template("app:2")}}
            await w.client.patch(DAEMON_SETS, "db", change, "default")
            await asyncio.sleep(5)
            assert sorted((await images(w)).values()) == ["app:1", "app:1", "app:2"]
            w.kubelets.outcome = lambda pod: "Running"
            await asyncio.sleep(20)
            assert sorted((await images(w)).values()) == ["app:2", "app:2"]
            assert len({p["spec"]["nodeName"] for p in await w.all(PODS)}) == 2

    run(scenario())


def test_claims_of_a_stateful_set_go_as_its_policy_wants() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}
            policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
            body = a_set(
                "StatefulSet", replicas=2, serviceName="db",
                persistentVolumeClaimRetentionPolicy=policy,
                volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": asked}],
            )  # fmt: skip
            await w.client.create(STATEFUL_SETS, body, "default")
            for ordinal in range(2):
                await asyncio.sleep(10)
                await bind_claim(w, f"data-db-{ordinal}")
            await asyncio.sleep(10)
            claim = await w.get(PERSISTENT_VOLUME_CLAIMS, "data-db-1")
            owners = [(o["kind"], o["name"]) for o in claim["metadata"]["ownerReferences"]]
            assert owners == [("StatefulSet", "db")]
            await w.client.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}}, "default")
            await asyncio.sleep(10)
            names = [c["metadata"]["name"] for c in await w.all(PERSISTENT_VOLUME_CLAIMS)]
            assert names == ["data-db-0"]
            await w.client.delete(STATEFUL_SETS, "db", "default")
            await asyncio.sleep(10)
            assert await w.all(PERSISTENT_VOLUME_CLAIMS) == []

    run(scenario())


def test_a_daemon_pod_that_always_fails_is_made_again_ever_later() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            w.kubelets.outcome = lambda pod: "Failed"
            await w.client.create(DAEMON_SETS, a_set("DaemonSet"), "default")
            await asyncio.sleep(60)
            events = await w.all(Resource("", "v1", "events"))
            deleted = sum(e.get("count", 1) for e in events if e["reason"] == "FailedDaemonPod")
            assert 4 <= deleted <= 8  # after 0, 1, 3, 7, 15, 31 s and a little more

    run(scenario())
