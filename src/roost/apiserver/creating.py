"""Create: names, admission, preparation, validation, commit."""

from __future__ import annotations

from typing import Final

from roost.api.errors import AlreadyExists, BadRequest, already_exists
from roost.api.kind import Change, Kind
from roost.api.values import Object, copy_of
from roost.apiserver import keys
from roost.apiserver.addressing import commit, with_addresses
from roost.apiserver.allocation import Reservation
from roost.apiserver.attributes import Admission
from roost.apiserver.core import Core, WriteContext, undo_all
from roost.apiserver.encoding import draft_of
from roost.apiserver.ownership import name_owners_once, own
from roost.store.port import ABSENT, Conflict, Record, Write

#: How often a taken generated name is replaced by another.
_NAME_TRIES: Final = 8
_SUFFIX_LENGTH: Final = 5
_PREFIX_LIMIT: Final = 63 - _SUFFIX_LENGTH

#: Metadata that a new object cannot bring.
_SERVERS_OWN: Final = ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds")

OTHER_NAMESPACE: Final = (
    "the namespace of the provided object does not match the namespace sent on the request"
)


def settle_namespace(kind: Kind, metadata: Object, namespace: str) -> None:
    """Give the object the namespace of the request; raises BadRequest if it names another.

    What belongs to no namespace loses the one that it names.
    """
    if not kind.namespaced:
        metadata.pop("namespace", None)
        return
    given = metadata.get("namespace")
    if given and given != namespace:
        raise BadRequest(OTHER_NAMESPACE)
    metadata["namespace"] = namespace


async def create(
    core: Core,
    kind: Kind,
    namespace: str,
    value: Object,
    context: WriteContext,
    *,
    tracked: bool = False,
) -> Record:
    """Create an object of `kind`. `value` is private and decoded; raises StatusError.

    `tracked` says that its managedFields are right already.
    """
    metadata = value.setdefault("metadata", {})
    settle_namespace(kind, metadata, namespace)
    if metadata.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    for key in _SERVERS_OWN:
        metadata.pop(key, None)
    name_owners_once(value, context.warnings)
    now = core.now()
    if kind.default is not None:
        kind.default(Change(value, None, "", now, context.warnings))
    if not tracked:
        manager = context.options.field_manager
        own(kind, core.node(kind), None, value, "", manager, now)
    prefix = metadata.get("generateName")
    if metadata.get("name") or not prefix:
        return await _create_named(core, kind, namespace, value, context)
    for attempt in range(_NAME_TRIES):
        candidate = copy_of(value) if attempt < _NAME_TRIES - 1 else value
        candidate["metadata"]["name"] = generated_name(core, prefix)
        if kind.default is not None:  # some defaults follow from the name
            kind.default(Change(candidate, None, "", core.now(), context.warnings))
        try:
            return await _create_named(core, kind, namespace, candidate, context)
        except AlreadyExists:
            if attempt == _NAME_TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def generated_name(core: Core, prefix: str) -> str:
    return prefix[:_PREFIX_LIMIT] + core.chance.suffix(_SUFFIX_LENGTH)


async def _create_named(
    core: Core, kind: Kind, namespace: str, value: Object, context: WriteContext
) -> Record:
    metadata = value["metadata"]
    name = metadata.get("name", "")
    options = context.options
    request = Admission(
        "CREATE", kind, namespace if kind.namespaced else name * (kind.plural == "namespaces"),
        name, context.user, value, dry_run=options.dry_run, warnings=context.warnings,
        options=options.sent(),
    )  # fmt: skip
    reservation = None
    try:
        await core.admit(request)
        name_owners_once(value, context.warnings, admitted=True)
        metadata = value["metadata"]  # another one, if a webhook changed the object
        settle_namespace(kind, metadata, namespace)
        change = Change(value, None, "", core.now(), context.warnings)
        metadata["uid"] = core.ids.uid()  # before: a Job's selector is made of it
        metadata["creationTimestamp"] = change.now
        core.prepare(kind, change)
        reservation = core.check_and_reserve(kind, change, dry_run=options.dry_run)
        await core.validate(request)
        record = await _commit(core, kind, namespace, value, reservation, options.dry_run)
    except BaseException:
        undo_all(request)
        if reservation is not None:
            reservation.cancel()
        raise
    if options.dry_run:
        undo_all(request)
        if reservation is not None:
            reservation.cancel()
    return record


async def _commit(
    core: Core,
    kind: Kind,
    namespace: str,
    value: Object,
    reservation: Reservation | None,
    dry_run: bool,
) -> Record:
    name = value["metadata"].get("name", "")
    key = keys.key_of(kind, namespace, name)
    if dry_run:
        if await core.store.get(key) is not None:
            raise already_exists(kind.group, kind.plural, name)
        return core.unsaved(kind, key, value, 0)
    value["metadata"].pop("selfLink", None)  # it is never stored; a dry run still shows it
    draft = draft_of(core.storage(kind), await core.stored(kind, value))
    try:
        beside = await with_addresses(core, kind, None, value)
        record = await commit(core, Write(key, draft, ABSENT), beside, reservation)
    except Conflict as lost:
        if lost.key != key:
            raise core.allocator.refused(value) from lost
    else:
        await core.follow(kind, key)
        await core.converted(kind, [record])
        return record
    error = already_exists(kind.group, kind.plural, name)
    existing = await core.store.get(key)
    if existing is not None and existing.object["metadata"].get("deletionTimestamp"):
        error = AlreadyExists(f"object is being deleted: {error.message}", error.details)
    raise error
