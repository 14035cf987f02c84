"""Warnings about pods, their templates and volumes."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]


def pod(volumes: list[Any] | None = None, meta: Any = None, **container: Any) -> dict[str, Any]:
    one = {"name": "c", "image": "i", **container}
    spec = {"containers": [one], "volumes": volumes or [], "serviceAccountName": "default"}
    return {"metadata": meta or {}, "spec": spec}


def token(path: str) -> dict[str, Any]:
    return {"serviceAccountToken": {"path": path}}


def keyed(*paths: str) -> dict[str, Any]:
    return {"name": "cm", "items": [{"key": "k", "path": path} for path in paths]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pod(), []),
        (pod(meta={"name": "a.b"}), ["metadata.name: this is used in the Pod's hostname"]),
        (
            pod(ports=[{"containerPort": 80, "hostIP": "127.0.0.1"}]),
            [
                ("spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 "
                "ContainerPort:80 Protocol:TCP HostIP:127.0.0.1}")
            ],
        ),
        (
            pod(resources={"requests": {"memory": "100m"}}),
            ["spec.containers[0].resources.requests[memory]: fractional byte value"],
        ),
        (
            pod([{"name": "v", "configMap": keyed("a", "a/b")}]),
            ['volume "v" (ConfigMap "cm"): overlapping paths: "a/b" with "a"'],
        ),
        (
            pod([{"name": "v", "projected": {"sources": [token("t"), {"configMap": {"name": "m"}}]}}]),
            [],
        ),
        (
            pod([{"name": "v", "projected": {"sources": [{"configMap": keyed("t/x")}, token("t")]}}]),
            ['volume "v" (Projected ServiceAccountToken): overlapping paths: "t/x" with "t"'],
        ),
        (
            pod([{"name": "v", "projected": {"sources": [{}]}}]),
            ['volume "v" (Projected) has no sources provided'],
        ),
    ],
)  # fmt: skip
def test_of_new_pods(refused: Refused, value: dict[str, Any], expected: list[str]) -> None:
    warnings: list[str] = []
    refused("", "Pod", value, warnings=warnings)
    assert len(warnings) == len(expected)
    assert all(map(str.startswith, warnings, expected))


def test_nobody_is_warned_of_a_pod_twice(refused: Refused) -> None:
    value, same = (pod(meta={"name": "a.b"}) for _ in range(2))
    warnings: list[str] = []
    refused("", "Pod", value, same, warnings=warnings)
    assert not warnings


def deployment(replicas: int, meta: Any = None) -> dict[str, Any]:
    labels = {"a": "b"}
    template = pod(meta={"labels": labels}, resources={"requests": {"memory": "100m"}})
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"spec": spec, "metadata": meta or {}}


def test_templates_warn_again_only_with_a_new_generation(refused: Refused) -> None:
    for new, count in (
        (deployment(1), 0),
        (deployment(1, {"labels": {"x": "y"}}), 0),
        (deployment(2), 1),
    ):
        warnings: list[str] = []
        assert not refused("apps", "Deployment", new, deployment(1), warnings=warnings)
        assert len(warnings) == count
        assert all(text.startswith("spec.template.spec.containers[0]") for text in warnings)
