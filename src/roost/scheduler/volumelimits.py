"""Volumes that a node cannot take: too many of a driver, of another zone, or no room for new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from roost.api.quantity import parse
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions.controller import Key
from roost.decisions.meta import labels_of
from roost.decisions.volumes import class_of, is_bound, request_of
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import Shape
from roost.scheduler.snapshot import NodeInfo

_TOO_MANY = Rejection("NodeVolumeLimits", ("node(s) exceed max volume count",), final=False)
_OTHER_ZONE = Rejection("VolumeZone", ("node(s) had no available volume zone",), final=True)
_NO_ROOM = Rejection("VolumeBinding", ("node(s) did not have enough free storage",), final=True)

_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
#: Labels of zones, with the ones that replaced them.
_ZONE_LABELS = {
    "failure-domain.beta.kubernetes.io/zone": _ZONE,
    "failure-domain.beta.kubernetes.io/region": _REGION,
    _ZONE: _ZONE,
    _REGION: _REGION,
}
#: What separates the zones of a volume that is in several.
_BETWEEN_ZONES = "__"


def wrong_zone(volume: Object, node: NodeInfo) -> Rejection | None:
    """Reject a node outside the zones that a volume's labels name; one without zones is fine."""
    if not any(label in node.labels for label in _ZONE_LABELS):
        return None
    labels = labels_of(volume)
    for label, successor in _ZONE_LABELS.items():
        if label in labels:
            here = node.labels.get(label, node.labels.get(successor))
            if here not in labels[label].split(_BETWEEN_ZONES):
                return _OTHER_ZONE
    return None


@dataclass(slots=True)
class Limits:
    """What drivers say of nodes: how many volumes each takes, and how much room there is."""

    nodes: dict[str, Object] = field(default_factory=dict)  # CSINodes
    drivers: dict[str, Object] = field(default_factory=dict)  # CSIDrivers
    capacities: dict[str, Object] = field(default_factory=dict)  # CSIStorageCapacities

    def check(
        self,
        shape: Shape,
        node: NodeInfo,
        claims: Mapping[Key, Object],
        volumes: Mapping[str, Object],
        classes: Mapping[str, Object],
    ) -> Rejection | None:
        """Reject a node to which no more volumes can be attached."""
        most = self._most(node.name)
        if not most:
            return None
        wanted = set(_attached(shape, claims, volumes, classes))
        if not any(driver in most for driver, _ in wanted):
            return None
        there: set[tuple[str, str]] = set()
        for other in node.pods.values():
            if other.shape.claims:
                there.update(_attached(other.shape, claims, volumes, classes))
        for driver in {driver for driver, _ in wanted - there}:
            count = sum(name == driver for name, _ in wanted | there)
            if count > most.get(driver, count):
                return _TOO_MANY
        return None

    def room(self, claim: Object, storage_class: Object, node: NodeInfo) -> Rejection | None:
        """Reject a node where the driver has no room for a new volume, if drivers say so."""
        driver = self.drivers.get(storage_class.get("provisioner", ""))
        if driver is None or not driver["spec"].get("storageCapacity"):
            return None
        size, name = parse(request_of(claim)), class_of(claim)
        for one in self.capacities.values():
            if one.get("storageClassName") != name or "nodeTopology" not in one:
                continue
            room = one.get("maximumVolumeSize") or one.get("capacity")
            if room is None or parse(room) < size:
                continue
            if label_selector(one["nodeTopology"]).matches(node.labels):
                return None
        return _NO_ROOM

    def _most(self, node: str) -> dict[str, int]:
        found = self.nodes.get(node)
        drivers = found["spec"].get("drivers") or () if found is not None else ()
        return {
            one["name"]: one["allocatable"]["count"]
            for one in drivers
            if (one.get("allocatable") or {}).get("count") is not None
        }


def _attached(
    shape: Shape,
    claims: Mapping[Key, Object],
    volumes: Mapping[str, Object],
    classes: Mapping[str, Object],
) -> Iterator[tuple[str, str]]:
    """Return (driver, volume) of what a pod's claims attach or will."""
    for name in shape.claims:
        key = Key(shape.namespace, name)
        claim = claims.get(key)
        if claim is None:
            continue
        volume = volumes.get(claim["spec"].get("volumeName", "")) if is_bound(claim) else None
        source = (volume or {}).get("spec", {}).get("csi")
        if source is not None:
            yield source["driver"], source["volumeHandle"]
        elif volume is None:
            driver = classes.get(class_of(claim), {}).get("provisioner")
            if driver:
                yield driver, f"{key.namespace}/{key.name}"
