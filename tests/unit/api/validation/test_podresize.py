"""What a resize may change."""

import copy
from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.podresize import resize


def pod(name: str = "c", more: Any = None, **sizes: str) -> dict[str, Any]:
    container = {"name": name, "image": "i", "resources": {"requests": sizes}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **(more or {})}}


def causes(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    found = Causes()
    resize(Change(copy.deepcopy(new), old, subresource="resize"), found)
    return [f"{one.field}: {one.message}" for one in found]


OLD = pod(cpu="1", memory="1Gi")


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (pod(cpu="2", memory="1Gi"), OLD, []),
        (
            pod(name="d", cpu="1", memory="1Gi"),
            OLD,
            [
                (
                    "spec.containers[0].name: Forbidden: "
                    "containers may not be renamed or reordered on resize"
                )
            ],
        ),
        (
            {"spec": {"containers": []}, "status": {}},
            {**OLD, "status": {"qosClass": "BestEffort"}},
            ["spec.containers: Forbidden: containers may not be added or removed on resize"],
        ),
        (
            pod(more={"os": {"name": "windows"}}, cpu="2", memory="1Gi"),
            pod(more={"os": {"name": "windows"}}, cpu="1", memory="1Gi"),
            ["[]: Forbidden: windows pods cannot be resized"],
        ),
        (
            pod(cpu="2", memory="1Gi"),
            {**OLD, "status": {"containerStatuses": [{"state": {"running": {}}}]}},
            ["spec: Forbidden: Pod running on node without support for resize"],
        ),
    ],
)
def test_resize(new: dict[str, Any], old: dict[str, Any], expected: list[str]) -> None:
    assert causes(new, old) == expected


def test_the_class_of_service_stays() -> None:
    new = pod(cpu="1", memory="1Gi")
    new["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "1", "memory": "1Gi"}
    assert causes(new, OLD) == [
        'spec: Invalid value: "": Pod QOS Class may not change as a result of resizing'
    ]


def test_only_cpu_and_memory_change() -> None:
    new, old = pod(cpu="1", memory="1Gi"), pod(cpu="1", memory="1Gi")
    new["spec"]["containers"][0]["resources"]["requests"]["ephemeral-storage"] = "1Gi"
    assert causes(new, old) == ["spec: Forbidden: only cpu and memory resources are mutable"]
    gone = pod(cpu="1")
    assert any("cannot be removed" in text for text in causes(gone, old))
