"""EndpointSlices: the addresses behind each Service, at most 100 in a slice.

Endpoints stay in the slice they are in; what is new fills slices that change anyway, then the fullest
slice that has room for all of it, then new ones. A Service without endpoints keeps one empty slice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    controller_reference,
    delete,
    deleting,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    uid_of,
)
from roost.decisions.plan import Action, Create, Plan, Update
from roost.decisions.pods import node_of, ready
from roost.decisions.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
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

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGER = "endpointslice-controller.k8s.io"
MAX_ENDPOINTS = 100
_ZONE = "topology.kubernetes.io/zone"
_BY_SERVICE = "service"

Ports = tuple[tuple[tuple[str, str | int], ...], ...]


@dataclass(frozen=True, slots=True)
class View:
    """A Service (None: it is gone), its pods, its slices, and the zones of nodes."""

    service: Object | None
    pods: tuple[Object, ...]
    slices: tuple[Object, ...]
    zones: tuple[tuple[str, str], ...]


def by_service(endpoint_slice: Object) -> Iterable[str]:
    """Index: the namespace and service of the slices that this controller keeps."""
    labels = labels_of(endpoint_slice)
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{namespace_of(endpoint_slice)}/{labels[SERVICE_NAME]}",)


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Collect what a decision on the slices of one Service rests on."""
    service = caches[SERVICES].get(*key)
    slices = tuple(caches[ENDPOINT_SLICES].by(_BY_SERVICE, f"{key.namespace}/{key.name}"))
    if service is None or not selector_of(service):
        return View(None, (), slices, ()) if slices else None
    pods = selected_pods(caches[PODS].all(key.namespace), service)
    names = dict.fromkeys(node_of(pod) for pod in pods)
    nodes = (caches[NODES].get("", name) for name in names)
    zones = tuple((name_of(n), labels_of(n).get(_ZONE, "")) for n in nodes if n is not None)
    return View(service, pods, slices, zones)


def reconcile(view: View) -> Plan:
    """Decide which slices to make, change and delete."""
    service = view.service
    if service is None or deleting(service):
        return Plan(tuple(delete(ENDPOINT_SLICES, s) for s in view.slices if not deleting(s)))
    actions: list[Action] = []
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    for family in families:
        mine = [s for s in view.slices if s["addressType"] == family]
        actions += _reconcile_family(view, service, family, mine)
    actions += [delete(ENDPOINT_SLICES, s) for s in view.slices if s["addressType"] not in families]
    return Plan(tuple(actions))


def _reconcile_family(
    view: View, service: Object, family: str, slices: list[Object]
) -> Iterable[Action]:
    zones = dict(view.zones)
    groups: dict[Ports, list[Object]] = {}
    for pod in sorted(view.pods, key=name_of):
        address = address_of(pod, ipv6=family == "IPv6")
        if is_endpoint(pod, terminating=True) and address:
            endpoint = _endpoint(pod, service, address, zones.get(node_of(pod), ""))
            groups.setdefault(resolved_ports(service, pod), []).append(endpoint)
    plan = _Repacking(service, family)
    existing: dict[Ports, list[Object]] = {}
    for item in slices:
        existing.setdefault(_ports_of(item), []).append(item)
    for ports in dict.fromkeys((*groups, *existing)):
        plan.group(ports, groups.get(ports, []), existing.get(ports, []))
    return plan.actions()


def _ports_of(endpoint_slice: Object) -> Ports:
    order = ("name", "port", "protocol", "appProtocol")
    defaults = {"name": "", "protocol": "TCP"}
    return tuple(
        tuple(
            (field, port.get(field, defaults.get(field, "")))
            for field in order
            if field in port or field in defaults
        )
        for port in endpoint_slice.get("ports") or ()
    )


