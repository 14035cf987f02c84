"""How usage becomes replicas, and how fast those may change."""

from __future__ import annotations

import pytest

from roost.controllers.podautoscaler.behavior import Bounds, Memory, normalize, scaled
from roost.controllers.podautoscaler.replicas import (
    Figure,
    Measured,
    Tolerances,
    Unknown,
    by_share,
    by_total,
    by_utilization,
    by_value,
    group,
    requests_of,
)
from roost.decisions.meta import stamp

NOW = 1_800_000_000.0
USUAL = Tolerances()


def pod(name, *, phase="Running", ready="True", started=-1000.0, changed=-900.0, cpu="1"):
    status = {
        "phase": phase,
        "startTime": stamp(NOW + started),
        "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": stamp(NOW + changed)}
        ],
    }
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    spec = {"containers": [{"name": "c", "resources": resources}]}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def measured(usages, *pods):
    found = {name: Figure(value, NOW - 5, 30) for name, value in usages.items()}
    return Measured(pods or tuple(pod(name) for name in usages), found, NOW)


def of(usages, target, current, *pods, tolerances=USUAL):
    what = measured(usages, *pods)
    requests = {p["metadata"]["name"]: 1000 for p in what.pods}
    return by_utilization(what, requests, "cpu", target, current, tolerances)


def test_utilization_becomes_replicas():
    found = of({"a": 300, "b": 500, "c": 700}, 30, 3)
    assert (found.replicas, found.utilization, found.usage) == (5, 50, 500)
    assert of({"a": 1000, "b": 1000}, 100, 2).replicas == 2
    assert of({"a": 1090, "b": 1090}, 100, 2).replicas == 2  # within the tolerance
    assert of({"a": 1090, "b": 1090}, 100, 2, tolerances=Tolerances(0.1, 0.05)).replicas == 3
    assert of({"a": 100, "b": 100, "c": 100}, 60, 3).replicas == 1


@pytest.mark.parametrize(
    ("usages", "target", "current", "odd", "expected"),
    [
        # No figures: on the way down it is taken to use all it asked for, on the way up nothing.
        ({"a": 200, "b": 200}, 50, 3, pod("x"), 3),
        ({"a": 1000, "b": 1000}, 50, 3, pod("x"), 4),
        ({"a": 600, "b": 600}, 50, 3, pod("x"), 3),
        # Not ready: nothing on the way up, left out on the way down.
        ({"a": 1000, "b": 1000}, 50, 3, pod("x", phase="Pending"), 4),
        ({"a": 100, "b": 100}, 50, 3, pod("x", phase="Pending"), 1),
        # Failed ones are not there at all.
        ({"a": 1000, "b": 1000}, 50, 2, pod("x", phase="Failed"), 4),
    ],
)
def test_pods_without_figures_damp_the_change(usages, target, current, odd, expected):
    pods = (*(pod(name) for name in usages), odd)
    assert of(usages, target, current, *pods).replicas == expected


def test_young_pods_are_doubted_for_cpu_only():
    young = pod("a", started=-60, changed=-10)  # ready for less than one window of figures
    settled = pod("b", started=-120, changed=-60)
    never = pod("c", ready="False", started=-1000, changed=-995)
    once = pod("d", ready="False", started=-1000, changed=-500)
    what = measured({"a": 1, "b": 1, "c": 1, "d": 1}, young, settled, never, once)
    assert (group(what, "cpu").ready, group(what, "cpu").unready) == (2, {"a", "c"})
    assert group(what, "memory").ready == 4


def test_what_cannot_be_told():
    with pytest.raises(Unknown, match="no pods returned by selector"):
        by_value(Measured((), {}, NOW), "cpu", 100, 1, USUAL)
    with pytest.raises(Unknown, match="did not receive metrics for targeted pods"):
        of({}, 50, 1, pod("a"))
    with pytest.raises(Unknown, match="missing request for cpu in container c of Pod a"):
        requests_of([pod("a", cpu="")], "cpu", "")
    with pytest.raises(Unknown, match="container x not found in Pod a"):
        requests_of([pod("a")], "cpu", "x")


