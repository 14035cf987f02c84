"""[sig-network] of Kubernetes' conformance tests that need no container."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from discovery import check_discovery
from framework import Framework
from kinds import (
    ENDPOINTS,
    INGRESS_CLASSES,
    INGRESSES,
    IP_ADDRESSES,
    PODS,
    SERVICE_CIDRS,
    SERVICES,
    SLICES,
)
from typedclient import MERGE, STRATEGIC, Kind, Refused, Resource, Thing, newer, until

pytestmark = pytest.mark.slow
_SERVICE = "kubernetes.io/service-name"


def run_operations(f: Framework, kind: Kind, template: Thing) -> tuple[Resource, Thing, str]:
    """Create three, get, list, watch (also everywhere), patch and update; return one of them."""
    resource, everywhere = f.typed(kind), f.typed(kind, "")
    chosen = f"special-label={f.unique}"
    template["metadata"]["labels"] = {"special-label": f.unique}
    check_discovery(f.client, kind.api_version, kind.plural)
    made = [resource.create(template) for _ in range(3)][-1]
    name = made["metadata"]["name"]
    assert resource.get(name)["metadata"]["uid"] == made["metadata"]["uid"]
    listed = resource.list(chosen)
    assert len(listed["items"]) == 3
    version = listed["metadata"]["resourceVersion"]
    watches = [resource.watch(chosen, version=version)]
    if kind.namespaced:
        assert len(everywhere.items(chosen)) == 3
        watches.append(everywhere.watch(chosen, version=version))
    patched = resource.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert newer(patched, made)
    updated = resource.retry(name, lambda o: o["metadata"]["annotations"].update(updated="true"))
    assert updated["metadata"]["annotations"]["updated"] == "true"
    for watch in watches:
        event, value = watch.next()
        assert event == "MODIFIED"
        assert value["metadata"]["annotations"]["patched"] == "true"
        assert value["kind"] == kind.kind
        watch.stop()
    return resource, updated, chosen


def delete_all(resource: Resource, name: str, chosen: str) -> None:
    resource.delete(name)
    until(lambda: not resource.exists(name))
    assert len(resource.items(chosen)) == 2
    resource.delete_collection(chosen)
    until(lambda: not resource.items(chosen))


def test_ingress_operations(f: Framework):
    """Ingress API should support creating Ingress API operations"""
    service = {"name": "default-backend", "port": {"number": 8080}}
    template = {
        "metadata": {"generateName": "e2e-example-ing"},
        "spec": {"defaultBackend": {"service": service}},
    }
    ingresses, made, chosen = run_operations(f, INGRESSES, template)
    name = made["metadata"]["name"]
    balancer = {"ingress": [{"ip": "169.1.1.1"}]}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}},
             "status": {"loadBalancer": balancer}}  # fmt: skip
    patched = ingresses.patch(name, patch, MERGE, "status")
    assert patched["status"]["loadBalancer"] == balancer
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    other = {"ingress": [{"ip": "169.1.1.2", "hostname": "test.com"}]}
    updated = ingresses.retry(name, lambda o: o["status"].update(loadBalancer=other), "status")
    assert updated["status"]["loadBalancer"] == other
    status = f.dynamic(INGRESSES).get(name, "status")
    assert status["metadata"]["uid"] == made["metadata"]["uid"]
    delete_all(ingresses, name, chosen)


def test_ingress_class_operations(f: Framework):
    """IngressClass API should support creating IngressClass API operations"""
    template = {
        "metadata": {"generateName": "e2e-example-ingc-"},
        "spec": {"controller": "e2e.example.com/controller"},
    }
    classes, made, chosen = run_operations(f, INGRESS_CLASSES, template)
    delete_all(classes, made["metadata"]["name"], chosen)


def test_endpoint_slice_operations(f: Framework):
    """EndpointSlice should support creating EndpointSlice API operations"""
    template = {
        "metadata": {"generateName": "e2e-example-ing"},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["1.2.3.4", "5.6.7.8"]},
            {"addresses": ["2.2.3.4", "6.6.7.8"]},
        ],
    }
    slices, made, chosen = run_operations(f, SLICES, template)
    delete_all(slices, made["metadata"]["name"], chosen)


def test_default_service_cidr(f: Framework):
    """ServiceCIDR and IPAddress API should support ServiceCIDR API operations"""
    cidrs = f.typed(SERVICE_CIDRS)
    default = cidrs.get("kubernetes")
    status = f.dynamic(SERVICE_CIDRS).get("kubernetes", "status")
    assert (status["apiVersion"], status["kind"]) == ("networking.k8s.io/v1", "ServiceCIDR")
    assert status["metadata"]["uid"] == default["metadata"]["uid"]
    ready = next(c for c in default["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"
    assert cidrs.items()
    cidrs.watch().stop()


def test_ip_addresses(f: Framework):
    """ServiceCIDR and IPAddress API should support IPAddress API operations"""
    addresses = f.typed(IP_ADDRESSES)

    def address(name: str, type_: str) -> Thing:
        parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}
        return {
            "metadata": {"name": name, "labels": {"type": type_}},
            "spec": {"parentRef": parent},
        }

    made = addresses.create(address("255.255.255.255", "broadcast"))
    addresses.create(address("fe80::42:1dff:fe84:f9e2", "link-local"))
    name = "255.255.255.255"
    patched = addresses.patch(name, {"metadata": {"annotations": {"patched": "true"}}}, MERGE)
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert newer(patched, made)
    updated = addresses.retry(name, lambda o: o["metadata"]["annotations"].update(updated="true"))
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert len(addresses.items("type=broadcast")) == 1
    addresses.watch("type=broadcast").stop()
    addresses.delete(name)
    addresses.delete_collection("type=link-local")
    assert addresses.items("type=link-local") == []


def places(subsets_or_slices: list[Thing]) -> set[tuple[str, int]]:
    """Return all (address, port) of Endpoints' subsets or of EndpointSlices."""
    found = set()
    for item in subsets_or_slices:
        for port in item.get("ports") or ():
            for endpoint in item.get("endpoints") or item.get("addresses") or ():
                for address in endpoint.get("addresses") or [endpoint.get("ip")]:
                    found.add((address, port["port"]))
    return found


