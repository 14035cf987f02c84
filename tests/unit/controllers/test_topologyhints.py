"""Hints by zone: how endpoints are shared out, and what is said of it."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.api.values import Object
from roost.controllers.endpointslice import View, decide
from roost.controllers.topologyhints import Slice, allot, overloaded, ratios_of, wants_hints
from roost.decisions.plan import Create, EmitEvent, Plan, Update

NO_NODES = (
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
)
OVERLOADED = (
    "Unable to allocate minimum required endpoints to each zone "
    "without exceeding overload threshold"
)
AUTO = {"service.kubernetes.io/topology-mode": "Auto"}


def node(name: str, zone: str = "a", cpu: str = "4", ready: str = "True", **labels: str) -> Object:
    found = {"topology.kubernetes.io/zone": zone, **labels}
    status = {"conditions": [{"type": "Ready", "status": ready}], "allocatable": {"cpu": cpu}}
    return {"metadata": {"name": name, "labels": found}, "status": status}


def endpoint(zone: str, hint: str = "", *, ready: bool = True, at: int = 0) -> Object:
    found: Object = {"addresses": [f"10.0.{at}.{ord(zone or '0')}"], "conditions": {"ready": ready}}
    if zone:
        found["zone"] = zone
    if hint:
        found["hints"] = {"forZones": [{"name": hint}]}
    return found


def hints_of(slices: list[Slice]) -> list[str]:
    return [
        (e.get("hints") or {"forZones": [{"name": ""}]})["forZones"][0]["name"]
        for one in slices
        for e in one.endpoints
    ]


def test_zones_are_weighed_by_the_processors_of_their_ready_nodes() -> None:
    master = {"node-role.kubernetes.io/control-plane": ""}
    nodes = [node("1"), node("2", "b", "12"), node("3", "c", ready="False"),
             node("4", "", **master)]  # fmt: skip
    assert ratios_of(nodes) == {"a": 0.25, "b": 0.75}
    assert ratios_of([node("1")]) is None
    assert ratios_of([*nodes, node("5", "")]) is None
    assert ratios_of([*nodes, node("5", "b", "0")]) is None


def test_endpoints_serve_their_own_zone_where_that_is_fair() -> None:
    slices = [Slice([endpoint("a"), endpoint("b"), endpoint("b", ready=False)], changed=True)]
    found = allot(slices, {"a": 0.5, "b": 0.5})
    assert (found.by_zone, hints_of(slices)) == ({"a": 1, "b": 1}, ["a", "b", ""])


def test_a_zone_with_too_many_gives_some_to_one_with_too_few() -> None:
    slices = [Slice([endpoint("a", at=n) for n in range(5)] + [endpoint("b")], changed=True)]
    found = allot(slices, {"a": 0.5, "b": 0.5})
    assert found.by_zone == {"a": 3, "b": 3}
    assert hints_of(slices) == ["b", "b", "a", "a", "a", "b"]


def test_slices_that_do_not_change_keep_hints_that_are_possible() -> None:
    kept = Slice([endpoint("a", "b"), endpoint("b", "a")], changed=False)
    new = Slice([endpoint("a"), endpoint("b")], changed=True)
    found = allot([kept, new], {"a": 0.5, "b": 0.5})
    assert (found.by_zone, kept.changed) == ({"a": 2, "b": 2}, False)
    assert hints_of([kept, new]) == ["b", "a", "a", "b"]
    for wrong in ("c", "", "a"):  # no such zone, none at all, too many of one
        stale = Slice([endpoint("a", wrong), endpoint("b", "a"), endpoint("b", "a")], changed=False)
        allot([stale, Slice([endpoint("a")], changed=True)], {"a": 0.5, "b": 0.5})
        assert stale.changed


@pytest.mark.parametrize(
    ("zones", "ratios", "problem"),
    [
        ("aabb", None, NO_NODES),
        ("a", {"a": 0.5, "b": 0.5}, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        ("aab", {"a": 0.5, "b": 0.5}, f"{OVERLOADED} (3 endpoints, 2 zones)"),
        ("a0", {"a": 0.5, "b": 0.5}, "One or more endpoints do not have a zone specified"),
    ],
)
def test_where_there_can_be_no_hints_they_go_and_it_is_said_why(
    zones: str, ratios: Any, problem: str
) -> None:
    slices = [
        Slice([endpoint(zone.strip("0"), "a")], changed=changed)
        for zone, changed in zip(zones, (True, False, False, False), strict=False)
    ]
    if zones == "a0":
        slices[1].changed = True
    found = allot(slices, ratios)
    assert (found.problem, found.by_zone) == (problem, {})
    assert set(hints_of(slices)) == {""}
    assert all(one.changed for one in slices)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=60),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
)
def test_no_zone_misses_its_least_share_by_more_than_one(
    zones: list[str], cpus: tuple[int, ...]
) -> None:
    """One endpoint may be missing, as in Kubernetes: none gives less than half of what it has over."""
    ratios = {zone: cpu / sum(cpus) for zone, cpu in zip("abc", cpus, strict=True)}
    slices = [Slice([endpoint(z, at=n) for n, z in enumerate(zones)], changed=True)]
    found = allot(slices, ratios)
    if found.problem:
        return
    counted = Counter(hints_of(slices))
    assert {zone: count for zone, count in found.by_zone.items() if count} == dict(counted)
    for zone, ratio in ratios.items():
        assert counted[zone] >= ceil(len(zones) * ratio / 1.2) - 1


def test_a_service_is_overloaded_when_its_share_no_longer_fits() -> None:
    assert not overloaded({}, None)
    assert overloaded({"a": 1}, None)
    assert not overloaded({"a": 2, "b": 2}, {"a": 0.5, "b": 0.5})
    assert overloaded({"a": 2, "b": 2}, {"a": 0.8, "b": 0.2})
    assert overloaded({"a": 2}, {"a": 0.9, "b": 0.1})


# ------------------------------------------------------------------ in slices


def service(annotations: Any = AUTO, **spec: Any) -> Object:
    metadata = {"name": "web", "namespace": "n", "uid": "u", "annotations": annotations}
    ports = [{"port": 80}]
    return {"metadata": metadata, "spec": {"ports": ports, "clusterIP": "10.96.0.9", **spec}}


def pod(name: str, where: str) -> Object:
    status = {"podIP": f"10.0.0.{ord(name)}", "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": name, "namespace": "n", "uid": name}
    return {"metadata": metadata, "spec": {"nodeName": where}, "status": status}


PODS = (pod("p", "n1"), pod("q", "n1"), pod("r", "n2"), pod("s", "n2"))
ZONES = (("n1", "a"), ("n2", "b"))
EVEN = {"a": 0.5, "b": 0.5}


def said(plan: Plan) -> list[tuple[str, str, str]]:
    return [(a.type, a.reason, a.message) for a in plan.actions if isinstance(a, EmitEvent)]


def written(plan: Plan) -> Object:
    (found,) = (a.object for a in plan.actions if isinstance(a, Create | Update))
    return {**found, "metadata": {**found["metadata"], "name": "web-1", "uid": "s"}}


def hinted(body: Object) -> list[str]:
    return hints_of([Slice(body["endpoints"], changed=False)])


def test_a_service_gets_hints_and_loses_them_with_its_annotation() -> None:
    plan, hints = decide(View(service(), PODS, (), ZONES, ratios=EVEN))
    text = "Topology Aware Hints has been enabled, addressType: IPv4"
    assert said(plan) == [("Normal", "TopologyAwareHintsEnabled", text)]
    assert hints["IPv4"].by_zone == {"a": 2, "b": 2}
    made = written(plan)
    assert hinted(made) == ["a", "a", "b", "b"]
    again, _ = decide(View(service(), PODS, (made,), ZONES, ratios=EVEN, hinted=True))
    assert again.actions == ()
    off, _ = decide(View(service({}), PODS, (made,), ZONES, hinted=True))
    text = "Topology Aware Hints has been disabled, addressType: IPv4"
    assert said(off) == [("Warning", "TopologyAwareHintsDisabled", text)]
    assert hinted(written(off)) == ["", "", "", ""]


def test_what_hinders_hints_is_said_of_the_service() -> None:
    plan, hints = decide(View(service(), PODS[:1], (), ZONES, ratios=EVEN))
    text = "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4"
    assert said(plan) == [("Warning", "TopologyAwareHintsDisabled", text)]
    assert hints["IPv4"].problem


def test_the_annotation_counts_more_than_the_traffic_distribution() -> None:
    near = service(trafficDistribution="PreferSameNode")
    plan, _ = decide(View(near, PODS, (), ZONES, ratios=EVEN))
    assert all("forNodes" not in e["hints"] for e in written(plan)["endpoints"])
    old = service({"service.kubernetes.io/topology-aware-hints": "Disabled", **AUTO})
    assert not wants_hints(old)
    plain, _ = decide(View({**near, "metadata": service({})["metadata"]}, PODS, (), ZONES))
    assert written(plain)["endpoints"][0]["hints"] == {
        "forZones": [{"name": "a"}], "forNodes": [{"name": "n1"}],
    }  # fmt: skip


def test_pods_on_nodes_that_are_not_known_are_left_out_for_now() -> None:
    plan, _ = decide(View(service({}), PODS, (), ZONES[:1], now=100.0))
    assert [e["targetRef"]["name"] for e in written(plan)["endpoints"]] == ["p", "q"]
    assert plan.wake_at == 101.0
    early = service({}, publishNotReadyAddresses=True)
    plan, _ = decide(View(early, PODS, (), ZONES[:1], now=100.0))
    assert len(written(plan)["endpoints"]) == 4
