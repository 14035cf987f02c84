"""Addresses behind services: slices and endpoints."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.objects import pod, running
from roost.api.values import Object
from roost.controllers import endpoints
from roost.controllers.endpointslice import MAX_ENDPOINTS, View, reconcile
from roost.decisions.plan import NOTHING, Create, Delete, Plan, Update


def service(**spec: Any) -> Object:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "svc", "labels": {"team": "a"}},
        "spec": {
            "selector": {"app": "web"},
            "clusterIP": "10.96.0.9",
            "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}],
            **spec,
        },
    }


def backend(number: int, *, ready: bool = True, port: int = 8080, **more: Any) -> Object:
    ports = {"ports": [{"name": "web", "containerPort": port}]}
    body = pod(f"p{number:04d}", labels={"app": "web"}, container=ports, nodeName="n1", **more)
    if ready:
        body = running(body)
    address = f"10.1.{number // 250}.{number % 250 + 1}"
    return {**body, "status": {**body["status"], "podIP": address, "podIPs": [{"ip": address}]}}


class Slices:
    """Applies plans to slices, as the API server would."""

    def __init__(self) -> None:
        self.items: dict[str, Object] = {}
        self.writes = 0

    def sync(self, svc: Object | None, *pods: Object) -> None:
        for _ in range(3):
            plan = reconcile(View(svc, pods, tuple(self.items.values()), (("n1", "z1"),)))
            if plan == NOTHING:
                return
            for action in plan.actions:
                self.writes += 1
                match action:
                    case Create(object=body):
                        name = f"web-{self.writes}"
                        metadata = {**body["metadata"], "name": name, "uid": name}
                        self.items[name] = {**body, "metadata": metadata}
                    case Update(object=body):
                        self.items[body["metadata"]["name"]] = body
                    case Delete(ref=ref):
                        del self.items[ref.name]
        raise AssertionError("it does not settle")

    def addresses(self) -> list[str]:
        return [e["addresses"][0] for s in self.items.values() for e in s["endpoints"]]


def test_an_endpoint_says_all_about_its_pod() -> None:
    slices = Slices()
    slices.sync(service(), backend(1))
    (only,) = slices.items.values()
    assert only["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert only["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert only["endpoints"] == [
        {
            "addresses": ["10.1.0.2"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {
                "kind": "Pod", "namespace": "default", "name": "p0001", "uid": "uid-p0001",
            },
            "nodeName": "n1",
            "zone": "z1",
        }
    ]  # fmt: skip


def test_readiness_and_termination_are_told_apart() -> None:
    ending = backend(2)
    ending["metadata"]["deletionTimestamp"] = "2027-01-15T09:00:00Z"
    slices = Slices()
    slices.sync(service(), backend(1, ready=False), ending)
    (only,) = slices.items.values()
    found = [tuple(e["conditions"].values()) for e in only["endpoints"]]
    assert found == [(False, False, False), (False, True, True)]
    slices.sync(service(publishNotReadyAddresses=True), backend(1, ready=False), ending)
    (only,) = slices.items.values()
    assert [e["conditions"]["ready"] for e in only["endpoints"]] == [True, True]


def test_a_service_without_pods_keeps_one_empty_slice_and_one_that_is_gone_none() -> None:
    slices = Slices()
    slices.sync(service())
    assert [s["endpoints"] for s in slices.items.values()] == [[]]
    slices.sync(None)
    assert slices.items == {}


def test_pods_with_other_ports_get_slices_of_their_own() -> None:
    slices = Slices()
    slices.sync(service(), backend(1), backend(2, port=9090))
    assert sorted(s["ports"][0]["port"] for s in slices.items.values()) == [8080, 9090]


def test_named_hosts_of_a_headless_service() -> None:
    slices = Slices()
    slices.sync(service(clusterIP="None"), backend(1, hostname="db-0", subdomain="web"))
    (only,) = slices.items.values()
    assert only["endpoints"][0]["hostname"] == "db-0"
    assert only["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(0, 260), max_size=260), min_size=1, max_size=5))
def test_slices_hold_every_address_once_and_never_too_many(steps: list[set[int]]) -> None:
    slices = Slices()
    for step in steps:
        slices.sync(service(), *(backend(number) for number in sorted(step)))
        wanted = sorted(f"10.1.{n // 250}.{n % 250 + 1}" for n in step)
        assert sorted(slices.addresses()) == wanted
        assert all(len(s["endpoints"]) <= MAX_ENDPOINTS for s in slices.items.values())


def test_one_change_among_many_endpoints_writes_one_slice() -> None:
    slices = Slices()
    slices.sync(service(), *(backend(n) for n in range(250)))
    assert len(slices.items) == 3
    slices.writes = 0
    slices.sync(service(), *(backend(n, ready=n != 7) for n in range(250)))
    assert slices.writes == 1


def test_endpoints_list_ready_and_other_addresses() -> None:
    pods = (backend(1), backend(2, ready=False))
    plan = endpoints.reconcile(endpoints.View(service(), pods, None))
    (create,) = plan.actions
    assert isinstance(create, Create)
    (subset,) = create.object["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.1.0.2"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.1.0.3"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    again = endpoints.reconcile(endpoints.View(service(), pods, create.object))
    assert again == Plan()


def test_endpoints_of_a_service_that_is_gone_go_only_if_they_are_ours() -> None:
    ours = {
        "metadata": {
            "name": "web", "namespace": "default", "uid": "e",
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"},
        }
    }  # fmt: skip
    theirs = {"metadata": {"name": "web", "namespace": "default", "uid": "e"}}
    assert isinstance(endpoints.reconcile(endpoints.View(None, (), ours)).actions[0], Delete)
    assert endpoints.reconcile(endpoints.View(None, (), theirs)) == Plan()
