"""IPAddress objects: one for each cluster IP, written in the same commit as its Service.

So neither exists without the other, not even after a crash, and a Service costs one transaction as
before. What users do to these objects by hand is mended by the controller of `ipallocation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from roost.api.kind import Kind, Resource
from roost.api.strategies.services import cluster_ips
from roost.api.values import Object
from roost.apiserver import keys
from roost.apiserver.allocation import ADDRESSES, SERVICES, Reservation
from roost.apiserver.core import Core
from roost.apiserver.encoding import draft_of
from roost.store.port import ABSENT, Conflict, Record, Write

_RANGES: Final = Resource("networking.k8s.io", "v1", "servicecidrs")
_LABELS: Final = {
    "ipaddress.kubernetes.io/ip-family": "IPv4",
    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
}
_MANAGER: Final = "kube-apiserver"
#: What it owns of them: the same of each, so it is not worked out each time.
_FIELDS: Final[Object] = {
    "f:metadata": {"f:labels": {".": {}, **{f"f:{name}": {} for name in _LABELS}}},
    "f:spec": {"f:parentRef": {".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {}}},
}


async def load_addresses(core: Core) -> None:
    """Remember which addresses are held, and follow which there are: the oldest ranges go first."""
    lookup, allocator = core.lookup, core.allocator

    async def use_ranges(_changed: str = "") -> None:
        found = await lookup.list(_RANGES)
        by_age = sorted(found, key=lambda cidr: cidr["metadata"].get("creationTimestamp") or "")
        allocator.ips.use(by_age)

    allocator.load(await lookup.list(SERVICES), await lookup.list(ADDRESSES))
    await use_ranges()
    core.followers[_RANGES] = use_ranges


async def with_addresses(
    core: Core, kind: Kind, old: Object | None, new: Object | None
) -> list[Write]:
    """Return what is to be written beside a Service: its new addresses, and those that it gives up.

    `new` is None when the Service goes; other kinds have nothing beside them.
    """
    if kind.resource != SERVICES:
        return []
    before, after = cluster_ips(old), cluster_ips(new)
    if before == after:
        return []
    found = core.registry.find(ADDRESSES.group, ADDRESSES.version, ADDRESSES.plural)
    if found is None:
        return []
    writes: list[Write] = []
    if old is not None:
        for address in before:
            if address not in after:
                writes += await _given_up(core, found, address, old)
    if new is not None:
        writes += [_made(core, found, text, new) for text in after if text not in before]
    return writes


def _made(core: Core, kind: Kind, address: str, service: Object) -> Write:
    now, metadata = core.now(), service["metadata"]
    owned = {
        "manager": _MANAGER,
        "operation": "Update",
        "apiVersion": kind.api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": _FIELDS,
    }
    made: Object = {
        "metadata": {
            "name": address,
            "uid": core.ids.uid(),
            "creationTimestamp": now,
            "labels": _LABELS,
            "managedFields": [owned],
        },
        "spec": {
            "parentRef": {
                "resource": "services",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
            }
        },
    }
    return Write(keys.key_of(kind, "", address), draft_of(kind, made), ABSENT)


async def _given_up(core: Core, kind: Kind, address: str, service: Object) -> Iterable[Write]:
    """Delete the object of an address, or mark it where finalizers hold it, if it is this Service's."""
    key = keys.key_of(kind, "", address)
    record = await core.store.get(key)
    if record is None:
        return ()
    metadata, parent = record.object["metadata"], record.object["spec"].get("parentRef") or {}
    asked = (
        parent.get("group") or "",
        parent.get("resource"),
        parent.get("namespace"),
        parent["name"],
    )
    of = service["metadata"]
    if asked != ("", "services", of["namespace"], of["name"]):
        return ()
    if not metadata.get("finalizers"):
        return (Write(key, None, record.revision),)
    if metadata.get("deletionTimestamp"):
        return ()
    going = {**metadata, "deletionTimestamp": core.now(), "deletionGracePeriodSeconds": 0}
    marked = draft_of(kind, {**record.object, "metadata": going})
    return (Write(key, marked, record.revision),)


async def commit(
    core: Core, write: Write, beside: Sequence[Write], reservation: Reservation | None
) -> Record:
    """Commit a write with what is beside it, and settle what was reserved for it.

    What is on its way to the disk cannot be taken back: a caller that is cancelled meanwhile goes
    when it is known what has become of it, lest an address that is given out counts as free.
    """
    if not beside and not reservation:
        return await core.store.commit(*write)
    work = asyncio.ensure_future(core.store.commit_together([*beside, write]))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    failed = work.exception()
    if failed is None:
        for one in beside:
            core.allocator.note(one.key.rpartition("/")[2], there=one.draft is not None)
        if reservation is not None:
            reservation.settle()
    if cancelled is not None:
        raise cancelled
    if isinstance(failed, Conflict) and failed.key != write.key:
        # Somebody beside this server gave the address out, or took it back: the next try knows.
        core.allocator.note(failed.key.rpartition("/")[2], there=failed.revision != ABSENT)
    if failed is not None:
        raise failed
    record: Record = work.result()[-1]
    return record
