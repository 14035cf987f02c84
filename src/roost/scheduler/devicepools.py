"""The devices that a node reaches, by pool: which slices count, and which of their devices.

A pool is published in slices of one generation; older ones count for nothing, and a pool of which slices
are missing is incomplete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from roost.api.values import Object
from roost.decisions.affinity import term_matches
from roost.decisions.meta import name_of
from roost.scheduler.snapshot import NodeInfo

DeviceId: TypeAlias = tuple[str, str, str]  # driver, pool, device


def allocated_devices(allocation: Object | None) -> Iterator[DeviceId]:
    """Return the devices that an allocation takes; administrators take none."""
    for one in (allocation or {}).get("devices", {}).get("results") or ():
        if not one.get("adminAccess"):
            yield one["driver"], one["pool"], one["device"]


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """A device of some slice."""

    id: DeviceId
    body: Object
    slice_name: str
    place: Object  # where nodeName, nodeSelector or allNodes stand: the slice's spec or the device


@dataclass(slots=True, eq=False)
class Pool:
    """The slices of one pool that a node reaches, all of one generation."""

    driver: str
    name: str
    generation: int
    wanted: int
    slices: list[Object]
    devices: list[Device] = field(default_factory=list)

    @property
    def incomplete(self) -> bool:
        return len(self.slices) != self.wanted

    @property
    def invalid(self) -> bool:
        names = [d["name"] for s in self.slices for d in s["spec"].get("devices") or ()]
        return len(names) != len(set(names))


def _here(place: Object, node: NodeInfo) -> bool:
    if place.get("nodeName"):
        return bool(place["nodeName"] == node.name)
    if place.get("allNodes"):
        return True
    terms = (place.get("nodeSelector") or {}).get("nodeSelectorTerms") or ()
    return any(term_matches(term, node.labels, node.name) for term in terms)


def _reached(found: Object, node: NodeInfo) -> list[Device] | None:
    """Return the devices of a slice that a node reaches; None if the slice is not for it."""
    spec = found["spec"]
    driver, pool = spec["driver"], spec["pool"]["name"]
    each, devices = bool(spec.get("perDeviceNodeSelection")), spec.get("devices") or ()
    if not each and not _here(spec, node):
        return None
    reached = [
        Device((driver, pool, one["name"]), one, name_of(found), one if each else spec)
        for one in devices
        if not each or _here(one, node)
    ]
    return None if each and devices and not reached else reached


def gather(slices: Iterable[Object], node: NodeInfo) -> list[Pool]:
    """Return the pools that a node reaches; slices of older generations count for nothing."""
    pools: dict[tuple[str, str], Pool] = {}
    for found in slices:
        devices = _reached(found, node)
        if devices is None:
            continue
        spec = found["spec"]
        driver, asked = spec["driver"], spec["pool"]
        generation = asked.get("generation", 0)
        pool = pools.get((driver, asked["name"]))
        if pool is None or generation > pool.generation:
            pool = Pool(driver, asked["name"], generation, asked.get("resourceSliceCount", 1), [])
            pools[driver, asked["name"]] = pool
        if generation == pool.generation:
            pool.slices.append(found)
            pool.devices.extend(devices)
    return [pools[key] for key in sorted(pools)]


def attribute(device: Device, name: str) -> tuple[str, Any] | None:
    """Return (type, value) of an attribute by its full name; None if the device has none."""
    attributes: Object = device.body.get("attributes") or {}
    domain, _, short = name.rpartition("/")
    found = attributes.get(name)
    if found is None and domain == device.id[0]:
        found = attributes.get(short)
    return next(iter(found.items()), None) if found else None