def test_average_values_and_totals():
    assert by_value(measured({"a": 40000, "b": 20000}), "", 10000, 2, USUAL).replicas == 6
    pods = [pod("a"), pod("b"), pod("c", ready="False")]
    assert by_total(30000, 10000, 3, pods, USUAL).replicas == 6
    assert by_total(30000, 10000, 0, [], USUAL).replicas == 3
    assert by_total(10500, 10000, 3, pods, USUAL).replicas == 3
    assert by_share(90000, 10000, 3, USUAL).replicas == 9
    assert by_share(31000, 10000, 3, USUAL).replicas == 3
    assert by_share(90000, 10000, 3, USUAL).usage == 30000


def test_without_rules_replicas_double_at_most_and_sink_slowly():
    bounds, memory = Bounds(1, 100, 10), Memory()
    up = normalize(50, bounds, None, memory, NOW)
    assert (up.replicas, up.limited, up.why[0]) == (20, True, "ScaleUpLimit")
    down = normalize(2, bounds, None, memory, NOW)
    assert (down.replicas, down.able[0]) == (10, "ScaleDownStabilized")
    later = normalize(2, bounds, None, down.memory, NOW + 301)
    assert (later.replicas, later.able[0], later.why[0]) == (
        2, "ReadyForNewScale", "DesiredWithinRange",
    )  # fmt: skip
    assert normalize(0, Bounds(1, 9, 2), None, Memory(recommended=((0, 2),)), NOW).why[0] == (
        "TooFewReplicas"
    )
    assert normalize(9, Bounds(1, 5, 4), None, memory, NOW).why[0] == "TooManyReplicas"


def rules(select="Max", window=0, *policies):
    made = [{"type": t, "value": v, "periodSeconds": p} for t, v, p in policies]
    return {"selectPolicy": select, "stabilizationWindowSeconds": window, "policies": made}


@pytest.mark.parametrize(
    ("select", "expected"), [("Max", 14), ("Min", 12), ("Disabled", 10)]
)  # fmt: skip
def test_policies_bound_a_rise(select, expected):
    behavior = {"scaleUp": rules(select, 0, ("Pods", 4, 60), ("Percent", 20, 60))}
    found = normalize(50, Bounds(1, 100, 10), behavior, Memory(), NOW)
    assert (found.replicas, found.limited) == (expected, True)


@pytest.mark.parametrize(
    ("select", "expected"), [("Max", 6), ("Min", 8), ("Disabled", 10)]
)  # fmt: skip
def test_policies_bound_a_fall(select, expected):
    behavior = {"scaleDown": rules(select, 0, ("Pods", 4, 60), ("Percent", 20, 60))}
    found = normalize(1, Bounds(1, 100, 10), behavior, Memory(), NOW)
    assert (found.replicas, found.why[0]) == (expected, "ScaleDownLimit")


def test_a_policy_counts_what_happened_in_its_period():
    behavior = {"scaleUp": rules("Max", 0, ("Pods", 4, 60))}
    memory = scaled(Memory(), behavior, 3, NOW)
    assert normalize(50, Bounds(1, 100, 10), behavior, memory, NOW + 30).replicas == 11
    assert normalize(50, Bounds(1, 100, 10), behavior, memory, NOW + 61).replicas == 14


def test_windows_take_the_mildest_of_what_was_recommended():
    behavior = {"scaleUp": rules("Max", 120, ("Percent", 900, 15)), "scaleDown": rules("Max", 60)}
    memory = Memory(recommended=((NOW - 100, 4), (NOW - 30, 7)))
    rise = normalize(9, Bounds(1, 20, 3), behavior, memory, NOW)
    assert (rise.replicas, rise.able[0]) == (4, "ScaleUpStabilized")
    behavior["scaleDown"] = rules("Max", 60, ("Percent", 100, 15))
    fall = normalize(1, Bounds(1, 20, 8), behavior, memory, NOW)
    assert (fall.replicas, fall.able[0]) == (7, "ScaleDownStabilized")
