"""IPAddresses and Services that do not agree, and the default range."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object
from roost.controllers import servicecidr
from roost.controllers.ipaddresses import (
    AGAIN_S,
    FAMILY,
    MANAGED_BY,
    AddressView,
    ServiceView,
    in_ranges,
    reconcile,
)
from roost.decisions.meta import seconds_of
from roost.decisions.plan import NOTHING, Create, Delete, EmitEvent, Plan

NOW = seconds_of("2027-01-15T09:00:00Z")
RANGE = ("10.96.0.0/16",)


def service(name: str = "a", ip: str = "10.96.0.9") -> Object:
    metadata = {"namespace": "n", "name": name, "uid": name}
    return {"metadata": metadata, "spec": {"type": "ClusterIP", "clusterIPs": [ip]}}


def address(name: str = "a", ip: str = "10.96.0.9", **labels: str) -> Object:
    usual = {FAMILY: "IPv4", MANAGED_BY: "ipallocator.k8s.io"}
    metadata = {"name": ip, "uid": ip, "labels": labels or usual,
                "creationTimestamp": "2027-01-15T08:59:50Z"}  # fmt: skip
    parent = {"resource": "services", "namespace": "n", "name": name}
    return {"metadata": metadata, "spec": {"parentRef": parent}}


def of_service(found: Object | None, rival: Object | None = None, **more: Any) -> Plan:
    asked = service()
    ip = asked["spec"]["clusterIPs"][0]
    known = {} if found is None else {ip: found}
    rivals = {} if rival is None else {ip: rival}
    return reconcile(ServiceView(asked, known, rivals, more.get("ranges", RANGE), NOW))


def said(plan: Plan) -> list[tuple[str, str]]:
    return [(a.reason, a.message) for a in plan.actions if isinstance(a, EmitEvent)]


def done(plan: Plan) -> list[type]:
    return [type(action) for action in plan.actions if isinstance(action, Create | Delete)]


def test_what_agrees_is_left_alone() -> None:
    assert of_service(address()) == NOTHING
    assert reconcile(AddressView(address(), service(), NOW)) == NOTHING


def test_a_missing_address_is_made() -> None:
    plan = of_service(None)
    text = "Cluster IP [IPv4]: 10.96.0.9 is not allocated; repairing"
    assert said(plan) == [("ClusterIPNotAllocated", text)]
    made = plan.actions[-1]
    assert isinstance(made, Create)
    assert made.object["metadata"]["labels"] == address()["metadata"]["labels"]
    assert made.object["spec"] == address()["spec"]


def test_an_address_of_somebody_else_is_made_anew() -> None:
    wrong = address()
    wrong["spec"] = {"parentRef": {"group": "g", "resource": "gateways", "name": "a"}}
    text = "the ClusterIP [IPv4]: 10.96.0.9 for Service n/a has a wrong reference; repairing"
    for found in (wrong, address("gone")):
        plan = of_service(found)
        assert (said(plan), done(plan)) == ([("ClusterIPNotAllocated", text)], [Delete, Create])
    unlabelled = of_service(address(x="y"))
    assert (said(unlabelled), done(unlabelled)) == ([], [Delete, Create])


def test_of_two_services_with_one_address_the_other_is_told_again_and_again() -> None:
    plan = of_service(address("b"), rival=service("b"))
    text = "Cluster IP [IPv4]:10.96.0.9 was assigned to multiple services; please recreate service"
    assert said(plan) == [("ClusterIPAlreadyAllocated", text)]
    assert (done(plan), plan.wake_at) == ([], NOW + AGAIN_S)


def test_an_address_outside_of_all_ranges_is_only_told() -> None:
    plan = of_service(None, ranges=("10.97.0.0/16",))
    text = (
        "Cluster IP [IPv4]: 10.96.0.9 is not within any configured Service CIDR; "
        "please recreate service"
    )
    assert said(plan) == [("ClusterIPOutOfRange", text)]
    assert (done(plan), plan.wake_at) == ([], NOW + AGAIN_S)
    assert not in_ranges("10.96.0.0", RANGE)
    assert not in_ranges("10.96.255.255", RANGE)
    assert in_ranges("fd00::1", ("fd00::/112",))


def test_an_address_without_a_service_goes_after_a_minute() -> None:
    young = reconcile(AddressView(address(), None, NOW))
    assert (young.actions, young.wake_at) == ((), NOW + 51)
    old = reconcile(AddressView(address(), None, NOW + 51))
    text = "IPAddress: 10.96.0.9 for Service n/a appears to have leaked: cleaning up"
    assert (said(old), done(old)) == ([("IPAddressNotAllocated", text)], [Delete])


def test_an_address_that_its_service_does_not_have_goes_at_once() -> None:
    plan = reconcile(AddressView(address(), service(ip="10.96.0.8"), NOW))
    text = "IPAddress: 10.96.0.9 for Service n/a has a wrong reference; cleaning up"
    assert (said(plan), done(plan)) == ([("IPAddressWrongReference", text)], [Delete])


def test_the_default_range_comes_back() -> None:
    (made,) = servicecidr.keep_default(servicecidr.DefaultView(None, NOW)).actions
    assert isinstance(made, Create)
    assert made.object["spec"] == {"cidrs": ["10.96.0.0/16"]}
    other = {"metadata": {"name": "kubernetes", "uid": "u"}, "spec": {"cidrs": ["10.0.0.0/8"]}}
    plan = servicecidr.keep_default(servicecidr.DefaultView(other, NOW))
    text = (
        "The default ServiceCIDR [10.0.0.0/8] does not match the flag configurations [10.96.0.0/16]"
    )
    assert said(plan) == [("KubernetesServiceCIDRInconsistent", text)]
