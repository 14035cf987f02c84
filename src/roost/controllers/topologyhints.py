"""Hints by which a Service keeps its traffic in zones: as many endpoints each as its CPUs deserve.

The rules of `service.kubernetes.io/topology-mode: Auto`: every zone gets its share of the endpoints, or
so many that each is asked for at most 20 % more than its share (in whole endpoints: one may be missing),
and slices that do not change keep their hints as long as these are possible. Where that cannot be,
there are no hints, and the message says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from roost.api.quantity import to_millis
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Key
from roost.decisions.meta import annotations_of, labels_of, name_of
from roost.decisions.resources import NODES

_OVERLOAD = 0.2
_ZONE = "topology.kubernetes.io/zone"
_EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
#: The older name of the annotation counts first.
_MODES = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")

ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
_NO_ZONE = "One or more endpoints do not have a zone specified"
_NOBODY = "No hints allocated for zones"
_NO_NODES = (
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
)
_TOO_FEW = "Insufficient number of endpoints"
_OVERLOADED = (
    "Unable to allocate minimum required endpoints to each zone "
    "without exceeding overload threshold"
)

#: The part of all CPUs that each zone has; None where that is not known, or there is one zone.
Ratios = Mapping[str, float] | None


@dataclass(slots=True)
class Slice:
    """The endpoints of one slice; `changed` if it is written anyway."""

    endpoints: list[Object]
    changed: bool


@dataclass(slots=True)
class Hints:
    """How many endpoints each zone got, or why none has a hint."""

    by_zone: dict[str, int] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Share:
    minimum: int
    maximum: int
    desired: float


def wants_hints(service: Object) -> bool:
    """Say whether a Service asks for hints by zone."""
    annotations = annotations_of(service)
    found = next((annotations[name] for name in _MODES if name in annotations), "")
    return found in {"Auto", "auto"}


def place_of(node: Object) -> tuple[str, int] | None:
    """Return the zone and the CPUs (thousandths) of a node; None for one that does not count."""
    labels = labels_of(node)
    status = node.get("status") or {}
    if any(name in labels for name in _EXCLUDED):
        return None
    if not conditions.is_true(status.get("conditions"), "Ready"):
        return None
    return labels.get(_ZONE, ""), to_millis((status.get("allocatable") or {}).get("cpu") or "0")


def ratios_of(nodes: Iterable[Object]) -> Ratios:
    """Return the part of all CPUs that is in each zone."""
    found: dict[str, int] = {}
    for node in nodes:
        place = place_of(node)
        if place is None:
            continue
        zone, cpu = place
        if not zone or not cpu:
            return None
        found[zone] = found.get(zone, 0) + cpu
    total = sum(found.values())
    if len(found) < 2:
        return None
    return {zone: found[zone] / total for zone in sorted(found)}


def overloaded(by_zone: Mapping[str, int], ratios: Ratios) -> bool:
    """Say whether a zone has too few of a Service's endpoints, as the nodes are now."""
    if not by_zone:
        return False
    if not ratios:
        return True
    total = sum(by_zone.values())
    return any(
        by_zone.get(zone, -1) < ceil(total * ratio / (1 + _OVERLOAD))
        for zone, ratio in ratios.items()
    )


def allot(slices: Sequence[Slice], ratios: Ratios) -> Hints:
    """Put hints into the endpoints of the slices; marks those that change by it."""
    ready = sum(_ready(e) for one in slices for e in one.endpoints)
    shares = _shares(ratios, ready)
    if isinstance(shares, str):
        return _without(slices, shares)
    held: dict[str, int] = {}
    for one in slices:
        if one.changed:
            continue
        mine = _kept(one.endpoints, held, shares)
        if mine is None:
            one.changed = True
            continue
        for zone, count in mine.items():
            held[zone] = held.get(zone, 0) + count
    written = [one for one in slices if one.changed]
    for one in written:
        for at, endpoint in enumerate(one.endpoints):
            if not _ready(endpoint):
                one.endpoints[at] = _hinted(endpoint, "")
            elif not endpoint.get("zone"):
                return _without(slices, _NO_ZONE)
            else:
                held[endpoint["zone"]] = held.get(endpoint["zone"], 0) + 1
                one.endpoints[at] = _hinted(endpoint, endpoint["zone"])
    _redistribute(written, *_exchange(shares, held), held)
    return Hints(held) if held else _without(slices, _NOBODY)


def _ready(endpoint: Object) -> bool:
    return bool(endpoint["conditions"].get("ready"))