def test_endpoints_of_the_server(f: Framework):
    """API Server should have Endpoints and EndpointSlices pointing to API Server; API Server should
    provide secure master service; Services should find a service from listing all namespaces"""
    service = f.typed(SERVICES, "default").get("kubernetes")
    assert [port["name"] for port in service["spec"]["ports"]] == ["https"]
    endpoints = f.typed(ENDPOINTS, "default").get("kubernetes")
    slices = f.typed(SLICES, "default").items(f"{_SERVICE}=kubernetes")
    assert endpoints["subsets"]
    assert slices
    assert places(endpoints["subsets"]) == places(slices)
    everywhere = f.typed(SERVICES, "").items()
    names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in everywhere]
    assert ("default", "kubernetes") in names


@pytest.mark.parametrize("kind", [ENDPOINTS, SLICES])
def test_service_that_matches_no_pods(f: Framework, kind: Kind):
    """EndpointsController, EndpointSlice should create and delete Endpoints (EndpointSlices) for a
    Service with a selector that matches no pods"""
    services, name = f.typed(SERVICES), "example-empty-selector"
    services.create(
        {
            "metadata": {"name": name},
            "spec": {
                "selector": {"does-not-match-anything": "endpoints-should-still-be-created"},
                "ports": [{"name": "example", "port": 80, "protocol": "TCP"}],
            },
        }
    )

    def found() -> list[Thing]:
        if kind is SLICES:
            return f.typed(SLICES).items(f"{_SERVICE}={name}")
        return f.typed(ENDPOINTS).items(fields=f"metadata.name={name}")

    [made] = until(found)
    if kind is SLICES:
        managed = made["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
        assert managed == "endpointslice-controller.k8s.io"
        assert not made.get("endpoints")
    services.delete(name)
    until(lambda: not found())


def test_mirrored_endpoints(f: Framework):
    """EndpointSliceMirroring should mirror a custom Endpoints resource through create update and
    delete"""
    name = "example-custom-endpoints"
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    f.typed(SERVICES).create({"metadata": {"name": name}, "spec": {"ports": ports}})

    def mirrored() -> list[tuple[list[int], list[list[str]]]]:
        return [
            ([port["port"] for port in item["ports"]],
             [endpoint["addresses"] for endpoint in item["endpoints"]])
            for item in f.typed(SLICES).items(f"{_SERVICE}={name}")
        ]  # fmt: skip

    endpoints = f.typed(ENDPOINTS)

    def value(address: str) -> Thing:
        subset = {"ports": [{"port": 80}], "addresses": [{"ip": address}]}
        return {"metadata": {"name": name}, "subsets": [subset]}

    endpoints.create(value("10.1.2.3"))
    until(lambda: mirrored() == [([80], [["10.1.2.3"]])], 12)
    endpoints.update(value("10.2.3.4"))
    until(lambda: mirrored() == [([80], [["10.2.3.4"]])], 12)
    endpoints.delete(name)
    until(lambda: mirrored() == [], 12)


def test_endpoints_lifecycle(f: Framework):
    """Endpoints should test the lifecycle of an Endpoint"""
    endpoints, everywhere = f.typed(ENDPOINTS), f.typed(ENDPOINTS, "")
    label = f"test-endpoint-static={f.unique}"
    begun = everywhere.list(label)["metadata"]["resourceVersion"]
    made = endpoints.create(
        {
            "metadata": {"name": "testservice", "labels": {"test-endpoint-static": f.unique}},
            "subsets": [
                {
                    "addresses": [{"ip": "10.0.0.24"}],
                    "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
                }
            ],
        }
    )
    with endpoints.watch(label, version=begun) as watch:
        watch.until("ADDED")
    listed = everywhere.list(label)
    [found] = listed["items"]
    found["metadata"]["labels"]["test-service"] = "updated"
    endpoints.update(found)
    with endpoints.watch(label, version=listed["metadata"]["resourceVersion"]) as watch:
        watch.until("MODIFIED")
    current = endpoints.get("testservice")
    subset = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}
    patch = {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [subset]}
    assert newer(endpoints.patch("testservice", patch, STRATEGIC), made)
    with endpoints.watch(label, version=current["metadata"]["resourceVersion"]) as watch:
        watch.until("MODIFIED")
    current = endpoints.get("testservice")
    assert current["metadata"]["labels"]["test-service"] == "patched"
    assert places(current["subsets"]) == {("10.0.0.25", 8080)}
    endpoints.delete_collection(label)
    with endpoints.watch(label, version=current["metadata"]["resourceVersion"]) as watch:
        watch.until("DELETED")
    assert not endpoints.exists("testservice")


