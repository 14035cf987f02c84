"""Resource claims of a pod: what is known of claims, classes and devices, and may the pod have them?

Claims that have devices already restrict the pod to where these are. For the others `allocation` looks
for devices on one node; the caller assumes what it takes, and sends it before the pod is bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from roost.api.values import Object
from roost.decisions.affinity import term_matches
from roost.decisions.controller import Key, controller_of
from roost.decisions.meta import deleting, name_of
from roost.scheduler.allocation import Fault, Matches, Search
from roost.scheduler.devicepools import DeviceId, allocated_devices
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import PodInfo
from roost.scheduler.snapshot import NodeInfo

PLUGIN = "DynamicResources"
#: How many pods may use one claim.
CONSUMERS_MAX = 256

_ELSEWHERE = Rejection(PLUGIN, ("resourceclaim not available on the node",), final=True)
_NONE_LEFT = Rejection(PLUGIN, ("cannot allocate all claims",), final=True)

Allocations: TypeAlias = dict[Key, Object]


def allocation_of(claim: Object) -> Object | None:
    """Return what a claim was given."""
    found: Object | None = (claim.get("status") or {}).get("allocation")
    return found


def consumers(claim: Object) -> list[Object]:
    """Return references to what may use a claim."""
    return (claim.get("status") or {}).get("reservedFor") or []


def reserved_for(claim: Object, uid: str) -> bool:
    """Say whether a pod may use a claim."""
    return any(one.get("uid") == uid for one in consumers(claim))


@dataclass(slots=True)
class Devices:
    """Claims, classes and slices as the caches have them, and what was just given away."""

    claims: dict[Key, Object] = field(default_factory=dict)
    classes: dict[str, Object] = field(default_factory=dict)
    matches: Matches = field(default_factory=Matches)
    _in_flight: Allocations = field(default_factory=dict)
    _local: dict[str, dict[str, Object]] = field(default_factory=dict)  # node -> its slices
    _shared: dict[str, Object] = field(default_factory=dict)
    _where: dict[str, str] = field(default_factory=dict)  # slice -> node, "" if shared
    _used: dict[DeviceId, int] = field(default_factory=dict)

    def set_claim(self, key: Key, claim: Object | None) -> None:
        """Note the state of a claim; None: it is gone."""
        self._count(self._given(key), -1)
        if claim is None:
            self.claims.pop(key, None)
        else:
            self.claims[key] = claim
        if claim is None or allocation_of(claim) is not None:
            self._in_flight.pop(key, None)
        self._count(self._given(key), 1)

    def set_slice(self, name: str, found: Object | None) -> None:
        """Note the state of a slice; None: it is gone."""
        before = self._where.pop(name, None)
        if before is not None:
            (self._local.get(before, {}) if before else self._shared).pop(name, None)
            if before and not self._local.get(before):
                self._local.pop(before, None)
        self.matches.forget(name)
        if found is not None:
            node = found["spec"].get("nodeName") or ""
            self._where[name] = node
            (self._local.setdefault(node, {}) if node else self._shared)[name] = found

    def set_class(self, name: str, found: Object | None) -> None:
        """Note the state of a device class; None: it is gone."""
        if found is None:
            self.classes.pop(name, None)
        else:
            self.classes[name] = found

    def assume(self, allocations: Mapping[Key, Object]) -> None:
        """Count devices as taken that claims are being given."""
        for key, allocation in allocations.items():
            self._in_flight[key] = allocation
            self._count(allocation, 1)

    def forget(self, keys: Iterable[Key]) -> None:
        """Take back what was assumed and came to nothing."""
        for key in keys:
            self._count(self._in_flight.pop(key, None), -1)

    def slices_on(self, node: str) -> list[Object]:
        """Return the slices with devices that a node may reach, in a stable order."""
        local = self._local.get(node, {})
        return [
            *(local[name] for name in sorted(local)),
            *(self._shared[name] for name in sorted(self._shared)),
        ]

    @property
    def used(self) -> Mapping[DeviceId, int]:
        """The devices that somebody has."""
        return self._used

    def awaits_claims(self, info: PodInfo) -> bool:
        """Say whether the pod's claims are still to be made, so that there is nothing to decide."""
        return any(
            not name
            or (claim := self.claims.get(Key(info.key.namespace, name))) is None
            or deleting(claim)
            or self._of_another(info, claim)
            for _, name in info.shape.devices
        )

    def of(self, info: PodInfo) -> dict[Key, Object]:
        """Return the pod's claims."""
        keys = dict.fromkeys(Key(info.key.namespace, name) for _, name in info.shape.devices)
        return {key: self.claims[key] for key in keys if key in self.claims}

    def fault(self, info: PodInfo) -> str:
        """Return why no node can serve the pod's claims, "" if some may."""
        for key, claim in self.of(info).items():
            if allocation_of(claim) is not None:
                full = len(consumers(claim)) >= CONSUMERS_MAX
                if full and not reserved_for(claim, info.uid):
                    return "resourceclaim in use"
                continue
            if key in self._in_flight:
                return f"resource claim {key.namespace}/{key.name} is in the process of being allocated"
            for name, device_class in _classes(claim):
                if device_class not in self.classes:
                    return f"request {name}: device class {device_class} does not exist"
        return ""

    def _of_another(self, info: PodInfo, claim: Object) -> bool:
        """Say whether a claim of that name was made from a template, but not for this pod."""
        made = {
            one["name"]
            for one in info.pod["spec"].get("resourceClaims") or ()
            if one.get("resourceClaimTemplateName")
        }
        asked = {inner for inner, name in info.shape.devices if name == name_of(claim)}
        owner = controller_of(claim)
        return bool(asked & made) and (owner is None or owner["uid"] != info.uid)

    def _given(self, key: Key) -> Object | None:
        claim = self.claims.get(key)
        found = allocation_of(claim) if claim is not None else None
        return found if found is not None else self._in_flight.get(key)

    def _count(self, allocation: Object | None, step: int) -> None:
        for device in allocated_devices(allocation):
            count = self._used.get(device, 0) + step
            if count > 0:
                self._used[device] = count
            else:
                self._used.pop(device, None)


