"""HorizontalPodAutoscalers over the API server's core; only the figures are made up."""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.timeless import run
from fakes.world import World, world
from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.asking import Ask
from roost.decisions.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
)

HPAS = HORIZONTAL_POD_AUTOSCALERS


class Figures:
    """metrics.k8s.io and its like: every pod uses `cpu`; other documents by their path."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.cpu: str | None = None
        self.names: list[str] = []
        self.documents: dict[str, Object] = {}
        self.asked: list[Ask] = []

    def __call__(self, ask: Ask) -> Object | None:
        self.asked.append(ask)
        if ask.path in self.documents:
            return self.documents[ask.path]
        if self.cpu is None or not ask.path.startswith("/apis/metrics.k8s.io"):
            return None
        usage = {"cpu": self.cpu, "memory": "1Mi"}
        items = [
            {
                "metadata": {"name": name},
                "timestamp": "2030-01-01T00:00:00Z",
                "window": "15s",
                "containers": [{"name": "main", "usage": usage}],
            }
            for name in self.names
        ]
        return {"items": items}


def deployment(replicas: int = 2) -> Object:
    containers = [
        {"name": "main", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
    ]  # fmt: skip
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        },
    }


def autoscaler(*metrics: Object, kind: str = "Deployment", **spec: Any) -> Object:
    version = {"Deployment": "apps/v1"}.get(kind, "example.com/v1")
    target = {"type": "Utilization", "averageUtilization": 50}
    usual = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 10,
            "metrics": list(metrics) or [usual],
            **spec,
        },
    }


async def state(w: World) -> tuple[Object, dict[str, tuple[str, str, str]]]:
    status = (await w.get(HPAS, "web")).get("status") or {}
    found = {
        c["type"]: (c["status"], c["reason"], c["message"]) for c in status.get("conditions") or ()
    }
    return status, found


async def know_pods(w: World, figures: Figures) -> None:
    """Let the pods have started long ago, and have figures."""
    pods = await w.all(PODS)
    figures.names = [p["metadata"]["name"] for p in pods]
    for name in figures.names:
        started = {"status": {"startTime": "2020-01-01T00:00:00Z"}}
        await w.client.patch(PODS, name, started, "default", subresource="status")


def test_a_busy_deployment_grows_and_an_idle_one_shrinks_later() -> None:
    async def scenario() -> None:
        figures = Figures()
        async with world(metrics=figures) as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(), "default")
            await asyncio.sleep(320)  # the pods are no longer young
            await know_pods(w, figures)
            figures.cpu = "100m"
            await w.client.create(HPAS, autoscaler(), "default")
            await asyncio.sleep(5)
            status, found = await state(w)
            assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 4), found
            current = {"averageUtilization": 100, "averageValue": "100m"}
            assert status["currentMetrics"] == [
                {"type": "Resource", "resource": {"name": "cpu", "current": current}}
            ]
            assert "lastScaleTime" in status
            assert found["AbleToScale"] == (
                "True", "SucceededRescale",
                "the HPA controller was able to update the target scale to 4",
            )  # fmt: skip
            assert found["ScalingActive"] == (
                "True", "ValidMetricFound",
                ("the HPA was able to successfully calculate a replica count from "
                "cpu resource utilization (percentage of request)"),
            )  # fmt: skip
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 4
            message = (
                "New size: 4; reason: cpu resource utilization (percentage of request) above target"
            )
            assert message in {e["message"] for e in await w.all(EVENTS)}
            figures.cpu = "10m"
            await asyncio.sleep(60)
            await know_pods(w, figures)
            await asyncio.sleep(60)
            _, found = await state(w)
            assert found["AbleToScale"][1] == "ScaleDownStabilized"
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 4
            await asyncio.sleep(320)
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 1
            looked = [ask for ask in figures.asked if ask.path.endswith("/scale")]
            assert len(looked) < 450 / 15 + 5

    run(scenario())


def test_what_is_missing_is_told() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.client.create(HPAS, autoscaler(), "default")
            await asyncio.sleep(3)
            _, found = await state(w)
            assert found["AbleToScale"] == (
                "False", "FailedGetScale",
                ("the HPA controller was unable to get the target's current scale: "
                'deployments.apps "web" not found'),
            )  # fmt: skip
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(), "default")
            await asyncio.sleep(20)
            _, found = await state(w)
            assert found["AbleToScale"][:2] == ("True", "SucceededGetScale")
            assert found["ScalingActive"] == (
                "False", "FailedGetResourceMetric",
                ("the HPA was unable to compute the replica count: failed to get cpu utilization: "
                "unable to get metrics for resource cpu: unable to fetch metrics from resource "
                "metrics API: the server could not find the requested resource "
                "(get pods.metrics.k8s.io)"),
            )  # fmt: skip
            reasons = {e["reason"] for e in await w.all(EVENTS)}
            assert {
                "FailedGetScale",
                "FailedGetResourceMetric",
                "FailedComputeMetricsReplicas",
            } <= (reasons)

    run(scenario())


def test_bounds_hold_without_metrics_and_zero_switches_off() -> None:
    async def scenario() -> None:
        async with world() as w:
            await w.client.create(DEPLOYMENTS, deployment(7), "default")
            await w.client.create(HPAS, autoscaler(maxReplicas=5), "default")
            await asyncio.sleep(3)
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 5
            await w.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}}, "default")
            await asyncio.sleep(20)
            _, found = await state(w)
            assert found["ScalingActive"][:2] == ("False", "ScalingDisabled")

    run(scenario())


def test_two_autoscalers_of_the_same_pods_are_both_refused() -> None:
    async def scenario() -> None:
        figures = Figures()
        figures.cpu = "50m"
        async with world(metrics=figures) as w:
            await w.kubelets.add("n1")
            await w.client.create(DEPLOYMENTS, deployment(), "default")
            await asyncio.sleep(320)
            await know_pods(w, figures)
            await w.client.create(HPAS, autoscaler(), "default")
            second = autoscaler()
            second["metadata"]["name"] = "again"
            await w.client.create(HPAS, second, "default")
            await asyncio.sleep(20)
            figures.cpu = "90m"
            await asyncio.sleep(40)
            _, found = await state(w)
            text = (
                "pods by selector app=web are controlled by multiple HPAs: "
                "[{again default} {web default}]"
            )
            assert found["ScalingActive"] == ("False", "AmbiguousSelector", text)
            assert {e["reason"] for e in await w.all(EVENTS)} >= {"AmbiguousSelector"}
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 2
            await w.client.delete(HPAS, "again", "default")
            await asyncio.sleep(40)
            _, found = await state(w)
            assert found["ScalingActive"][:2] == ("True", "ValidMetricFound")
            assert (await w.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 4

    run(scenario())


def test_a_custom_resource_scales_by_external_pods_and_object_metrics() -> None:
    async def scenario() -> None:
        figures = Figures()
        external = {
            "type": "External",
            "external": {
                "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
                "target": {"type": "AverageValue", "averageValue": "10"},
            },
        }
        of_object = {
            "type": "Object",
            "object": {
                "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "front"},
                "metric": {"name": "hits"},
                "target": {"type": "Value", "value": "10"},
            },
        }
        figures.documents = {
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue": {
                "items": [{"value": "30"}, {"value": "5500m"}]
            },
        }
        async with world(metrics=figures) as w:
            await w.client.create(CUSTOM_RESOURCE_DEFINITIONS, definition())
            await asyncio.sleep(3)
            resource = WEBS
            body = {
                "apiVersion": "example.com/v1",
                "kind": "Web",
                "metadata": {"name": "web", "namespace": "default"},
                "spec": {"replicas": 2},
                "status": {"replicas": 2, "selector": "app=web"},
            }
            await w.client.create(resource, body, "default")
            await w.client.patch(
                resource, "web", {"status": body["status"]}, "default", subresource="status"
            )
            hpa = autoscaler(external, of_object, kind="Web")
            await w.client.create(HPAS, hpa, "default")
            await asyncio.sleep(5)
            status, found = await state(w)
            assert found["ScalingActive"][2].endswith(
                "from external metric queue(&LabelSelector{MatchLabels:map[string]string"
                "{q:a},MatchExpressions:[],})"
            )
            assert status["currentMetrics"][1] == {"type": ""}
            shown = status["currentMetrics"][0]["external"]["current"]
            assert shown == {"averageValue": "17750m"}
            assert (await w.get(resource, "web"))["spec"]["replicas"] == 4
            message = next(
                e["message"] for e in await w.all(EVENTS) if e["reason"] == "FailedGetObjectMetric"
            )
            assert message.startswith("unable to get metric hits: Service on default front/unable")

    run(scenario())


WEBS = Resource("example.com", "v1", "webs")


def definition() -> Object:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    "status": anything,
                },
            }
        },
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "webs.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "webs", "singular": "web", "kind": "Web", "listKind": "WebList"},
            "versions": [version],
        },
    }