def _hinted(endpoint: Object, zone: str) -> Object:
    bare = {key: value for key, value in endpoint.items() if key != "hints"}
    return {**bare, "hints": {"forZones": [{"name": zone}]}} if zone else bare


def _without(slices: Sequence[Slice], problem: str) -> Hints:
    """Take all hints away."""
    for one in slices:
        if any("hints" in endpoint for endpoint in one.endpoints):
            one.endpoints[:] = [_hinted(endpoint, "") for endpoint in one.endpoints]
            one.changed = True
    return Hints(problem=problem)


def _shares(ratios: Ratios, count: int) -> dict[str, _Share] | str:
    """Return what each zone should have of so many endpoints, or why that is impossible."""
    if ratios is None:
        return _NO_NODES
    counted = f"({count} endpoints, {len(ratios)} zones)"
    if len(ratios) > count:
        return f"{_TOO_FEW} {counted}"
    least = {zone: ceil(ratio * count / (1 + _OVERLOAD)) for zone, ratio in ratios.items()}
    spare = count - sum(least.values())
    if spare < 0:
        return f"{_OVERLOADED} {counted}"
    return {
        zone: _Share(minimum, minimum + spare, max(ratios[zone] * count, float(minimum)))
        for zone, minimum in least.items()
    }


def _kept(
    endpoints: Iterable[Object], held: Mapping[str, int], shares: Mapping[str, _Share]
) -> dict[str, int] | None:
    """Count the hints of a slice that need not change; None if they must."""
    found: dict[str, int] = {}
    for endpoint in endpoints:
        if not _ready(endpoint):
            continue
        zones = (endpoint.get("hints") or {}).get("forZones") or ()
        if not zones or any(zone["name"] not in shares for zone in zones):
            return None
        for zone in zones:
            found[zone["name"]] = found.get(zone["name"], 0) + 1
    if any(count + held.get(zone, 0) > shares[zone].maximum for zone, count in found.items()):
        return None
    return found


def _exchange(
    shares: Mapping[str, _Share], held: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many endpoints zones give to others, and how many they get."""
    over = {zone: held.get(zone, 0) - share.desired for zone, share in shares.items()}
    under = {zone: -count for zone, count in over.items() if count < 0}
    over = {zone: count for zone, count in over.items() if count > 0}
    giving: dict[str, int] = {}
    receiving: dict[str, int] = {}
    while over and under:
        giver, receiver = max(over, key=over.__getitem__), max(under, key=under.__getitem__)
        most, least = max(over[giver], under[receiver]), min(over[giver], under[receiver])
        if most < 1.0 or least < 0.5:
            break
        giving[giver] = giving.get(giver, 0) + 1
        receiving[receiver] = receiving.get(receiver, 0) + 1
        over[giver] -= 1
        under[receiver] -= 1
    return giving, receiving


def _redistribute(
    slices: Iterable[Slice],
    giving: dict[str, int],
    receiving: dict[str, int],
    held: dict[str, int],
) -> None:
    for one in slices:
        for at, endpoint in enumerate(one.endpoints):
            receiver = next((zone for zone, count in receiving.items() if count), None)
            if receiver is None:
                return
            giver = endpoint.get("zone", "")
            if not _ready(endpoint) or not giving.get(giver):
                continue
            one.endpoints[at] = _hinted(endpoint, receiver)
            giving[giver] -= 1
            receiving[receiver] -= 1
            held[receiver] = held.get(receiver, 0) + 1
            held[giver] -= 1


@dataclass(slots=True)
class HintMemory:
    """Which Services have hints by zone, and how many endpoints each zone got, by family."""

    hinted: dict[Key, dict[str, dict[str, int]]] = field(default_factory=dict)
    places: dict[str, tuple[str, int] | None] = field(default_factory=dict)

    def note(self, key: Key, hints: Mapping[str, Hints]) -> None:
        """Remember what became of the hints of a Service."""
        found = {family: one.by_zone for family, one in hints.items() if not one.problem}
        if found:
            self.hinted[key] = found
        else:
            self.hinted.pop(key, None)

    def moved(self, node: Object, caches: Caches) -> Iterable[Key]:
        """Return the Services with hints that do not fit any more, as a node has changed."""
        name = name_of(node)
        place = place_of(node) if caches[NODES].get("", name) is not None else None
        if not self.hinted or self.places.get(name) == place:
            self.places[name] = place
            return ()
        self.places[name] = place
        ratios = ratios_of(caches[NODES].all())
        return [
            key
            for key, families in self.hinted.items()
            if any(overloaded(by_zone, ratios) for by_zone in families.values())
        ]
