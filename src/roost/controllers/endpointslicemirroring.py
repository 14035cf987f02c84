"""EndpointSlices for Endpoints that somebody keeps by hand, for Services without a selector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.triggertimes import ANNOTATION
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    annotations_of,
    controller_reference,
    delete,
    deleting,
    labels_of,
    name_of,
    namespace_of,
    object_reference,
    warning,
)
from roost.decisions.plan import Action, Create, Plan, Update
from roost.decisions.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
#: What the slices do not take over.
_NOT_COPIED = (
    ANNOTATION,
    "kubectl.kubernetes.io/last-applied-configuration",
)
#: More addresses of one subset than this are left out, as in Kubernetes.
MAX_ENDPOINTS = 1000
_BY_SERVICE = "mirrored"


@dataclass(frozen=True, slots=True)
class View:
    """Endpoints to mirror (None: there are none) and the slices that mirror them."""

    endpoints: Object | None
    slices: tuple[Object, ...]


def by_service(endpoint_slice: Object) -> Iterable[str]:
    """Index: the namespace and service of the slices that this controller keeps."""
    labels = labels_of(endpoint_slice)
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{namespace_of(endpoint_slice)}/{labels[SERVICE_NAME]}",)


def _mirrored(endpoints: Object | None, service: Object | None) -> bool:
    if endpoints is None or service is None or (service.get("spec") or {}).get("selector"):
        return False
    if labels_of(endpoints).get(SKIP) == "true" or LEADER in annotations_of(endpoints):
        return False
    return not deleting(endpoints)


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Collect what a decision on the mirror of one Endpoints object rests on."""
    endpoints = caches[ENDPOINTS].get(*key)
    slices = tuple(caches[ENDPOINT_SLICES].by(_BY_SERVICE, f"{key.namespace}/{key.name}"))
    if not _mirrored(endpoints, caches[SERVICES].get(*key)):
        return View(None, slices) if slices else None
    return View(endpoints, slices)


def _address(item: Object, *, ready: bool) -> Object:
    endpoint: Object = {"addresses": [item["ip"]], "conditions": {"ready": ready}}
    for source, target in (("hostname", "hostname"), ("nodeName", "nodeName")):
        if item.get(source):
            endpoint[target] = item[source]
    if item.get("targetRef"):
        endpoint["targetRef"] = item["targetRef"]
    return endpoint


def _port(port: Object) -> Object:
    found = {
        "name": port.get("name", ""),
        "port": port["port"],
        "protocol": port.get("protocol", "TCP"),
    }
    if port.get("appProtocol"):
        found["appProtocol"] = port["appProtocol"]
    return found


def _wanted(endpoints: Object) -> tuple[list[Object], int]:
    """Return addressType, ports and endpoints of each slice there should be, and how many addresses
    are left out. Subsets with the same ports share their slices."""
    wanted: list[Object] = []
    skipped = 0
    for subset in endpoints.get("subsets") or ():
        found = [_address(a, ready=True) for a in subset.get("addresses") or ()]
        found += [_address(a, ready=False) for a in subset.get("notReadyAddresses") or ()]
        skipped += len(found[MAX_ENDPOINTS:])
        ports = [_port(port) for port in subset.get("ports") or ()]
        for endpoint in found[:MAX_ENDPOINTS]:
            content: Object = {
                "addressType": "IPv6" if ":" in endpoint["addresses"][0] else "IPv4",
                "ports": ports,
            }
            for known in wanted:
                if known.items() >= content.items():
                    break
            else:
                known = {**content, "endpoints": []}
                wanted.append(known)
            if len(known["endpoints"]) < MAX_ENDPOINTS:
                known["endpoints"].append(endpoint)
    return wanted, skipped


def reconcile(view: View) -> Plan:
    """Make the slices say what the Endpoints say."""
    endpoints = view.endpoints
    if endpoints is None:
        return Plan(tuple(delete(ENDPOINT_SLICES, s) for s in view.slices if not deleting(s)))
    labels = {
        **labels_of(endpoints),
        SERVICE_NAME: name_of(endpoints),
        MANAGED_BY: MANAGER,
    }
    annotations = {k: v for k, v in annotations_of(endpoints).items() if k not in _NOT_COPIED}
    left = list(view.slices)
    actions: list[Action] = []
    wanted, skipped = _wanted(endpoints)
    if skipped:
        text = (
            f"A max of {MAX_ENDPOINTS} addresses can be mirrored to EndpointSlices per Endpoints "
            f"subset. {skipped} addresses were skipped"
        )
        regarding = object_reference(ENDPOINTS, "Endpoints", endpoints)
        actions.append(warning(regarding, "TooManyAddressesToMirror", text))
    for content in wanted:
        family = content["addressType"]
        old = next((s for s in left if s["addressType"] == family), None)
        if old is None:
            made = _slice(endpoints, labels, content)
            if annotations:
                made["metadata"]["annotations"] = annotations
            actions.append(Create(ENDPOINT_SLICES, made))
            continue
        left.remove(old)
        metadata = {k: v for k, v in old["metadata"].items() if k != "annotations"}
        metadata["labels"] = labels
        if annotations:
            metadata["annotations"] = annotations
        new = {**old, **content, "metadata": metadata}
        if new != old:
            actions.append(Update(ENDPOINT_SLICES, new))
    return Plan((*actions, *(delete(ENDPOINT_SLICES, s) for s in left if not deleting(s))))


def _slice(endpoints: Object, labels: dict[str, str], content: Object) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(endpoints)}-",
            "namespace": namespace_of(endpoints),
            "labels": labels,
            "ownerReferences": [controller_reference(ENDPOINTS, "Endpoints", endpoints)],
        },
        **content,
    }


def _slice_keys(endpoint_slice: Object, _caches: Caches) -> Iterable[Key]:
    labels = labels_of(endpoint_slice)
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        return (Key(namespace_of(endpoint_slice), labels[SERVICE_NAME]),)
    return ()


CONTROLLER = Controller(
    name="endpointslice-mirroring-controller",
    watches=(
        Watch(ENDPOINTS, own_key),
        Watch(SERVICES, own_key),
        Watch(ENDPOINT_SLICES, _slice_keys, {_BY_SERVICE: by_service}),
    ),
    view=view,
    reconcile=reconcile,
)
