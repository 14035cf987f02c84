"""A busy pod gets company: figures of the real node, through metrics.k8s.io, to the autoscaler."""

from __future__ import annotations

import pytest

from cluster_scene import Space, eventually

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]


def test_a_busy_deployment_grows_to_its_bound(space: Space):
    busy = {"resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "100m"}}}
    pod = space.pod("web", "while :; do :; done", container={
        "name": "main", "image": f"{space.registry}/busybox:1",
        "command": ["sh", "-c", "while :; do :; done"], **busy,
    }, terminationGracePeriodSeconds=1)  # fmt: skip
    selector = {"app": "web"}
    space.apply({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": pod["spec"]},
        },
    })  # fmt: skip
    space.kubectl("autoscale", "deployment", "web", "--min=1", "--max=2", "--cpu-percent=50")
    eventually(
        lambda: space.get("deployment", "web")["spec"]["replicas"] == 2,
        90,
        lambda: space.kubectl("describe", "hpa", "web"),
    )
    status = space.get("hpa", "web")["status"]
    assert status["currentMetrics"][0]["resource"]["current"]["averageUtilization"] > 100
    assert "SuccessfulRescale" in space.events("web")
