"""Which devices claims get, and what is said when there are none."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.objects import node, pod
from roost.api.values import Object
from roost.decisions.controller import Key
from roost.scheduler.allocation import STEPS_MAX, Fault, Matches, Search
from roost.scheduler.decide import Bind, Rejections, Scheduler, Unschedulable
from roost.scheduler.preemption import preempt
from roost.scheduler.snapshot import NodeInfo

DRIVER = "gpu.example.com"


def device(name: str, model: str = "a", **more: Any) -> Object:
    attributes = {"model": {"string": model}, "numa": {"int": more.pop("numa", 0)}}
    capacity = {"memory": {"value": more.pop("memory", "8Gi")}}
    return {"name": name, "attributes": attributes, "capacity": capacity, **more}


def resource_slice(name: str, *devices: Object, pool: Object | None = None, **spec: Any) -> Object:
    described = {"name": "p", "generation": 1, "resourceSliceCount": 1, **(pool or {})}
    place = spec or {"nodeName": "a"}
    sharing = {"driver": DRIVER, "pool": described, "devices": list(devices)}
    return {"metadata": {"name": name}, "spec": {**sharing, **place}}


def selector(expression: str) -> list[Object]:
    return [{"cel": {"expression": expression}}]


GPU = {
    "metadata": {"name": "gpu"},
    "spec": {
        "selectors": selector(f'device.driver == "{DRIVER}"'),
        "config": [{"opaque": {"driver": DRIVER, "parameters": {"mode": "fast"}}}],
    },
}


def exactly(name: str = "r", **more: Any) -> Object:
    mode = {"allocationMode": "ExactCount", "count": 1, **more}
    return {"name": name, "exactly": {"deviceClassName": "gpu", **mode}}


def claim(*requests: Object, name: str = "c", **more: Any) -> Object:
    status = more.pop("status", {})
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"devices": {"requests": list(requests) or [exactly()], **more}},
        "status": status,
    }


def search(*slices: Object, used: Any = None, labels: Any = None) -> Search:
    here = NodeInfo("a", labels=labels or {})
    return Search(slices, used or {}, {"gpu": GPU}, here, Matches())


def chosen(found: list[Object] | None) -> list[list[str]] | None:
    if found is None:
        return None
    return [[one["device"] for one in each["devices"]["results"]] for each in found]


def test_an_allocation_says_what_where_and_how() -> None:
    found = search(resource_slice("s", device("g0"))).allocate([claim()])
    assert found == [
        {
            "devices": {
                "results": [{"request": "r", "driver": DRIVER, "pool": "p", "device": "g0"}],
                "config": [
                    {
                        "source": "FromClass",
                        "opaque": {"driver": DRIVER, "parameters": {"mode": "fast"}},
                    }
                ],
            },
            "nodeSelector": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
                ]
            },
        }
    ]


BY_MODEL = f'device.attributes["{DRIVER}"].model == "b"'
BY_MEMORY = f'device.capacity["{DRIVER}"].memory.compareTo(quantity("10Gi")) >= 0'
TWO = (device("g0", "a"), device("g1", "b", memory="16Gi"))


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (exactly(), [["g0"]]),
        (exactly(count=2), [["g0", "g1"]]),
        (exactly(count=3), None),
        (exactly(allocationMode="All"), [["g0", "g1"]]),
        (exactly(selectors=selector(BY_MODEL)), [["g1"]]),
        (exactly(selectors=selector(BY_MEMORY)), [["g1"]]),
        (exactly(selectors=selector(BY_MODEL), count=2), None),
        (exactly(selectors=selector("false"), allocationMode="All"), None),
        (exactly(capacity={"requests": {"memory": "12Gi"}}), [["g1"]]),
    ],
)
def test_requests_choose_by_class_selector_and_count(request_: Object, wanted: Any) -> None:
    assert chosen(search(resource_slice("s", *TWO)).allocate([claim(request_)])) == wanted


def test_devices_in_use_are_left_alone_but_by_administrators() -> None:
    used = {(DRIVER, "p", "g0"): 1}
    given = resource_slice("s", *TWO)
    assert chosen(search(given, used=used).allocate([claim()])) == [["g1"]]
    everything = claim(exactly(allocationMode="All"))
    assert search(given, used=used).allocate([everything]) is None
    watching = claim(exactly(allocationMode="All", adminAccess=True))
    found = search(given, used=used).allocate([watching])
    assert chosen(found) == [["g0", "g1"]]
    assert found is not None
    assert found[0]["devices"]["results"][0]["adminAccess"] is True


def test_claims_of_one_pod_share_out_devices_by_going_back() -> None:
    greedy, picky = claim(name="c1"), claim(exactly(selectors=selector('"x" != "y"')), name="c2")
    only_a = claim(
        exactly(selectors=selector(f'device.attributes["{DRIVER}"].model == "a"')), name="c3"
    )
    assert chosen(search(resource_slice("s", *TWO)).allocate([greedy, only_a])) == [["g1"], ["g0"]]
    assert search(resource_slice("s", *TWO)).allocate([greedy, picky, only_a]) is None


def test_the_first_alternative_that_can_be_had_is_taken() -> None:
    best = {"name": "two", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 3}
    fair = {"name": "one", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
    found = search(resource_slice("s", *TWO)).allocate(
        [claim({"name": "r", "firstAvailable": [best, fair]})]
    )
    assert found is not None
    assert [one["request"] for one in found[0]["devices"]["results"]] == ["r/one"]


def test_devices_of_a_claim_share_an_attribute_where_that_is_asked() -> None:
    devices = (device("g0", numa=0), device("g1", numa=1), device("g2", numa=1))
    together = claim(exactly(count=2), constraints=[{"matchAttribute": f"{DRIVER}/numa"}])
    assert chosen(search(resource_slice("s", *devices)).allocate([together])) == [["g1", "g2"]]
    unknown = claim(exactly(count=1), constraints=[{"matchAttribute": f"{DRIVER}/none"}])
    assert search(resource_slice("s", *devices)).allocate([unknown]) is None


def test_tainted_devices_need_a_toleration() -> None:
    taints = [{"key": "broken", "effect": "NoSchedule"}]
    given = resource_slice("s", device("g0", taints=taints))
    assert search(given).allocate([claim()]) is None
    patient = exactly(tolerations=[{"key": "broken", "operator": "Exists"}])
    assert chosen(search(given).allocate([claim(patient)])) == [["g0"]]


def test_parts_of_a_device_share_its_counters() -> None:
    half = [{"counterSet": "card", "counters": {"memory": {"value": "4Gi"}}}]
    devices = [device(f"part{at}", consumesCounters=half) for at in range(3)]
    given = resource_slice("s", *devices)
    given["spec"]["sharedCounters"] = [{"name": "card", "counters": {"memory": {"value": "8Gi"}}}]
    assert chosen(search(given).allocate([claim(exactly(count=2))])) == [["part0", "part1"]]
    assert search(given).allocate([claim(exactly(count=3))]) is None
    used = {(DRIVER, "p", "part2"): 1}
    assert search(given, used=used).allocate([claim(exactly(count=2))]) is None


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    old = resource_slice("s1", device("g0"))
    new = resource_slice("s2", device("g1"), pool={"generation": 2})
    assert chosen(search(old, new).allocate([claim()])) == [["g1"]]


def test_all_devices_of_half_a_pool_are_not_to_be_had() -> None:
    half = resource_slice("s", device("g0"), pool={"resourceSliceCount": 2})
    assert chosen(search(half).allocate([claim()])) == [["g0"]]
    with pytest.raises(Fault) as told:
        search(half).allocate([claim(exactly(allocationMode="All"))])
    assert str(told.value) == (
        "claim default/c, request r: asks for all devices, but resource pool gpu.example.com/p "
        "is currently being updated"
    )


def test_a_broken_selector_is_told() -> None:
    broken = claim(exactly(selectors=selector(f'device.attributes["{DRIVER}"].none == 1')))
    with pytest.raises(Fault) as told:
        search(resource_slice("s", device("g0"))).allocate([broken])
    assert str(told.value) == "claim default/c: selector #0: CEL runtime error: no such key: none"


def test_a_search_without_end_is_given_up() -> None:
    devices = [device(f"g{at}", str(at), numa=at) for at in range(STEPS_MAX // 500)]
    together = claim(exactly(count=3), constraints=[{"matchAttribute": f"{DRIVER}/numa"}])
    many = [claim(name=f"c{at}") for at in range(4)]
    with pytest.raises(Fault, match="timed out trying to allocate devices"):
        search(resource_slice("s", *devices)).allocate([*many, together])


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ({"nodeName": "b"}, None),
        ({"allNodes": True}, [["g0"]]),
        (
            {
                "nodeSelector": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}
                    ]
                }
            },
            [["g0"]],
        ),
    ],
)
def test_devices_are_where_their_slice_says(place: Object, wanted: Any) -> None:
    given = resource_slice("s", device("g0"), **place)
    found = search(given, labels={"zone": "z"}).allocate([claim()])
    assert chosen(found) == wanted
    if found is not None:
        assert found[0].get("nodeSelector") == place.get("nodeSelector")


def cluster(*claims: Object, slices: Any = ()) -> Scheduler:
    scheduler = Scheduler()
    for name in ("a", "b"):
        scheduler.snapshot.set_node(node(name))
    scheduler.devices.set_class("gpu", GPU)
    for one in slices:
        scheduler.devices.set_slice(one["metadata"]["name"], one)
    for one in claims:
        scheduler.devices.set_claim(Key("default", one["metadata"]["name"]), one)
    return scheduler


def user(name: str = "p", claim_name: str = "c") -> Object:
    return pod(name, resourceClaims=[{"name": "x", "resourceClaimName": claim_name}])


def decide(scheduler: Scheduler, body: Object) -> Any:
    info = scheduler.shapes.info(body)
    found = scheduler.schedule(info)
    return preempt(scheduler, info, found, []) if isinstance(found, Rejections) else found


def test_a_pod_goes_where_its_claim_gets_a_device_and_the_next_does_not() -> None:
    scheduler = cluster(claim(), claim(name="d"), slices=[resource_slice("s", device("g0"))])
    decision = decide(scheduler, user())
    assert isinstance(decision, Bind)
    assert decision.node == "a"
    assert list(decision.devices) == [Key("default", "c")]
    scheduler.devices.assume(decision.devices)
    message = (
        "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    second = decide(scheduler, user("q", "d"))
    assert second == Unschedulable(message, frozenset({"DynamicResources"}))
    scheduler.devices.forget(decision.devices)
    assert isinstance(decide(scheduler, user("q", "d")), Bind)


def test_a_claim_that_is_being_allocated_is_waited_for() -> None:
    scheduler = cluster(claim(), slices=[resource_slice("s", device("g0"))])
    scheduler.devices.assume(decide(scheduler, user()).devices)
    assert decide(scheduler, user("q")).message.startswith(
        "0/2 nodes are available: resource claim default/c is in the process of being allocated."
    )


def allocated(on: str, *users: str) -> Object:
    status = {
        "allocation": {
            "devices": {
                "results": [{"request": "r", "driver": DRIVER, "pool": "p", "device": "g0"}]
            },
            "nodeSelector": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}
                ]
            },
        },
        "reservedFor": [{"resource": "pods", "name": u, "uid": f"uid-{u}"} for u in users],
    }
    return claim(status=status)


def test_a_claim_with_devices_holds_its_pods_on_their_node() -> None:
    assert decide(cluster(allocated("b", "x")), user()) == Bind("b")


def test_devices_that_nobody_uses_are_taken_back_where_they_are_in_the_way() -> None:
    scheduler = cluster(allocated("gone"))
    decision = decide(scheduler, user())
    assert decision.deallocate == Key("default", "c")
    assert decision.message == (
        "0/2 nodes are available: 2 resourceclaim not available on the node. deallocation of "
        "ResourceClaim completed, preemption: 0/2 nodes are available: 2 Preemption is not "
        "helpful for scheduling."
    )
    assert decide(cluster(allocated("gone", "x")), user()).deallocate is None


def test_a_full_claim_and_an_unknown_class_are_told_at_once() -> None:
    full = cluster(allocated("a", *(f"u{at}" for at in range(256))))
    assert decide(full, user()).message.startswith("0/2 nodes are available: resourceclaim in use.")
    scheduler = cluster(claim())
    scheduler.devices.set_class("gpu", None)
    assert decide(scheduler, user()).message.startswith(
        "0/2 nodes are available: request r: device class gpu does not exist. "
        "no new claims to deallocate, preemption: "
    )


def test_pods_wait_for_claims_that_are_still_to_be_made() -> None:
    scheduler = cluster(claim())
    waits = lambda body: scheduler.devices.awaits_claims(scheduler.shapes.info(body))  # noqa: E731
    assert not waits(user())
    assert waits(user(claim_name="other"))
    template = pod("t", resourceClaims=[{"name": "x", "resourceClaimTemplateName": "t"}])
    assert waits(template)
    made = {"phase": "Pending", "resourceClaimStatuses": [{"name": "x", "resourceClaimName": "c"}]}
    assert waits({**template, "status": made})  # it belongs to no pod
    none = {"phase": "Pending", "resourceClaimStatuses": [{"name": "x"}]}
    assert not waits({**template, "status": none})


def test_slices_and_claims_that_go_leave_nothing() -> None:
    scheduler = cluster(allocated("a"), slices=[resource_slice("s", device("g0"))])
    devices = scheduler.devices
    assert dict(devices.used) == {(DRIVER, "p", "g0"): 1}
    devices.set_claim(Key("default", "c"), None)
    devices.set_slice("s", None)
    assert not devices.used
    assert devices.slices_on("a") == []