def test_service_status_lifecycle(f: Framework):
    """Services should complete a service status lifecycle"""
    services, name = f.typed(SERVICES), "test-service"
    labels = {"test-service-static": f.unique}
    chosen = f"test-service-static={f.unique}"
    begun = f.typed(SERVICES, "").list(chosen)["metadata"]["resourceVersion"]
    watch = services.watch(chosen, version=begun)
    services.create(
        {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "type": "LoadBalancer",
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}],
            },
        }
    )
    watch.until("ADDED")
    assert len(f.typed(SERVICES, "").items(chosen)) == 1
    status = f.dynamic(SERVICES).get(name, "status")
    assert status["status"].get("conditions", []) == []
    balancer = {"ingress": [{"ip": "203.0.113.1"}]}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}},
             "status": {"loadBalancer": balancer}}  # fmt: skip
    services.patch(name, patch, MERGE, "status")
    watch.until(
        "MODIFIED",
        lambda o: o["metadata"].get("annotations", {}).get("patchedstatus") == "true",
    )
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E",
                 "message": "Set from e2e test"}  # fmt: skip

    def add(value: Thing) -> None:
        value["status"]["conditions"] = [*value["status"].get("conditions", []), condition]

    updated = services.retry(name, add, "status")
    found = updated["status"]["conditions"][-1]
    assert condition.items() <= found.items()
    watch.until(
        "MODIFIED",
        lambda o: "StatusUpdate" in [c["type"] for c in o["status"].get("conditions", [])],
    )
    # What Go makes of a v1.Service with a label.
    payload = {
        "metadata": {"labels": {"test-service": "patched"}}, "spec": {},
        "status": {"loadBalancer": {}},
    }  # fmt: skip
    services.patch(name, payload, STRATEGIC)
    watch.until("MODIFIED", lambda o: o["metadata"]["labels"].get("test-service") == "patched")
    services.delete(name)
    watch.until("DELETED")
    watch.stop()


