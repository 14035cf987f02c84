"""[sig-scheduling] of Kubernetes' conformance tests."""

from __future__ import annotations

from typing import Any

import pytest
from e2eimages import NOWHERE
from framework import Framework
from kinds import LIMIT_RANGES, PODS, PRIORITY_CLASSES
from typedclient import STRATEGIC, Refused, Thing, until
from workloads import pod

pytestmark = pytest.mark.slow


def sizes(cpu: str = "", memory: str = "", storage: str = "") -> dict[str, str]:
    found = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: value for name, value in found.items() if value}


def limit_range(name: str, labels: dict[str, str]) -> Thing:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "min": sizes("50m", "100Mi", "100Gi"),
                    "max": sizes("500m", "500Mi", "500Gi"),
                    "default": sizes("500m", "500Mi", "500Gi"),
                    "defaultRequest": sizes("100m", "200Mi", "200Gi"),
                    "maxLimitRequestRatio": {},
                }
            ]
        },
    }


def test_limit_range_defaults(f: Framework):
    """LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied."""
    ranges, pods, chosen = f.typed(LIMIT_RANGES), f.typed(PODS), f"time={f.unique}"
    assert ranges.items(chosen) == []
    streamed = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan",
                "allowWatchBookmarks": "true"}  # fmt: skip
    with ranges.watch(chosen, **streamed) as watch:
        assert watch.next()[0] == "BOOKMARK"
        made = ranges.create(limit_range("limit-range", {"time": f.unique}))
        watch.until("ADDED")
    limits = ranges.get("limit-range")["spec"]["limits"][0]
    assert limits["defaultRequest"] == sizes("100m", "200Mi", "200Gi")
    assert limits["default"] == sizes("500m", "500Mi", "500Gi")

    def create(name: str, requests: Any, bounds: Any) -> Thing:
        resources = {"requests": requests, "limits": bounds}
        pods.create(pod(name, image=NOWHERE, container={"resources": resources}))
        found: Thing = pods.get(name)["spec"]["containers"][0]["resources"]
        return found

    found = create("pod-no-resources", {}, {})
    assert found["requests"] == sizes("100m", "200Mi", "200Gi")
    assert found["limits"] == sizes("500m", "500Mi", "500Gi")
    found = create("pod-partial-resources", sizes("", "150Mi", "150Gi"), sizes("300m"))
    assert found["requests"] == sizes("300m", "150Mi", "150Gi")
    assert found["limits"] == sizes("300m", "500Mi", "500Gi")
    for wrong in (sizes("10m", "50Mi", "50Gi"), sizes("600m", "600Mi", "600Gi")):
        with pytest.raises(Refused) as refused:
            create("pfpod", wrong, {})
        assert refused.value.code in (403, 422)
    made["spec"]["limits"][0]["min"] = sizes("9m", "49Mi", "49Gi")
    ranges.update(made)
    until(
        lambda: ranges.get("limit-range")["spec"]["limits"][0]["min"] == sizes("9m", "49Mi", "49Gi")
    )
    create("pfpod", sizes("10m", "50Mi", "50Gi"), {})
    with pytest.raises(Refused):
        create("pfpod", sizes("600m", "600Mi", "600Gi"), {})
    ranges.delete("limit-range", gracePeriodSeconds=30)
    until(lambda: ranges.items() == [])

    def possible() -> bool:
        try:
            create("pfpod2", sizes("600m", "600Mi", "600Gi"), {})
        except Refused:
            return False
        return True

    until(possible)


def test_limit_range_collection(f: Framework):
    """LimitRange should list, patch and delete a LimitRange by collection"""
    name = f"e2e-limitrange-{f.unique[-4:]}"
    ranges, everywhere = f.typed(LIMIT_RANGES), f.typed(LIMIT_RANGES, "")
    value = limit_range(name, {"e2e-test": name, name: "created"})
    made = ranges.create(value)
    f.typed(LIMIT_RANGES, f.another_namespace()).create(value)
    assert len(everywhere.items(f"e2e-test={name}")) == 2
    least = sizes("9m", "49Mi", "49Gi")
    made["spec"]["limits"][0]["min"] = least
    # What Go makes of a v1.LimitRange with these fields.
    patch = {
        "metadata": {
            "creationTimestamp": made["metadata"]["creationTimestamp"],
            "labels": {name: "patched"},
        },
        "spec": {"limits": made["spec"]["limits"]},
    }
    patched = ranges.patch(name, patch, STRATEGIC)
    assert patched["metadata"]["labels"][name] == "patched"
    assert patched["spec"]["limits"][0]["min"] == least
    ranges.delete_collection(f"{name}=patched")
    until(lambda: ranges.items(f"{name}=patched") == [])
    assert len(everywhere.items(f"e2e-test={name}")) == 1


def test_priority_classes(f: Framework):
    """SchedulerPreemption PriorityClass endpoints verify PriorityClass endpoints can be operated with
    different HTTP methods"""
    classes = f.typed(PRIORITY_CLASSES)
    made = [
        classes.create(
            {"metadata": {"name": f"p{i}-{f.unique}", "labels": {"e2e": f.unique}}, "value": i}
        )
        for i in (1, 2)
    ]
    first, second = (item["metadata"]["name"] for item in made)
    with pytest.raises(Refused):
        classes.patch(first, {"value": 10}, STRATEGIC)
    with pytest.raises(Refused):
        classes.update({**made[1], "value": 20})
    classes.patch(first, {"description": "updated description"}, STRATEGIC)
    classes.update({**made[1], "description": "updated description"})
    assert len(classes.items()) >= 4
    for number, name in ((1, first), (2, second)):
        live = classes.get(name)
        assert (live["value"], live["description"]) == (number, "updated description")
    classes.delete_collection(f"e2e={f.unique}")
    assert classes.items(f"e2e={f.unique}") == []
