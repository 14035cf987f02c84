"""Services of type LoadBalancer get the addresses of the nodes.

That is the load balancer of a cluster without a cloud: the data plane of a node takes what comes for its
own address and a port of such a Service. A port can be had once, and not where the server itself
listens; whoever comes later waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    created_at,
    deleting,
    key_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Patch, Plan
from roost.decisions.resources import NODES, SERVICES

_EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
_BALANCED, _ALL = "balanced", "all"


@dataclass(frozen=True, slots=True)
class View:
    """A Service, the others of its type, the nodes, and the ports that are nobody's to have."""

    service: Object
    others: tuple[Object, ...]
    nodes: tuple[Object, ...]
    reserved: frozenset[int]


def wants_address(service: Object) -> bool:
    """Say whether a Service is ours to serve: other classes have controllers of their own."""
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")


def addresses(nodes: Iterable[Object]) -> list[str]:
    """Return the addresses of the nodes that take traffic, external before internal ones."""
    found: list[str] = []
    for node in sorted(nodes, key=name_of):
        status = node.get("status") or {}
        labels = node["metadata"].get("labels") or {}
        if deleting(node) or _EXCLUDED in labels:
            continue
        if not conditions.is_true(status.get("conditions"), "Ready"):
            continue
        known = status.get("addresses") or ()
        for kind in ("ExternalIP", "InternalIP"):
            listed = [a["address"] for a in known if a["type"] == kind and ":" not in a["address"]]
            if listed:
                found.append(listed[0])
                break
    return list(dict.fromkeys(found))


def _ports(service: Object) -> set[tuple[int, str]]:
    ports = service["spec"].get("ports") or ()
    return {(port["port"], port.get("protocol", "TCP")) for port in ports}


def _age(service: Object) -> tuple[float, str]:
    return created_at(service), uid_of(service)


def conflict(view: View) -> str:
    """Return why the Service cannot have its ports, "" if it can."""
    mine = _ports(view.service)
    for number, protocol in sorted(mine):
        if protocol == "TCP" and number in view.reserved:
            return f"port {number} is the node's own"
    for other in sorted(view.others, key=_age):
        shared = sorted(mine & _ports(other))
        if shared and _age(other) < _age(view.service):
            where = f"{namespace_of(other)}/{name_of(other)}"
            return f"port {shared[0][0]} is taken by Service {where}"
    return ""


def reconcile(view: View) -> Plan:
    """Bring the Service's addresses up to date."""
    service = view.service
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    before = balancer.get("ingress") or []
    regarding = object_reference(SERVICES, "Service", service)
    if not wants_address(service):
        ours = service["spec"].get("type") != "LoadBalancer"
        return Plan((_status(service, []),)) if before and ours else NOTHING
    if deleting(service):
        return NOTHING
    why = conflict(view)
    wanted = [] if why else [{"ip": ip, "ipMode": "VIP"} for ip in addresses(view.nodes)]
    if why:
        text = f"Error syncing load balancer: failed to ensure load balancer: {why}"
        event = warning(regarding, "SyncLoadBalancerFailed", text)
        return Plan((event, _status(service, [])) if before else (event,))
    if wanted == before:
        return NOTHING
    return Plan((
        normal(regarding, "EnsuringLoadBalancer", "Ensuring load balancer"),
        _status(service, wanted),
        normal(regarding, "EnsuredLoadBalancer", "Ensured load balancer"),
    ))  # fmt: skip


def _status(service: Object, ingress: list[Object]) -> Patch:
    body = {
        "metadata": {"resourceVersion": version_of(service)},
        "status": {"loadBalancer": {"ingress": ingress or None}},
    }
    return Patch(ref_of(SERVICES, service), body, subresource="status")


def _balanced(service: Object) -> Iterable[str]:
    return (_ALL,) if wants_address(service) else ()


def _service_keys(service: Object, caches: Caches) -> Iterable[Key]:
    """A Service, and those that may get a port when it lets go of one."""
    yield key_of(service)
    for other in caches[SERVICES].by(_BALANCED, _ALL):
        if _ports(other) & _ports(service):
            yield key_of(other)


def _node_keys(_node: Object, caches: Caches) -> Iterable[Key]:
    return [key_of(service) for service in caches[SERVICES].by(_BALANCED, _ALL)]


def service_load_balancer(reserved: frozenset[int]) -> Controller[View]:
    """Return the controller; `reserved` are TCP ports on which the nodes listen themselves."""

    def view(caches: Caches, key: Key, _now: float) -> View | None:
        service = caches[SERVICES].get(*key)
        if service is None:
            return None
        balanced = caches[SERVICES].by(_BALANCED, _ALL)
        others = tuple(one for one in balanced if uid_of(one) != uid_of(service))
        return View(service, others, tuple(caches[NODES].all()), reserved)

    return Controller(
        name="service-lb-controller",
        component="service-controller",
        watches=(
            Watch(SERVICES, _service_keys, {_BALANCED: _balanced}),
            Watch(NODES, _node_keys),
        ),
        view=view,
        reconcile=reconcile,
    )
