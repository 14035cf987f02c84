"""Endpoints: the older, single-object form of what EndpointSlices say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from roost.api.values import Object
from roost.controllers.triggertimes import TriggerTimes, marked
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import annotations_of, delete, deleting, labels_of, name_of, namespace_of
from roost.decisions.plan import NOTHING, Create, Plan, Update
from roost.decisions.pods import node_of, ready
from roost.decisions.resources import ENDPOINTS, PODS, SERVICES
from roost.decisions.services import (
    BY_SELECTOR,
    HEADLESS_LABEL,
    address_of,
    by_selector,
    headless,
    hostname_of,
    is_endpoint,
    pod_reference,
    publishes_not_ready,
    resolved_ports,
    selected_pods,
    selector_of,
    service_keys,
)

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAX_ADDRESSES = 1000


@dataclass(frozen=True, slots=True)
class View:
    """A Service (None: gone, or without selector), its pods, its Endpoints, and the time for these."""

    service: Object | None
    pods: tuple[Object, ...]
    endpoints: Object | None
    trigger: str = ""


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Collect what a decision on the Endpoints of one Service rests on."""
    service, endpoints = caches[SERVICES].get(*key), caches[ENDPOINTS].get(*key)
    if service is None:
        return View(None, (), endpoints) if endpoints is not None else None
    if not selector_of(service):
        return None  # somebody else keeps them
    return View(service, selected_pods(caches[PODS].all(key.namespace), service), endpoints)


def reconcile(view: View) -> Plan:
    """Decide what the Endpoints should be."""
    service, old = view.service, view.endpoints
    if service is None:
        ours = old is not None and labels_of(old).get(MANAGED_BY) == MANAGER
        return Plan((delete(ENDPOINTS, old),)) if ours and old is not None else NOTHING
    if deleting(service):
        return NOTHING
    subsets, truncated = _subsets(view, service)
    labels = {k: v for k, v in labels_of(service).items() if k != HEADLESS_LABEL}
    labels[MANAGED_BY] = MANAGER
    if headless(service):
        labels[HEADLESS_LABEL] = ""
    annotations = dict(annotations_of(old)) if old is not None else {}
    annotations.pop(OVER_CAPACITY, None)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    if old is None:
        made = _object(service, labels, annotations, subsets)
        return Plan((Create(ENDPOINTS, marked(made, view.trigger)),))
    same = (labels_of(old), annotations_of(old), old.get("subsets") or []) == (
        labels, annotations, subsets,
    )  # fmt: skip
    if same:
        return NOTHING
    metadata = {**old["metadata"], "labels": labels, "annotations": annotations}
    new = {**old, "metadata": metadata, "subsets": subsets}
    return Plan((Update(ENDPOINTS, marked(new, view.trigger)),))


def _object(
    service: Object, labels: dict[str, str], annotations: dict[str, str], subsets: list[Object]
) -> Object:
    metadata: Object = {
        "name": name_of(service), "namespace": namespace_of(service), "labels": labels,
    }  # fmt: skip
    if annotations:
        metadata["annotations"] = annotations
    body: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    if subsets:
        body["subsets"] = subsets
    return body


def _subsets(view: View, service: Object) -> tuple[list[Object], bool]:
    """Return the subsets, one per set of ports, and whether addresses were left out."""
    ipv6 = (service["spec"].get("ipFamilies") or ["IPv4"])[0] == "IPv6"
    publishes = publishes_not_ready(service)
    groups: dict[tuple[object, ...], tuple[list[Object], list[Object]]] = {}
    count = 0
    truncated = False
    # Where there are too many, what is ready is kept.
    for pod in sorted(view.pods, key=lambda p: (not ready(p), name_of(p))):
        address = address_of(pod, ipv6=ipv6)
        if not address or not is_endpoint(pod, terminating=publishes):
            continue
        ports = resolved_ports(service, pod)
        if not ports and not (headless(service) and not service["spec"].get("ports")):
            continue
        if count == MAX_ADDRESSES:
            truncated = True
            break
        count += 1
        available, missing = groups.setdefault(tuple(sorted(ports)), ([], []))
        (available if publishes or ready(pod) else missing).append(_address(pod, service, address))
    return [_subset(groups[ports], ports) for ports in sorted(groups, key=repr)], truncated


def _subset(addresses: tuple[list[Object], list[Object]], ports: tuple[object, ...]) -> Object:
    subset: Object = {}
    for field, listed in zip(("addresses", "notReadyAddresses"), addresses, strict=True):
        if listed:
            subset[field] = sorted(listed, key=lambda a: (a["ip"], a["targetRef"]["uid"]))
    if ports:
        listed_ports = [dict(port) for port in ports]  # type: ignore[call-overload]  # items of dicts
        subset["ports"] = [{k: v for k, v in port.items() if v != ""} for port in listed_ports]
    return subset


def _address(pod: Object, service: Object, address: str) -> Object:
    found: Object = {"ip": address}
    hostname = hostname_of(pod, service)
    if hostname:
        found["hostname"] = hostname
    if node_of(pod):
        found["nodeName"] = node_of(pod)
    found["targetRef"] = pod_reference(pod)
    return found


def _endpoints_keys(endpoints: Object, _caches: Caches) -> Iterable[Key]:
    return (Key(namespace_of(endpoints), name_of(endpoints)),)


def endpoints_controller() -> Controller[View]:
    """Return the controller, with a memory of its own."""
    times = TriggerTimes()

    def remembering(caches: Caches, key: Key, now: float) -> View | None:
        found = view(caches, key, now)
        if found is None or found.service is None:
            times.forget(key)
            return found
        return replace(found, trigger=times.compute(found.service, found.pods))

    return Controller(
        name="endpoints-controller",
        watches=(
            Watch(SERVICES, own_key, {BY_SELECTOR: by_selector}),
            Watch(PODS, service_keys),
            Watch(ENDPOINTS, _endpoints_keys),
        ),
        view=remembering,
        reconcile=reconcile,
    )