def _endpoint(pod: Object, service: Object, address: str, zone: str) -> Object:
    serving, terminating = ready(pod), deleting(pod)
    endpoint: Object = {
        "addresses": [address],
        "conditions": {
            "ready": publishes_not_ready(service) or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": pod_reference(pod),
    }
    if node_of(pod):
        endpoint["nodeName"] = node_of(pod)
    if zone:
        endpoint["zone"] = zone
    hostname = hostname_of(pod, service)
    if hostname:
        endpoint["hostname"] = hostname
    hints = _hints(service, endpoint)
    if hints:
        endpoint["hints"] = hints
    return endpoint


def _hints(service: Object, endpoint: Object) -> Object:
    near = service["spec"].get("trafficDistribution")
    hints: Object = {}
    if not near or not endpoint["conditions"]["ready"]:
        return hints
    if near in {"PreferClose", "PreferSameZone", "PreferSameNode"} and "zone" in endpoint:
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if near == "PreferSameNode" and "nodeName" in endpoint:
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints


def _identity(endpoint: Object) -> tuple[str, str]:
    return endpoint["addresses"][0], (endpoint.get("targetRef") or {}).get("uid", "")


class _Repacking:
    """Collects what becomes of the slices of one service and family."""

    def __init__(self, service: Object, family: str) -> None:
        self._service = service
        self._family = family
        self._kept: list[tuple[Object, Object]] = []  # (the slice, what it should be)
        self._made: list[Object] = []
        self._emptied: list[Object] = []

    def group(self, ports: Ports, wanted: list[Object], slices: list[Object]) -> None:
        """Distribute the endpoints of one set of ports over its slices and new ones."""
        missing = {_identity(endpoint): endpoint for endpoint in wanted}
        contents: list[tuple[Object, list[Object], bool]] = []
        for item in slices:
            old = item.get("endpoints") or []
            new = [missing.pop(_identity(e)) for e in old if _identity(e) in missing]
            contents.append((item, new, new != old))
        rest = list(missing.values())
        for _, endpoints, changed in contents:
            if changed and endpoints:
                rest = _fill(endpoints, rest)
        if rest:
            fitting = [c for c in contents if c[1] and len(c[1]) + len(rest) <= MAX_ENDPOINTS]
            if fitting:
                rest = _fill(max(fitting, key=lambda c: len(c[1]))[1], rest)
        for item, endpoints, _ in contents:
            if not endpoints and rest:
                rest = _fill(endpoints, rest)
            if endpoints:
                self._kept.append((item, self._slice(ports, endpoints, item)))
            else:
                self._emptied.append(item)
        while rest:
            endpoints = []
            rest = _fill(endpoints, rest)
            self._made.append(self._slice(ports, endpoints, None))

    def actions(self) -> Iterable[Action]:
        """Return the writes; one empty slice stays where there would be none."""
        if not self._kept and not self._made:
            if self._emptied:
                first = self._emptied.pop(0)
                self._kept.append((first, self._slice((), [], first)))
            else:
                self._made.append(self._slice((), [], None))
        for old, new in self._kept:
            if new != old:
                yield Update(ENDPOINT_SLICES, new)
        for new in self._made:
            yield Create(ENDPOINT_SLICES, new)
        for old in self._emptied:
            if not deleting(old):
                yield delete(ENDPOINT_SLICES, old)

    def _slice(self, ports: Ports, endpoints: list[Object], old: Object | None) -> Object:
        service = self._service
        labels = {
            **{k: v for k, v in labels_of(service).items() if k not in (MANAGED_BY, SERVICE_NAME)},
            SERVICE_NAME: name_of(service),
            MANAGED_BY: MANAGER,
        }
        labels.pop(HEADLESS_LABEL, None)
        if headless(service):
            labels[HEADLESS_LABEL] = ""
        content = {"endpoints": endpoints, "ports": [dict(port) for port in ports]}
        if old is not None:
            same = (old.get("endpoints") or [], _ports_of(old)) == (endpoints, ports)
            metadata = {**old["metadata"], "labels": labels}
            if not owned_by(old, uid_of(service)):
                metadata["ownerReferences"] = [self._owner()]
            return {**old, "metadata": metadata, **({} if same else content)}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{name_of(service)}-",
                "namespace": namespace_of(service),
                "labels": labels,
                "ownerReferences": [self._owner()],
            },
            "addressType": self._family,
            **content,
        }

    def _owner(self) -> Object:
        return controller_reference(SERVICES, "Service", self._service)


def _fill(endpoints: list[Object], rest: list[Object]) -> list[Object]:
    """Move as much of `rest` into a slice as it can take; return what is left."""
    room = MAX_ENDPOINTS - len(endpoints)
    endpoints.extend(rest[:room])
    return rest[room:]


def _slice_keys(endpoint_slice: Object, _caches: Caches) -> Iterable[Key]:
    labels = labels_of(endpoint_slice)
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        return (Key(namespace_of(endpoint_slice), labels[SERVICE_NAME]),)
    return ()


def _no_keys(_obj: Object, _caches: Caches) -> Iterable[Key]:
    return ()


CONTROLLER = Controller(
    name="endpointslice-controller",
    watches=(
        Watch(SERVICES, own_key, {BY_SELECTOR: by_selector}),
        Watch(PODS, service_keys),
        Watch(ENDPOINT_SLICES, _slice_keys, {_BY_SERVICE: by_service}),
        Watch(NODES, _no_keys),
    ),
    view=view,
    reconcile=reconcile,
)