def test_collection_of_services(f: Framework):
    """Services should delete a collection of services"""
    services = f.typed(SERVICES)
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}]
    for letter, extra in (("a", "true"), ("b", "true"), ("c", "false")):
        services.create(
            {
                "metadata": {"name": f"e2e-svc-{letter}", "labels": {"e2e-set": extra}},
                "spec": {"type": "ClusterIP", "ports": ports},
            }
        )
    assert len(services.items()) == 3
    services.delete_collection("e2e-set=true")
    assert [item["metadata"]["name"] for item in services.items()] == ["e2e-svc-c"]


def serving_pod(name: str, labels: dict[str, str], *ports: tuple[str, int]) -> Thing:
    named = [{"name": port, "containerPort": number} for port, number in ports]
    container = {"name": "container1", "image": "nginx", "ports": named}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}


def service_for(name: str, selector: dict[str, str], port: str, target: Any) -> Thing:
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": selector,
            "publishNotReadyAddresses": True,
            "ports": [{"name": port, "port": 80, "targetPort": target, "protocol": "TCP"}],
        },
    }


def test_endpoints_and_slices_of_pods(f: Framework):
    """EndpointsController should create Endpoints for Pods matching a Service; EndpointSlice should
    create Endpoints and EndpointSlices for Pods matching a Service"""
    pods, services = f.typed(PODS), f.typed(SERVICES)
    pods.create(serving_pod("pod1", {"pod1": "on", "shared12": "on"}, ("example-name", 3000)))
    pods.create(
        serving_pod("pod2", {"pod2": "on", "shared12": "on"}, ("example-name", 3001),
                    ("other-port", 3002))
    )  # fmt: skip
    services.create(service_for("int-port", {"pod1": "on"}, "example", 3000))
    services.create(service_for("named-port", {"shared12": "on"}, "http", "example-name"))
    services.create(service_for("no-match", {"pod3": "on"}, "example-no-match", 8080))

    def address(name: str) -> str:
        found: str = until(lambda: pods.get(name)["status"].get("podIP"))
        return found

    one, two = (address("pod1"), 3000), (address("pod2"), 3001)
    for name, wanted, subsets, slices in (
        ("int-port", {one}, 1, 1),
        ("named-port", {one, two}, 2, 2),
        ("no-match", set(), 0, 1),
    ):

        def right() -> bool:
            found = f.typed(SLICES).items(f"{_SERVICE}={name}")  # noqa: B023 - called at once
            endpoints = f.typed(ENDPOINTS).get(name).get("subsets") or []  # noqa: B023
            return (
                places(found) == places(endpoints) == wanted  # noqa: B023
                and (len(endpoints), len(found)) == (subsets, slices)  # noqa: B023
            )

        until(right)
    for item in f.typed(SLICES).items(f"{_SERVICE}=named-port"):
        [port] = item["ports"]
        assert (port["name"], port["protocol"]) == ("http", "TCP")
        [endpoint] = item["endpoints"]
        target = endpoint["targetRef"]
        assert (target["kind"], target["namespace"]) == ("Pod", f.namespace)
        assert target["uid"] == pods.get(target["name"])["metadata"]["uid"]
        assert endpoint["conditions"]["ready"] is True
    f.typed(SLICES).delete_collection(f"{_SERVICE}=named-port")
    until(lambda: places(f.typed(SLICES).items(f"{_SERVICE}=named-port")) == {one, two})


def test_latency_of_endpoints(f: Framework):
    """Service endpoints latency should not be very high"""
    # Upstream: the median of 200 must be below 20 s, the 99th percentile below 50 s.
    f.typed(PODS).create(serving_pod("svc-latency-rc", {"name": "svc-latency-rc"}, ("p", 80)))
    until(lambda: f.typed(PODS).get("svc-latency-rc")["status"].get("podIP"))
    services, slowest = f.typed(SERVICES), 0.0
    with f.typed(ENDPOINTS).watch() as watch:
        for number in range(10):
            begun = time.monotonic()
            services.create(service_for(f"s{number}", {"name": "svc-latency-rc"}, "p", 80))
            watch.until("", lambda o: o["metadata"]["name"] == f"s{number}" and o.get("subsets"))  # noqa: B023
            slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 20


def test_service_that_is_not_there(f: Framework):
    """What the tests above take for granted of refusals, in protobuf."""
    with pytest.raises(Refused) as refused:
        f.typed(SERVICES).get("nope")
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
    assert copy.copy(refused.value.status)["details"]["name"] == "nope"