def _classes(claim: Object) -> Iterable[tuple[str, str]]:
    """Return (name of a request, class it asks for)."""
    for request in claim["spec"].get("devices", {}).get("requests") or ():
        if request.get("exactly"):
            yield request["name"], request["exactly"].get("deviceClassName", "")
        for sub in request.get("firstAvailable") or ():
            yield f"{request['name']}/{sub['name']}", sub.get("deviceClassName", "")


class HardDevices:
    """What the claims of one pod mean for nodes; remembers what it found for each."""

    def __init__(self, info: PodInfo, devices: Devices) -> None:
        self._devices = devices
        claims = devices.of(info)
        self._open = {key: c for key, c in claims.items() if allocation_of(c) is None}
        self._bound = {key: c for key, c in claims.items() if allocation_of(c) is not None}
        self._uid = info.uid
        self._found: dict[str, Allocations] = {}
        self._elsewhere: set[Key] = set()

    def check(self, node: NodeInfo) -> Rejection | None:
        """Reject a node on which the pod's claims have no devices, or cannot get any."""
        away = [key for key, claim in self._bound.items() if not _reaches(claim, node)]
        if self._open:
            search = Search(
                self._devices.slices_on(node.name), self._devices.used, self._devices.classes,
                node, self._devices.matches,
            )  # fmt: skip
            try:
                results = search.allocate(list(self._open.values()))
            except Fault as fault:
                return Rejection(PLUGIN, (str(fault),), final=True)
            if results is None:
                return _NONE_LEFT
            self._found[node.name] = dict(zip(self._open, results, strict=True))
        if away:
            self._elsewhere.update(away)
            return _ELSEWHERE
        return None

    def allocations(self, node: str) -> Allocations:
        """Return what the pod's open claims get on a node that was checked."""
        return self._found.get(node, {})

    def idle(self) -> Key | None:
        """Return a claim whose devices are on other nodes, and which nobody else uses."""
        for key in sorted(self._elsewhere):
            if all(one.get("uid") == self._uid for one in consumers(self._bound[key])):
                return key
        return None


def _reaches(claim: Object, node: NodeInfo) -> bool:
    selector = (allocation_of(claim) or {}).get("nodeSelector")
    return selector is None or any(
        term_matches(term, node.labels, node.name)
        for term in selector.get("nodeSelectorTerms") or ()
    )
