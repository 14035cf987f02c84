"""Delete: preconditions, grace, finalizers, and what is answered.

An object with finalizers is only marked; whoever removes the last one deletes it (see updating). Kinds
with graceful deletion (pods) are marked first even when the grace is zero, as watchers expect to see.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from roost.api.crd.naming import FINALIZER as CLEANUP
from roost.api.errors import Conflict as ConflictError
from roost.api.errors import StatusError, conflict, not_found
from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver import keys
from roost.apiserver.addressing import commit, with_addresses
from roost.apiserver.attributes import Admission
from roost.apiserver.core import Core, WriteContext, shown, undo_all
from roost.apiserver.encoding import draft_of
from roost.apiserver.options import DeleteRequest, ListOptions
from roost.apiserver.reading import Listing, list_records
from roost.apiserver.selection import Selection
from roost.apiserver.updating import MODIFIED
from roost.decisions.meta import stamp
from roost.store.port import Conflict, Record, Write

_TRIES: Final = 16
#: A definition goes only when the objects that it defines are gone.
_DEFINITIONS: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
#: Kinds of the first days, whose pods stay unless the request says what becomes of them.
_KEEPING: Final = (("", "replicationcontrollers"), ("batch", "jobs"))
_JOBS: Final = ("batch", "jobs")
_NAMESPACES: Final = ("", "namespaces")
_PODS_STAY: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
    "remove them or set propagationPolicy=Orphan to suppress this warning"
)
_ORPHAN: Final = "orphan"
_FOREGROUND: Final = "foregroundDeletion"


def deleted_status(kind: Kind, value: Object) -> Object:
    """Return the Status that answers a deletion."""
    metadata = value["metadata"]
    details: Object = {"name": metadata["name"]}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.plural
    details["uid"] = metadata["uid"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


class Deleted:
    """The outcome: the last state (`record`), and whether it is gone by now."""

    __slots__ = ("gone", "record")

    def __init__(self, record: Record, gone: bool) -> None:
        self.record = record
        self.gone = gone


async def delete(
    core: Core,
    kind: Kind,
    namespace: str,
    name: str,
    options: DeleteRequest,
    context: WriteContext,
) -> Deleted:
    """Delete an object, or begin to; raises StatusError."""
    warn_of_orphans(kind, options, context)
    key = keys.key_of(kind, namespace, name)
    for _ in range(_TRIES):
        record = await core.store.get(key)
        if record is None:
            raise not_found(kind.group, kind.plural, name)
        await core.converted(kind, [record])
        value = shown(kind, record)
        check_preconditions(kind, name, value, options)
        request = Admission(
            "DELETE", kind, namespace, name, context.user, None, value,
            dry_run=options.dry_run, options=options.raw, warnings=context.warnings,
        )  # fmt: skip
        try:
            await core.admit(request)
            await core.validate(request)
            return await _attempt(core, kind, record, value, options)
        except Conflict:
            undo_all(request)
            if options.resource_version:
                raise conflict(kind.group, kind.plural, name, MODIFIED) from None
        except BaseException:
            undo_all(request)
            raise
    raise conflict(kind.group, kind.plural, name, MODIFIED)


def warn_of_orphans(kind: Kind, options: DeleteRequest, context: WriteContext) -> None:
    """Warn once whoever deletes Jobs without saying what becomes of their pods."""
    silent = options.propagation is None and options.orphan_dependents is None
    is_job = (kind.group, kind.plural) == _JOBS
    if is_job and silent and _PODS_STAY not in context.warnings:
        context.warnings.append(_PODS_STAY)


def check_preconditions(kind: Kind, name: str, value: Object, options: DeleteRequest) -> None:
    """Refuse to delete another object than the one that was meant; raises Conflict's StatusError."""
    metadata = value["metadata"]
    if (kind.group, kind.plural) == _NAMESPACES:
        _check_namespace(name, metadata, options)
        return
    if options.uid is not None and options.uid != metadata["uid"]:
        raise _precondition(
            kind, name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated",
        )  # fmt: skip
    version = options.resource_version
    if version is not None and version != metadata["resourceVersion"]:
        raise _precondition(
            kind, name,
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). "
            "The object might have been modified",
        )  # fmt: skip


def _check_namespace(name: str, metadata: Object, options: DeleteRequest) -> None:
    """Do the same for a namespace, about which the real server has other words."""
    for wanted, key, shown_as in (
        (options.uid, "uid", "UID"),
        (options.resource_version, "resourceVersion", "ResourceVersion"),
    ):
        if wanted is not None and wanted != metadata[key]:
            raise conflict(
                "", "namespaces", name,
                f"Precondition failed: {shown_as} in precondition: {wanted}, "
                f"{shown_as} in object meta: {metadata[key]}",
            )  # fmt: skip


def _precondition(kind: Kind, name: str, why: str) -> StatusError:
    shown_kind = f"{kind.name}.{kind.group}" if kind.group else kind.name
    details: Object = {"name": name}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = kind.name
    return ConflictError(f'Operation cannot be fulfilled on {shown_kind} "{name}": {why}', details)


