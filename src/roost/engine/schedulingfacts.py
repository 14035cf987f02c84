"""What the scheduler is told besides of pods and nodes: namespaces, services, owners, volumes, devices.

Each listener notes what its cache says where scheduling looks for it, and tells what it may help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.informer import Delta, Listener
from roost.decisions.controller import Key
from roost.decisions.meta import key_of, labels_of, name_of, namespace_of, uid_of
from roost.decisions.resources import (
    CSI_DRIVERS,
    CSI_NODES,
    CSI_STORAGE_CAPACITIES,
    DEVICE_CLASSES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
)
from roost.scheduler.decide import Scheduler
from roost.scheduler.queue import Happening

_OWNERS = (REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS)

#: What is listened to, in the order in which it is taken over.
WATCHED = (
    NAMESPACES, SERVICES, *_OWNERS,
    PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES,
    CSI_NODES, CSI_DRIVERS, CSI_STORAGE_CAPACITIES,
    DEVICE_CLASSES, RESOURCE_SLICES, RESOURCE_CLAIMS,
)  # fmt: skip


def listeners(
    scheduler: Scheduler, happened: Callable[[Happening], None], claims_moved: Callable[[], None]
) -> Mapping[Resource, Listener]:
    """Return what listens to each of WATCHED."""
    volumes, devices = scheduler.volumes, scheduler.devices
    storage: dict[Resource, dict[str, Object]] = {
        PERSISTENT_VOLUMES: volumes.volumes,
        STORAGE_CLASSES: volumes.classes,
        CSI_NODES: volumes.limits.nodes,
        CSI_DRIVERS: volumes.limits.drivers,
    }
    return {
        NAMESPACES: partial(_namespaces, scheduler, happened),
        SERVICES: partial(_services, scheduler),
        **dict.fromkeys(_OWNERS, partial(_owners, scheduler)),
        PERSISTENT_VOLUME_CLAIMS: partial(_claims, scheduler, happened, claims_moved),
        **{r: partial(_storage, known, happened) for r, known in storage.items()},
        CSI_STORAGE_CAPACITIES: partial(_capacities, scheduler, happened),
        DEVICE_CLASSES: partial(_devices, devices.set_class, happened),
        RESOURCE_SLICES: partial(_devices, devices.set_slice, happened),
        RESOURCE_CLAIMS: partial(_resource_claims, scheduler, happened),
    }


def _some(delta: Delta) -> Object:
    old, new = delta
    found = new if new is not None else old
    assert found is not None, "a delta has at least one side"
    return found


def _namespaces(
    scheduler: Scheduler, happened: Callable[[Happening], None], deltas: Sequence[Delta]
) -> None:
    known = scheduler.snapshot.namespaces
    for delta in deltas:
        name = name_of(_some(delta))
        if delta[1] is not None:
            known[name] = labels_of(delta[1])
        else:
            known.pop(name, None)
    happened(Happening.NAMESPACE_CHANGED)


def _services(scheduler: Scheduler, deltas: Sequence[Delta]) -> None:
    for delta in deltas:
        service, new = _some(delta), delta[1]
        selector = (new.get("spec") or {}).get("selector") if new is not None else None
        key = Key(namespace_of(service), name_of(service))
        scheduler.selectors.set_service(key, selector)


def _owners(scheduler: Scheduler, deltas: Sequence[Delta]) -> None:
    for delta in deltas:
        owner = _some(delta)
        selector = owner["spec"].get("selector") if delta[1] is not None else None
        if selector is not None and owner.get("kind") == "ReplicationController":
            selector = {"matchLabels": selector}
        scheduler.selectors.set_owner(uid_of(owner), selector)


def _claims(
    scheduler: Scheduler,
    happened: Callable[[Happening], None],
    moved: Callable[[], None],
    deltas: Sequence[Delta],
) -> None:
    known = scheduler.volumes.claims
    for delta in deltas:
        key = key_of(_some(delta))
        if delta[1] is not None:
            known[key] = delta[1]
        else:
            known.pop(key, None)
    happened(Happening.VOLUME_CHANGED)
    moved()


def _storage(
    known: dict[str, Object], happened: Callable[[Happening], None], deltas: Sequence[Delta]
) -> None:
    for delta in deltas:
        name = name_of(_some(delta))
        if delta[1] is not None:
            known[name] = delta[1]
        else:
            known.pop(name, None)
    happened(Happening.VOLUME_CHANGED)


def _capacities(
    scheduler: Scheduler, happened: Callable[[Happening], None], deltas: Sequence[Delta]
) -> None:
    known = scheduler.volumes.limits.capacities
    for delta in deltas:
        one = _some(delta)
        key = f"{namespace_of(one)}/{name_of(one)}"
        if delta[1] is not None:
            known[key] = delta[1]
        else:
            known.pop(key, None)
    happened(Happening.VOLUME_CHANGED)


def _devices(
    note: Callable[[str, Object | None], None],
    happened: Callable[[Happening], None],
    deltas: Sequence[Delta],
) -> None:
    for delta in deltas:
        note(name_of(_some(delta)), delta[1])
    happened(Happening.DEVICE_CHANGED)


def _resource_claims(
    scheduler: Scheduler, happened: Callable[[Happening], None], deltas: Sequence[Delta]
) -> None:
    for delta in deltas:
        scheduler.devices.set_claim(key_of(_some(delta)), delta[1])
    happened(Happening.DEVICE_CHANGED)
