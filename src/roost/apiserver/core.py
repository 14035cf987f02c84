"""What every verb needs: the store, the registry, the ports, and the steps that writes share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from roost.api.errors import StatusError, invalid
from roost.api.groups import GROUP_ORDER
from roost.api.jsontext import written_numbers
from roost.api.kind import Change, Kind, Resource
from roost.api.registry import Registry
from roost.api.schema.node import Node
from roost.api.schema.nodes import node
from roost.api.strategies.strategy import PLAIN
from roost.api.values import Object
from roost.apiserver import keys
from roost.apiserver.admission.port import Plugin
from roost.apiserver.allocation import SERVICES, Allocator, Reservation
from roost.apiserver.attributes import Admission, Handler, User
from roost.apiserver.auditing.current import note
from roost.apiserver.encoding import encoded
from roost.apiserver.feed import Feed
from roost.apiserver.options import WriteOptions
from roost.decisions.meta import stamp
from roost.ports.port import Chance, Ids, WallClock
from roost.store.port import Record, Store

BUILTIN_GROUPS = frozenset(GROUP_ORDER)


def is_custom(kind: Kind) -> bool:
    """Does the kind come from a CustomResourceDefinition?"""
    return kind.group not in BUILTIN_GROUPS


@dataclass(slots=True)
class WriteContext:
    """Who writes and how. `warnings` become Warning headers of the answer."""

    user: User
    options: WriteOptions = field(default_factory=WriteOptions)
    warnings: list[str] = field(default_factory=list)


class Lookup:
    """Objects as admission plugins see them: current, decoded once, shared."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        kind = self._registry.find(resource.group, resource.version, resource.plural)
        if kind is None:
            return None
        record = await self._store.get(keys.key_of(kind, namespace, name))
        return None if record is None else shown(kind, record)

    async def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        kind = self._registry.find(resource.group, resource.version, resource.plural)
        if kind is None:
            return ()
        page = await self._store.list(keys.prefix_of(kind, namespace))
        return [shown(kind, record) for record in page.records]


def shown(kind: Kind, record: Record, *, keep: bool = True) -> Object:
    """Return a stored object in the version of `kind` (shared: never change it).

    Without `keep` it is not remembered: for those who look at many.
    """
    stored = record.object if keep else record.peek()
    if kind.convert is None:
        return stored
    converted: Object = kind.convert.from_storage(stored)
    return converted


class Elsewhere(Protocol):
    """A conversion that takes time: of a webhook."""

    async def show(self, kind: Kind, records: Iterable[Record]) -> None: ...

    async def store(self, kind: Kind, value: Object) -> Object: ...


@dataclass(slots=True)
class Core:
    """The parts of the API server that verbs work with."""

    store: Store
    registry: Registry
    clock: WallClock
    chance: Chance
    ids: Ids
    plugins: Sequence[Plugin]
    handlers: Mapping[tuple[str, str, str], Handler]
    allocator: Allocator
    feed: Feed
    lookup: Lookup
    #: The schemas of CustomResourceDefinitions.
    custom: dict[Resource, Node] = field(default_factory=dict)
    #: What is awaited after each write to a resource, with its key, before the write is answered.
    followers: dict[Resource, Callable[[str], Awaitable[None]]] = field(default_factory=dict)

    #: What is not stored but made whenever somebody reads it.
    computed: dict[Resource, Callable[[], Sequence[Object]]] = field(default_factory=dict)
    #: Kinds of which objects must be converted elsewhere before they are shown or stored.
    converters: dict[Resource, Elsewhere] = field(default_factory=dict)

    async def converted(self, kind: Kind, records: Iterable[Record]) -> None:
        """Prepare records for `shown`; raises StatusError if they cannot be."""
        if kind.convert is not None and kind.resource in self.converters:
            await self.converters[kind.resource].show(kind, records)

    async def stored(self, kind: Kind, value: Object) -> Object:
        """Return an object in the form in which it is stored; raises StatusError."""
        value = self.written(kind, value)
        if kind.convert is not None and kind.resource in self.converters:
            return await self.converters[kind.resource].store(kind, value)
        return self.to_storage(kind, value)

    async def follow(self, kind: Kind, key: str) -> None:
        """Let whoever follows the kind see a write that is done."""
        follower = self.followers.get(kind.resource) if self.followers else None
        if follower is not None:
            await follower(key)

    def now(self) -> str:
        """Return the time of day in RFC 3339, seconds."""
        return stamp(self.clock.now())

    def storage(self, kind: Kind) -> Kind:
        return kind if kind.convert is None else self.registry.storage_kind(kind)

    def node(self, kind: Kind) -> Node:
        """Return the schema of a kind."""
        if self.custom:
            found = self.custom.get(kind.resource)
            if found is not None:
                return found
        return node(kind.schema)

    async def admit(self, request: Admission) -> None:
        try:
            for plugin in self.plugins:
                await plugin.admit(request, self.lookup)
        finally:
            note(request.audit)

    async def validate(self, request: Admission) -> None:
        try:
            for plugin in self.plugins:
                await plugin.validate(request, self.lookup)
        finally:
            note(request.audit)

    def prepare(self, kind: Kind, change: Change) -> None:
        (kind.prepare or PLAIN)(change)

    def check(self, kind: Kind, change: Change) -> None:
        """Raise Invalid if the change breaks rules of its kind."""
        if kind.validate is None:
            return
        causes = kind.validate(change)
        if causes:
            name = change.object.get("metadata", {}).get("name", "")
            # An Event of either group is refused as the one that is stored.
            group = kind.group if kind.storage_group is None else kind.storage_group
            raise invalid(group, kind.name, name, causes)

    def check_and_reserve(self, kind: Kind, change: Change, *, dry_run: bool) -> Reservation | None:
        """Check a change and reserve what it needs; addresses of Services come before other rules."""
        if kind.resource != SERVICES:
            self.check(kind, change)
            return self.allocator.reserve(kind, change, dry_run=dry_run)
        reservation = self.allocator.reserve(kind, change, dry_run=dry_run)
        try:
            self.check(kind, change)
        except BaseException:
            if reservation is not None:
                reservation.cancel()
            raise
        return reservation

    def written(self, kind: Kind, value: Object) -> Object:
        """Return an object as it is when it has been written; only those without a type change."""
        return written_numbers(value) if is_custom(kind) else value

    def to_storage(self, kind: Kind, value: Object) -> Object:
        if kind.convert is None:
            return value
        converted: Object = kind.convert.to_storage(value)
        return converted

    def unsaved(self, kind: Kind, key: str, value: Object, revision: int) -> Record:
        """Return what a dry run answers with: a record that no store has."""
        value = self.written(kind, value)
        if kind.resource in self.converters:
            # It is shown in the version in which it was written: nobody else has to be asked.
            stored, storage = value, kind
        else:
            stored, storage = self.to_storage(kind, value), self.storage(kind)
        metadata: dict[str, Any] = dict(stored["metadata"])
        metadata.pop("resourceVersion", None)
        if revision:
            metadata["resourceVersion"] = str(revision)
        body = {
            "kind": storage.name,
            "apiVersion": storage.api_version,
            **{key: item for key, item in stored.items() if key not in {"kind", "apiVersion"}},
            "metadata": metadata,
        }
        return Record(key, revision, revision, encoded(body))


def undo_all(request: Admission) -> None:
    """Give back what admission plugins reserved for a write that did not happen."""
    for step in reversed(request.undo):
        step()


__all__ = [
    "Core", "Lookup", "StatusError", "WriteContext", "is_custom", "shown", "undo_all",
]  # fmt: skip
