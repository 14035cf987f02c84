"""Update: the loop that reads, changes, admits, checks and commits, whatever made the change.

PUT, the four kinds of PATCH and the subresources that write give `update` a function from the current
object to the wanted one. It is called again when somebody else wrote in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roost.api.errors import Cause, StatusError, conflict, invalid, not_found
from roost.api.kind import Change, Kind
from roost.api.values import Object
from roost.apiserver import failures, keys
from roost.apiserver.addressing import commit, with_addresses
from roost.apiserver.allocation import Reservation
from roost.apiserver.attributes import Admission
from roost.apiserver.core import Core, WriteContext, is_custom, shown, undo_all
from roost.apiserver.creating import create, settle_namespace
from roost.apiserver.encoding import draft_of
from roost.apiserver.options import parse_version
from roost.apiserver.ownership import name_owners_once, own
from roost.store.port import Conflict, Record, Write

MODIFIED: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
#: How often a write without a resourceVersion is tried again when it lost.
_TRIES: Final = 16


@dataclass(slots=True)
class Target:
    """What is written: one object of a kind, or a subresource of it."""

    kind: Kind
    namespace: str
    name: str
    subresource: str = ""
    #: Of the update itself: may it create the object?
    creates: bool = False
    #: Apply keeps its own record of who owns which fields.
    tracked: bool = False
    #: A body in full: with a uid, it is only for the object that has it.
    guarded: bool = False

    @property
    def hooks(self) -> str:
        """The subresource as strategy and validation see it: a scale is an update like any other."""
        return "" if self.subresource == "scale" else self.subresource

    @property
    def key(self) -> str:
        return keys.key_of(self.kind, self.namespace, self.name)

    def not_found(self) -> StatusError:
        return not_found(self.kind.group, self.kind.plural, self.name)

    def conflict(self, why: str) -> StatusError:
        return conflict(self.kind.group, self.kind.plural, self.name, why)


#: From the current object (None: there is none; never to be changed) to the wanted one, private.
Build = Callable[[Object | None], Object]


@dataclass(slots=True)
class Written:
    """The outcome of an update."""

    record: Record
    created: bool = False


async def update(core: Core, target: Target, build: Build, context: WriteContext) -> Written:
    """Bring an object to what `build` says; raises StatusError."""
    for attempt in range(_TRIES):
        record = await core.store.get(target.key)
        if record is None:
            return await _create_instead(core, target, build, context)
        await core.converted(target.kind, [record])
        old = shown(target.kind, record)
        new = build(old)
        warnings = len(context.warnings)
        try:
            written = await _attempt(core, target, record, old, new, context)
            await core.converted(target.kind, [written])
            return Written(written)
        except Conflict as lost:
            # Whoever asked for a version fails the next try's check of it.
            if attempt == _TRIES - 1:
                raise target.conflict(MODIFIED) from lost
            del context.warnings[warnings:]
    raise AssertionError("the loop returns or raises")


async def _create_instead(
    core: Core, target: Target, build: Build, context: WriteContext
) -> Written:
    if not target.creates or target.subresource:
        raise target.not_found()
    new = build(None)
    metadata = new.setdefault("metadata", {})
    version = metadata.pop("resourceVersion", None)
    if version and not target.tracked and parse_version(version):
        raise target.not_found()
    if metadata.get("uid"):
        raise target.conflict(
            f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
        )
    metadata.setdefault("name", target.name)
    record = await create(core, target.kind, target.namespace, new, context, tracked=target.tracked)
    return Written(record, created=True)


def _check_preconditions(target: Target, record: Record, old: Object, new: Object) -> None:
    metadata = new["metadata"]
    version = metadata.get("resourceVersion")
    if version:
        wanted = parse_version(version)
        if wanted is None:
            raise failures.bad_version(version)
        if wanted != 0 and wanted != record.revision:
            raise target.conflict(MODIFIED)
    uid, stored = metadata.get("uid"), old["metadata"].get("uid", "")
    if uid and uid != stored and target.guarded:
        key = keys.shown_key(target.kind, target.namespace, target.name)
        raise target.conflict(
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {stored}"
        )
    if not version and not target.kind.unconditional_update:
        text = "Invalid value: 0: must be specified for an update"
        cause = Cause("FieldValueInvalid", text, "metadata.resourceVersion")
        # The real server knows the kinds of custom resources by their plurals here.
        name = target.kind.plural if is_custom(target.kind) else target.kind.name
        raise invalid(target.kind.group, name, target.name, [cause])


async def _attempt(
    core: Core, target: Target, record: Record, old: Object, new: Object, context: WriteContext
) -> Record:
    kind, options = target.kind, context.options
    settle_namespace(kind, new["metadata"], target.namespace)
    if target.guarded:  # what a patch leads to is looked at after admission alone
        name_owners_once(new, context.warnings)
    now = core.now()
    if kind.default is not None:
        kind.default(Change(new, old, target.hooks, now, context.warnings))
    if not target.tracked:
        manager = options.field_manager
        own(kind, core.node(kind), old, new, target.subresource, manager, now)
    request = Admission(
        "UPDATE", kind, target.namespace, target.name, context.user, new, old,
        target.subresource, options.dry_run, options.sent(),
        context.warnings,
    )  # fmt: skip
    reservation = None
    try:
        await core.admit(request)
        name_owners_once(new, context.warnings, admitted=True)
        _check_preconditions(target, record, old, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        change = Change(new, old, target.hooks, core.now(), context.warnings)
        core.prepare(kind, change)
        reservation = core.check_and_reserve(kind, change, dry_run=options.dry_run)
        await core.validate(request)
        work = Work(record, old, new, reservation)
        written = await _commit(core, target, work, options.dry_run)
    except BaseException:
        undo_all(request)
        if reservation is not None:
            reservation.cancel()
        raise
    if options.dry_run:
        undo_all(request)
        if reservation is not None:
            reservation.cancel()
    elif reservation is not None:
        reservation.settle()
    return written


def is_finished(value: Object) -> bool:
    """Is the object deleted, and does nothing hold it back any longer?"""
    metadata = value["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if value.get("kind") == "Namespace" and value.get("apiVersion") == "v1":
        return not (value.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


@dataclass(slots=True)
class Work:
    """What is to be stored: an object's record and state of now, its new state, what that needs."""

    record: Record
    old: Object
    new: Object
    reservation: Reservation | None = None


async def _commit(core: Core, target: Target, work: Work, dry_run: bool) -> Record:
    """Store the new state, delete the object if that was its last hold, or keep what is there."""
    kind, record, old, new = target.kind, work.record, work.old, work.new
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    if not dry_run:
        new["metadata"].pop("selfLink", None)  # it is never stored; a dry run still shows it
    if new == old:
        return record
    if dry_run:
        return core.unsaved(kind, target.key, new, record.revision)
    if is_finished(new):
        beside = await with_addresses(core, kind, old, None)
        last = Write(target.key, None, record.revision)
        gone = await commit(core, last, beside, core.allocator.ending(kind, old))
        if work.reservation is not None:
            work.reservation.cancel()
        await core.follow(kind, target.key)
        return core.unsaved(kind, target.key, new, gone.revision)
    draft = draft_of(core.storage(kind), await core.stored(kind, new))
    beside = await with_addresses(core, kind, old, new)
    write = Write(target.key, draft, record.revision)
    written = await commit(core, write, beside, work.reservation)
    await core.follow(kind, target.key)
    return written
