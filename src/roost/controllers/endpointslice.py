"""EndpointSlices: the addresses behind each Service, at most 100 in a slice.

Endpoints stay in the slice they are in; what is new fills slices that change anyway, then the fullest
slice that has room for all of it, then new ones. A Service without endpoints keeps one empty slice.
Pods on nodes that are not known (yet) are left out.

Hints are of two kinds: `trafficDistribution` gives every endpoint its own zone or node; the annotation
`topology-mode: Auto`, which counts more, shares them out (roost.controllers.topologyhints).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from roost.api.values import Object
from roost.controllers.topologyhints import (
    DISABLED,
    ENABLED,
    HintMemory,
    Hints,
    Ratios,
    Slice,
    allot,
    ratios_of,
    wants_hints,
)
from roost.controllers.triggertimes import TriggerTimes, marked
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    controller_reference,
    delete,
    deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    owned_by,
    uid_of,
    warning,
)
from roost.decisions.plan import Action, Create, EmitEvent, Plan, Update
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
#: How soon to look again for a node that is not known.
_NODE_RETRY_S = 1.0

Ports = tuple[tuple[tuple[str, str | int], ...], ...]


@dataclass(frozen=True, slots=True)
class View:
    """A Service (None: it is gone), its pods, its slices, and the zones of the nodes that are known.

    `ratios` is only of Services that want hints by zone; `hinted` says whether they have them.
    """

    service: Object | None
    pods: tuple[Object, ...]
    slices: tuple[Object, ...]
    zones: tuple[tuple[str, str], ...]
    now: float = 0.0
    ratios: Ratios = None
    hinted: bool = False
    trigger: str = ""


def by_service(endpoint_slice: Object) -> Iterable[str]:
    """Index: the namespace and service of the slices that this controller keeps."""
    labels = labels_of(endpoint_slice)
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{namespace_of(endpoint_slice)}/{labels[SERVICE_NAME]}",)


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the slices of one Service rests on."""
    service = caches[SERVICES].get(*key)
    slices = tuple(caches[ENDPOINT_SLICES].by(_BY_SERVICE, f"{key.namespace}/{key.name}"))
    if service is None or not selector_of(service):
        return View(None, (), slices, ()) if slices else None
    pods = selected_pods(caches[PODS].all(key.namespace), service)
    names = dict.fromkeys(node_of(pod) for pod in pods)
    nodes = (caches[NODES].get("", name) for name in names)
    zones = tuple((name_of(n), labels_of(n).get(_ZONE, "")) for n in nodes if n is not None)
    ratios = ratios_of(caches[NODES].all()) if wants_hints(service) else None
    return View(service, pods, slices, zones, now, ratios)


def reconcile(view: View) -> Plan:
    """Decide which slices to make, change and delete."""
    return decide(view)[0]


def decide(view: View) -> tuple[Plan, Mapping[str, Hints]]:
    """Decide on the slices; return also the hints by zone, by family."""
    service = view.service
    if service is None or deleting(service):
        gone = tuple(delete(ENDPOINT_SLICES, s) for s in view.slices if not deleting(s))
        return Plan(gone), {}
    actions: list[Action] = []
    hints: dict[str, Hints] = {}
    families = service["spec"].get("ipFamilies") or ["IPv4"]
    for family in families:
        mine = [s for s in view.slices if s["addressType"] == family]
        plan = _reconcile_family(view, service, family, mine)
        if wants_hints(service):
            hints[family] = plan.hint(view.ratios)
        actions += plan.actions()
    actions += [delete(ENDPOINT_SLICES, s) for s in view.slices if s["addressType"] not in families]
    actions += _events(view, service, hints, families)
    zones = dict(view.zones)
    waits = any(
        is_endpoint(pod, terminating=True) and node_of(pod) not in zones for pod in view.pods
    )
    return Plan(tuple(actions), view.now + _NODE_RETRY_S if waits else None), hints


def _events(
    view: View, service: Object, hints: Mapping[str, Hints], families: Iterable[str]
) -> Iterable[EmitEvent]:
    """Tell when hints by zone are put in or taken out, and each time why there can be none."""
    regarding = object_reference(SERVICES, "Service", service)
    if not hints:
        for family in families if view.hinted else ():
            text = f"{DISABLED}, addressType: {family}"
            yield warning(regarding, "TopologyAwareHintsDisabled", text)
    for family, found in hints.items():
        if found.problem:
            text = f"{found.problem}, addressType: {family}"
            yield warning(regarding, "TopologyAwareHintsDisabled", text)
        elif not view.hinted:
            text = f"{ENABLED}, addressType: {family}"
            yield normal(regarding, "TopologyAwareHintsEnabled", text)


