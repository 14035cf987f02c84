"""Claims, volumes, pods and the scheduler over the API server's core."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.timeless import run
from fakes.world import World, world
from roost.api.values import Object
from roost.decisions.meta import annotations_of, name_of
from roost.decisions.resources import (
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from roost.decisions.volumes import LOCAL_PATH_ROOT as ROOT


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> Object:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**asked, **spec},
    }


def volume(name: str, size: str = "1Gi", node: str = "", **spec: Any) -> Object:
    body: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "hostPath": {"path": f"/data/{name}"},
            "persistentVolumeReclaimPolicy": "Retain",
            **spec,
        },
    }
    if node:
        wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        terms = [{"matchExpressions": [wanted]}]
        body["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    return body


def a_class(name: str, provisioner: str, mode: str = "Immediate", **more: Any) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, **more},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
        "reclaimPolicy": "Delete",
    }


def pod(name: str = "p", *claims: str, **spec: Any) -> Object:
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": volumes, **spec},
    }


async def make(w: World, *objects: Object) -> None:
    resources = {
        "PersistentVolumeClaim": PERSISTENT_VOLUME_CLAIMS,
        "PersistentVolume": PERSISTENT_VOLUMES,
        "StorageClass": STORAGE_CLASSES,
        "Pod": PODS,
    }
    for obj in objects:
        namespace = obj["metadata"].get("namespace", "")
        await w.client.create(resources[obj["kind"]], obj, namespace)


async def phase(w: World, resource: Any, name: str) -> str:
    namespace = "default" if resource == PERSISTENT_VOLUME_CLAIMS else ""
    found = await w.client.get(resource, name, namespace)
    text: str = found["status"]["phase"]
    return text


async def reasons(w: World) -> set[tuple[str, str]]:
    return {(e["reason"], e["message"]) for e in await w.all(EVENTS)}


def test_the_smallest_volume_that_fits_is_bound_and_released_with_its_claim() -> None:
    async def scenario() -> None:
        async with world() as w:
            await make(w, volume("large", "5Gi"), volume("small", "2Gi"), volume("tiny", "1Mi"))
            await asyncio.sleep(1)
            assert await phase(w, PERSISTENT_VOLUMES, "small") == "Available"
            await make(w, claim())
            await asyncio.sleep(2)
            bound = await w.get(PERSISTENT_VOLUME_CLAIMS, "data")
            assert bound["spec"]["volumeName"] == "small"
            assert bound["status"] == {
                "phase": "Bound",
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "2Gi"},
            }
            assert annotations_of(bound) == {
                "pv.kubernetes.io/bind-completed": "yes",
                "pv.kubernetes.io/bound-by-controller": "yes",
            }
            small = await w.client.get(PERSISTENT_VOLUMES, "small")
            assert small["status"]["phase"] == "Bound"
            assert small["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]
            await w.client.delete(PERSISTENT_VOLUME_CLAIMS, "data", "default")
            await asyncio.sleep(2)
            assert await phase(w, PERSISTENT_VOLUMES, "small") == "Released"
            assert await phase(w, PERSISTENT_VOLUMES, "large") == "Available"

    run(scenario())


def test_a_claim_of_a_deleted_volume_is_lost() -> None:
    async def scenario() -> None:
        async with world() as w:
            await make(w, volume("v"), claim())
            await asyncio.sleep(2)
            await w.client.delete(PERSISTENT_VOLUMES, "v")
            await asyncio.sleep(2)
            assert await phase(w, PERSISTENT_VOLUME_CLAIMS, "data") == "Bound"  # it is protected
            await w.client.patch(PERSISTENT_VOLUMES, "v", {"metadata": {"finalizers": None}})
            await asyncio.sleep(2)
            assert await phase(w, PERSISTENT_VOLUME_CLAIMS, "data") == "Lost"
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            assert ("ClaimLost", text) in await reasons(w)

    run(scenario())


def test_volumes_and_claims_that_name_each_other() -> None:
    async def scenario() -> None:
        async with world() as w:
            reserved = volume("reserved", claimRef={"namespace": "default", "name": "mine"})
            await make(w, reserved, volume("named", "3Gi"))
            await make(w, claim("other"), claim("asks", volumeName="reserved"))
            await asyncio.sleep(2)
            assert (await w.get(PERSISTENT_VOLUME_CLAIMS, "other"))["spec"]["volumeName"] == "named"
            assert await phase(w, PERSISTENT_VOLUME_CLAIMS, "asks") == "Pending"
            text = 'volume "reserved" already bound to a different claim.'
            assert ("FailedBinding", text) in await reasons(w)
            await make(w, claim("mine"))
            await asyncio.sleep(2)
            assert (await w.get(PERSISTENT_VOLUME_CLAIMS, "mine"))["spec"]["volumeName"] == (
                "reserved"
            )

    run(scenario())


def test_two_pods_do_not_get_one_volume() -> None:
    async def scenario() -> None:
        async with world() as w:
            for name in ("n1", "n2"):
                await w.kubelets.add(name)
            late = a_class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer")
            local = {"storageClassName": "local"}
            await make(w, late, volume("v1", node="n1", **local), volume("v2", node="n2", **local))
            await make(w, claim("a", **local), claim("b", **local), claim("c", **local))
            await asyncio.sleep(1)
            text = "waiting for first consumer to be created before binding"
            assert ("WaitForFirstConsumer", text) in await reasons(w)
            await make(w, pod("a", "a"), pod("b", "b"), pod("c", "c"))
            await asyncio.sleep(5)
            claims = await w.all(PERSISTENT_VOLUME_CLAIMS)
            given = sorted(c["spec"].get("volumeName", "") for c in claims)
            assert given == ["", "v1", "v2"]
            nodes = {
                f"v{p['spec']['nodeName'][1]}": name_of(p)
                for p in await w.all(PODS)
                if "nodeName" in p["spec"]
            }
            assert nodes == {
                c["spec"]["volumeName"]: name_of(c) for c in claims if "volumeName" in c["spec"]
            }

    run(scenario())


def test_the_default_class_comes_late_and_makes_a_local_path() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await w.client.patch(NODES, "n1", {"metadata": {"annotations": {ROOT: "/data"}}})
            await make(w, claim())
            await asyncio.sleep(1)
            assert "storageClassName" not in (await w.get(PERSISTENT_VOLUME_CLAIMS, "data"))["spec"]
            marks = {"storageclass.kubernetes.io/is-default-class": "true"}
            await make(
                w,
                a_class("d", "roost.dev/local-path", "WaitForFirstConsumer", annotations=marks),
                pod("p", "data"),
            )
            await asyncio.sleep(5)
            found = await w.get(PERSISTENT_VOLUME_CLAIMS, "data")
            assert (found["spec"]["storageClassName"], found["status"]["phase"]) == ("d", "Bound")
            made = await w.client.get(PERSISTENT_VOLUMES, found["spec"]["volumeName"])
            name = f"pvc-{found['metadata']['uid']}"
            assert (name_of(made), made["spec"]["local"]) == (name, {"path": f"/data/{name}"})
            assert (await w.get(PODS, "p"))["spec"]["nodeName"] == "n1"
            await w.client.delete(PODS, "p", "default")
            await w.client.delete(PERSISTENT_VOLUME_CLAIMS, "data", "default")
            await asyncio.sleep(3)
            going = await w.client.get(PERSISTENT_VOLUMES, name)
            assert going["metadata"]["finalizers"] == ["roost.dev/local-path"]
            assert "deletionTimestamp" in going["metadata"]
            await w.client.delete(NODES, "n1")
            await asyncio.sleep(3)
            assert await w.all(PERSISTENT_VOLUMES) == []

    run(scenario())


def test_a_node_without_a_folder_is_told_to_the_claim_and_tried_again() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            await make(w, a_class("d", "roost.dev/local-path", "WaitForFirstConsumer"))
            await make(w, claim(storageClassName="d"), pod("p", "data"))
            await asyncio.sleep(3)
            text = (
                'failed to provision volume with StorageClass "d": '
                'node "n1" has no folder for volumes of roost.dev/local-path'
            )
            assert ("ProvisioningFailed", text) in await reasons(w)
            await w.client.patch(NODES, "n1", {"metadata": {"annotations": {ROOT: "/data"}}})
            await asyncio.sleep(60)
            assert await phase(w, PERSISTENT_VOLUME_CLAIMS, "data") == "Bound"

    run(scenario())


def test_an_ephemeral_volume_gets_a_claim_that_goes_with_its_pod() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.kubelets.add("n1")
            template = {"metadata": {"labels": {"a": "b"}}, "spec": claim()["spec"]}
            scratch = {"name": "s", "ephemeral": {"volumeClaimTemplate": template}}
            await make(w, volume("v"), pod("p", volumes=[scratch]))
            await asyncio.sleep(3)
            found = await w.get(PERSISTENT_VOLUME_CLAIMS, "p-s")
            assert found["metadata"]["labels"] == {"a": "b"}
            assert (await w.get(PODS, "p"))["spec"]["nodeName"] == "n1"
            await w.client.delete(PODS, "p", "default")
            await asyncio.sleep(5)
            assert await w.all(PERSISTENT_VOLUME_CLAIMS) == []

    run(scenario())
