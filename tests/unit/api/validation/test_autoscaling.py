"""HorizontalPodAutoscalers: targets, metrics, behaviours."""

from typing import Any

import pytest

from roost.api.groups import ALL_KINDS
from roost.api.kind import Change

HPA = next(k for k in ALL_KINDS if k.name == "HorizontalPodAutoscaler" and k.version == "v2")
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
METRIC = {"name": "m"}
CHOSEN = {**METRIC, "selector": {"matchLabels": {"-": "!"}}}
NO_VALUE = {"type": "Value"}
VALUE = {"type": "Value", "value": "1"}


def causes(spec: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    meta = {"name": "x", "namespace": "ns", "uid": "u", "resourceVersion": "1"}
    base = {"maxReplicas": 3, "scaleTargetRef": TARGET}
    found = [{"metadata": meta, "spec": {**base, **one}} for one in (spec, old or {})]
    change = Change(found[0], found[1] if old is not None else None)
    assert HPA.default is not None
    assert HPA.validate is not None
    HPA.default(change)
    return [f"{one.field}: {one.message}" for one in HPA.validate(change)]


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ({"apiVersion": "v1", "kind": "ReplicationController", "name": "r"}, False),
        ({"kind": "ReplicationController", "name": "r"}, False),
        ({"apiVersion": "v1", "kind": "Deployment", "name": "d"}, True),
        ({"kind": "Deployment", "name": "d"}, True),
    ],
)
def test_targets_have_a_group(target: dict[str, str], refused: bool) -> None:
    found = causes({"scaleTargetRef": target})
    text = target.get("apiVersion", "")
    path = "spec.scaleTargetRef.apiVersion"
    cause = f'{path}: Invalid value: "{text}": apiVersion must specify API group'
    assert found == ([cause] if refused else [])
    assert not causes({"scaleTargetRef": target}, {"scaleTargetRef": target})


def of(kind: str, key: str, **source: Any) -> dict[str, Any]:
    return {"metrics": [{"type": kind, key: source}]}


AT = "spec.metrics[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            of("Object", "object", describedObject=TARGET, metric=METRIC, target=NO_VALUE),
            [f"{AT}.object.target.averageValue: Required value: must set either a target value or a"],
        ),
        (
            of("ContainerResource", "containerResource", name="cpu", container="A", target={
                "type": "Utilization", "averageUtilization": 1,
            }),
            [f"{AT}.containerResource.container: Invalid value"],
        ),
        (
            of("External", "external", metric={"name": "m"}, target={"value": "1"}),
            [
                f"{AT}.external.target.type: Required value: must specify a metric target type",
                f'{AT}.external.target.type: Invalid value: "": must be either',
            ],
        ),
        (
            of("External", "external", metric=CHOSEN, target=VALUE),
            [],
        ),
    ],
)  # fmt: skip
def test_metrics(spec: dict[str, Any], expected: list[str]) -> None:
    found = causes(spec)
    assert len(found) == len(expected)
    assert all(map(str.startswith, found, expected))


def test_behaviours() -> None:
    rules = {"stabilizationWindowSeconds": -1, "policies": [], "tolerance": "-1"}
    path = "spec.behavior.scaleUp"
    assert causes({"behavior": {"scaleUp": rules}}) == [
        (
            f"{path}.stabilizationWindowSeconds: Invalid value: -1: "
            "must be greater than or equal to zero"
        ),
        f"{path}.policies: Required value: must specify at least one Policy",
        f'{path}.tolerance: Invalid value: "-1": must be greater than or equal to 0',
    ]