def _reconcile_family(view: View, service: Object, family: str, slices: list[Object]) -> _Repacking:
    zones = dict(view.zones)
    groups: dict[Ports, list[Object]] = {}
    for pod in sorted(view.pods, key=name_of):
        address = address_of(pod, ipv6=family == "IPv6")
        known = node_of(pod) in zones or publishes_not_ready(service)
        if is_endpoint(pod, terminating=True) and address and known:
            endpoint = _endpoint(pod, service, address, zones.get(node_of(pod), ""))
            groups.setdefault(resolved_ports(service, pod), []).append(endpoint)
    plan = _Repacking(service, family, view.trigger)
    existing: dict[Ports, list[Object]] = {}
    for item in slices:
        existing.setdefault(_ports_of(item), []).append(item)
    for ports in dict.fromkeys((*groups, *existing)):
        plan.group(ports, groups.get(ports, []), existing.get(ports, []))
    return plan


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
    if not near or wants_hints(service) or not endpoint["conditions"]["ready"]:
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

    def __init__(self, service: Object, family: str, trigger: str) -> None:
        self._service = service
        self._trigger = trigger
        self._family = family
        self._keeps_hints = wants_hints(service)
        self._kept: list[tuple[Object, Ports, Slice]] = []  # (the slice, what it should hold)
        self._made: list[tuple[Ports, Slice]] = []
        self._emptied: list[Object] = []

    def group(self, ports: Ports, wanted: list[Object], slices: list[Object]) -> None:
        """Distribute the endpoints of one set of ports over its slices and new ones."""
        missing = {_identity(endpoint): endpoint for endpoint in wanted}
        contents: list[tuple[Object, list[Object], bool]] = []
        for item in slices:
            old = item.get("endpoints") or []
            new = [
                self._either(e, missing.pop(_identity(e))) for e in old if _identity(e) in missing
            ]
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
                old = item.get("endpoints") or []
                self._kept.append((item, ports, Slice(endpoints, endpoints != old)))
            else:
                self._emptied.append(item)
        while rest:
            endpoints = []
            rest = _fill(endpoints, rest)
            self._made.append((ports, Slice(endpoints, changed=True)))

    def _either(self, old: Object, new: Object) -> Object:
        """Return the old form of an endpoint, if only hints that may stay are otherwise."""
        if not self._keeps_hints or "hints" not in old:
            return new
        return old if {**new, "hints": old["hints"]} == old else new

    def hint(self, ratios: Ratios) -> Hints:
        """Share the endpoints out among the zones."""
        return allot([*(s for _, _, s in self._kept), *(s for _, s in self._made)], ratios)

    def actions(self) -> Iterable[Action]:
        """Return the writes; one empty slice stays where there would be none."""
        if not self._kept and not self._made:
            if self._emptied:
                first = self._emptied.pop(0)
                self._kept.append((first, (), Slice([], changed=True)))
            else:
                self._made.append(((), Slice([], changed=True)))
        for old, ports, content in self._kept:
            new = self._slice(ports, content.endpoints, old)
            if new != old:
                yield Update(ENDPOINT_SLICES, marked(new, self._trigger))
        for ports, content in self._made:
            new = self._slice(ports, content.endpoints, None)
            yield Create(ENDPOINT_SLICES, marked(new, self._trigger))
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


def endpoint_slices() -> Controller[View]:
    """Return the controller, with a memory of its own."""
    memory, times = HintMemory(), TriggerTimes()

    def remembering(caches: Caches, key: Key, now: float) -> View | None:
        found = view(caches, key, now)
        if found is None or found.service is None:
            memory.hinted.pop(key, None)
            times.forget(key)
            return found
        trigger = times.compute(found.service, found.pods)
        return replace(found, hinted=key in memory.hinted, trigger=trigger)

    def decide_and_note(found: View) -> Plan:
        plan, hints = decide(found)
        if found.service is not None:
            memory.note(key_of(found.service), hints)
        return plan

    return Controller(
        name="endpointslice-controller",
        watches=(
            Watch(SERVICES, own_key, {BY_SELECTOR: by_selector}),
            Watch(PODS, service_keys),
            Watch(ENDPOINT_SLICES, _slice_keys, {_BY_SERVICE: by_service}),
            Watch(NODES, memory.moved),
        ),
        view=remembering,
        reconcile=decide_and_note,
    )
