"""Addresses for Services of type LoadBalancer."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object
from roost.controllers.servicelb import View, addresses, reconcile
from roost.decisions.plan import NOTHING, EmitEvent, Patch

INGRESS = [{"ip": "10.0.0.1", "ipMode": "VIP"}]


def service(name: str = "s", *ports: int, ingress: Any = None, **spec: Any) -> Object:
    listed = [{"port": port, "protocol": "TCP"} for port in ports or (80,)]
    return {
        "metadata": {
            "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
            "creationTimestamp": f"2026-01-01T00:00:0{len(name)}Z",
        },
        "spec": {"type": "LoadBalancer", "ports": listed, **spec},
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }  # fmt: skip


def node(name: str, ip: str = "10.0.0.1", ready: str = "True", **labels: str) -> Object:
    status = {
        "addresses": [{"type": "InternalIP", "address": ip}],
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def decide(found: Object, *others: Object, reserved: tuple[int, ...] = (6443,)) -> tuple[Any, ...]:
    return reconcile(View(found, others, (node("a"),), frozenset(reserved))).actions


def written(actions: tuple[Any, ...]) -> Any:
    (patch,) = [a for a in actions if isinstance(a, Patch)]
    assert patch.subresource == "status"
    return patch.body["status"]["loadBalancer"]["ingress"]


def test_only_nodes_that_take_traffic_count() -> None:
    excluded = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    nodes = [node("b", "10.0.0.2"), node("a"), node("c", "10.0.0.3", "False"),
             node("d", "10.0.0.4", **excluded), node("e", "fd00::1")]  # fmt: skip
    assert addresses(nodes) == ["10.0.0.1", "10.0.0.2"]


def test_a_service_gets_the_addresses_once() -> None:
    actions = decide(service())
    assert written(actions) == INGRESS
    reasons = [a.reason for a in actions if isinstance(a, EmitEvent)]
    assert reasons == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]
    assert reconcile(View(service(ingress=INGRESS), (), (node("a"),), frozenset())) == NOTHING


def test_others_serve_other_classes_and_plain_services_lose_their_address() -> None:
    assert decide(service(loadBalancerClass="x")) == ()
    assert decide(service(type="ClusterIP")) == ()
    assert written(decide(service(type="ClusterIP", ingress=INGRESS))) is None


def test_a_port_is_had_once_and_never_the_servers_own() -> None:
    (event,) = decide(service("s", 6443))
    assert event.message.endswith("port 6443 is the node's own")
    older, younger = service("s"), service("ss")
    (event,) = decide(younger, older)
    assert event.message.endswith("port 80 is taken by Service n/s")
    assert written(decide(older, younger)) == INGRESS
    assert written(decide(service("ss", ingress=INGRESS), older)) is None
