"""Resource claims, their pods and the scheduler over the API server's core."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.timeless import run
from fakes.world import World, world
from roost.api.values import Object
from roost.decisions.resources import (
    DEVICE_CLASSES,
    PODS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
)

API = "resource.k8s.io/v1"
WANTED = {
    "devices": {
        "requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}],
    }
}


async def a_node_with_devices(here: World, *names: str) -> None:
    await here.kubelets.add("a")
    selector = {"cel": {"expression": 'device.driver == "gpu.example.com"'}}
    await here.client.create(
        DEVICE_CLASSES,
        {
            "apiVersion": API,
            "kind": "DeviceClass",
            "metadata": {"name": "gpu"},
            "spec": {"selectors": [selector]},
        },
    )
    await here.client.create(
        RESOURCE_SLICES,
        {
            "apiVersion": API,
            "kind": "ResourceSlice",
            "metadata": {"name": "s"},
            "spec": {
                "driver": "gpu.example.com",
                "nodeName": "a",
                "pool": {"name": "a", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": name} for name in names],
            },
        },
    )


async def a_claim(here: World, name: str) -> None:
    body = {
        "apiVersion": API,
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": WANTED,
    }
    await here.client.create(RESOURCE_CLAIMS, body, "default")


async def a_pod(here: World, name: str, **claim: Any) -> None:
    body: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [
                {"name": "c", "image": "app:1", "resources": {"claims": [{"name": "x"}]}}
            ],
            "resourceClaims": [{"name": "x", **claim}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    await here.client.create(PODS, body, "default")


def test_a_pod_gets_the_device_of_its_claim_and_the_next_one_when_it_is_free() -> None:
    async def scenario() -> None:
        async with world() as here:
            await a_node_with_devices(here, "g0")
            await a_claim(here, "c")
            await a_pod(here, "p", resourceClaimName="c")
            await asyncio.sleep(5)
            first = await here.get(PODS, "p")
            assert first["spec"]["nodeName"] == "a"
            claim = await here.get(RESOURCE_CLAIMS, "c")
            assert claim["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
            status = claim["status"]
            assert [one["uid"] for one in status["reservedFor"]] == [first["metadata"]["uid"]]
            assert status["allocation"]["devices"]["results"] == [
                {"request": "r", "driver": "gpu.example.com", "pool": "a", "device": "g0"}
            ]
            template = {
                "apiVersion": API,
                "kind": "ResourceClaimTemplate",
                "metadata": {"name": "t", "namespace": "default"},
                "spec": {"spec": WANTED},
            }
            await here.client.create(RESOURCE_CLAIM_TEMPLATES, template, "default")
            await a_pod(here, "q", resourceClaimTemplateName="t")
            await asyncio.sleep(5)
            waiting = await here.get(PODS, "q")
            [told] = [
                c["message"] for c in waiting["status"]["conditions"] if c["type"] == "PodScheduled"
            ]
            assert told.startswith("0/1 nodes are available: 1 cannot allocate all claims. ")
            await here.client.delete(PODS, "p", "default")
            await asyncio.sleep(60)
            assert (await here.get(PODS, "q"))["spec"]["nodeName"] == "a"

    run(scenario())


def test_two_pods_share_one_claim() -> None:
    async def scenario() -> None:
        async with world() as here:
            await a_node_with_devices(here, "g0")
            await a_claim(here, "c")
            await a_pod(here, "p", resourceClaimName="c")
            await a_pod(here, "q", resourceClaimName="c")
            await asyncio.sleep(30)
            for name in ("p", "q"):
                assert (await here.get(PODS, name))["spec"]["nodeName"] == "a"
            claim = await here.get(RESOURCE_CLAIMS, "c")
            assert {one["name"] for one in claim["status"]["reservedFor"]} == {"p", "q"}

    run(scenario())