def wanted_finalizers(kind: Kind, metadata: Object, options: DeleteRequest) -> list[str]:
    """Return the finalizers with which the propagation policy leaves an object."""
    present: list[str] = list(metadata.get("finalizers") or ())
    if kind.group == "" and kind.plural == "namespaces" and options.propagation is None:
        return present
    orphan = foreground = False
    if options.orphan_dependents is not None:
        orphan = options.orphan_dependents
    elif options.propagation is not None:
        orphan = options.propagation == "Orphan"
        foreground = options.propagation == "Foreground"
    else:
        orphan = _ORPHAN in present
        foreground = not orphan and _FOREGROUND in present
        orphan = orphan or (not foreground and (kind.group, kind.plural) in _KEEPING)
    kept = [name for name in present if name not in {_ORPHAN, _FOREGROUND}]
    if orphan:
        kept.append(_ORPHAN)
    if foreground:
        kept.append(_FOREGROUND)
    if set(kept) == set(present):
        kept = present  # and nothing is moved
    definition = (kind.group, kind.plural) == _DEFINITIONS
    if definition and CLEANUP not in kept and not metadata.get("deletionTimestamp"):
        kept = [*kept, CLEANUP]
    return kept


def _grace(kind: Kind, value: Object, options: DeleteRequest) -> int:
    """Return the grace period in seconds: 0 for kinds that have none."""
    usual = 0 if kind.grace_period_s is None else kind.grace_period_s(value)
    if usual == 0 or options.grace_period_s is None:
        return usual
    return options.grace_period_s if options.grace_period_s >= 0 else 1


async def _attempt(
    core: Core, kind: Kind, record: Record, value: Object, options: DeleteRequest
) -> Deleted:
    if kind.group == "" and kind.plural == "namespaces":
        return await _delete_namespace(core, kind, record, value, options)
    metadata = value["metadata"]
    marked: Object = {**metadata}
    finalizers = wanted_finalizers(kind, metadata, options)
    _set(marked, "finalizers", finalizers)
    graceful = kind.grace_period_s is not None
    if metadata.get("deletionTimestamp"):
        _shorten(marked, options)
    else:
        grace = _grace(kind, value, options)
        marked["deletionTimestamp"] = stamp(core.clock.now() + grace)
        marked["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            marked["generation"] = metadata["generation"] + 1
    if not finalizers and not graceful:
        return await _remove(core, kind, record, value, options)
    if marked != metadata:
        record = await _mark(core, kind, record, {**value, "metadata": marked}, options)
        await core.converted(kind, [record])
        value = shown(kind, record)
        if not options.dry_run:
            await core.follow(kind, record.key)
    if finalizers or (marked.get("deletionGracePeriodSeconds") or 0) > 0:
        return Deleted(record, gone=False)
    await _remove(core, kind, record, value, options)
    return Deleted(record, gone=True)


def _shorten(metadata: Object, options: DeleteRequest) -> None:
    """Of an object that is going already: bring its end nearer, if the request asks for that."""
    left, wanted = metadata.get("deletionGracePeriodSeconds"), options.grace_period_s
    if wanted is None or left is None:
        return
    wanted = wanted if wanted >= 0 else 1
    if wanted < left:
        end = datetime.fromisoformat(metadata["deletionTimestamp"]).timestamp()
        metadata["deletionTimestamp"] = stamp(end - left + wanted)
        metadata["deletionGracePeriodSeconds"] = wanted


def _set(metadata: Object, key: str, value: Any) -> None:
    if value:
        metadata[key] = value
    else:
        metadata.pop(key, None)


async def _mark(
    core: Core, kind: Kind, record: Record, value: Object, options: DeleteRequest
) -> Record:
    if options.dry_run:
        return core.unsaved(kind, record.key, value, record.revision)
    draft = draft_of(core.storage(kind), await core.stored(kind, value))
    return await core.store.commit(record.key, draft, record.revision)


async def _remove(
    core: Core, kind: Kind, record: Record, value: Object, options: DeleteRequest
) -> Deleted:
    if options.dry_run:
        return Deleted(record, gone=True)
    beside = await with_addresses(core, kind, value, None)
    last = Write(record.key, None, record.revision)
    gone = await commit(core, last, beside, core.allocator.ending(kind, value))
    await core.follow(kind, record.key)
    await core.converted(kind, [gone])
    return Deleted(gone, gone=True)


async def _delete_namespace(
    core: Core, kind: Kind, record: Record, value: Object, options: DeleteRequest
) -> Deleted:
    """Mark a namespace Terminating; its controller empties it and then removes its finalizer."""
    metadata = value["metadata"]
    finalizers = wanted_finalizers(kind, metadata, options)
    if metadata.get("deletionTimestamp"):
        if (value.get("spec") or {}).get("finalizers") or finalizers:
            return Deleted(record, gone=False)
        return await _remove(core, kind, record, value, options)
    marked = {**metadata, "deletionTimestamp": core.now()}
    _set(marked, "finalizers", finalizers)
    status = {**(value.get("status") or {}), "phase": "Terminating"}
    record = await _mark(
        core, kind, record, {**value, "metadata": marked, "status": status}, options
    )
    if not (value.get("spec") or {}).get("finalizers") and not finalizers:
        return await _remove(core, kind, record, shown(kind, record), options)
    return Deleted(record, gone=False)


async def delete_collection(
    core: Core,
    kind: Kind,
    namespace: str,
    selection: Selection,
    options: DeleteRequest,
    context: WriteContext,
    listed: ListOptions | None = None,
) -> Listing:
    """Delete all selected objects, or the page of them that is `listed`.

    Returns them as they were; raises StatusError.
    """
    warn_of_orphans(kind, options, context)
    listing = await list_records(core, kind, namespace, selection, listed or ListOptions())
    for record in listing.records:
        metadata = record.object["metadata"]
        try:
            await delete(
                core, kind, metadata.get("namespace", ""), metadata["name"],
                replace(options), context,
            )  # fmt: skip
        except StatusError as error:
            if error.code != 404:
                raise
    return listing
