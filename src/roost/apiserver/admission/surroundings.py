"""What webhooks and policies need of the server around them, and what they share.

`Table` finds those that may concern a request without asking each: by resource, subresource and
operation, remembered until the configuration changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from roost.api.crd.decoding import decode_custom
from roost.api.errors import Cause, InternalError, StatusError, invalid
from roost.api.kind import Change, Kind, Resource
from roost.api.registry import Registry
from roost.api.schema.body import expected
from roost.api.schema.decode import decode
from roost.api.schema.node import Node
from roost.api.schema.scalars import Mismatch
from roost.api.values import Object, copy_of
from roost.apiserver.access.refusals import quote
from roost.apiserver.admission.matching import (
    Criteria,
    equivalents_of,
    is_namespace,
    labels_of,
    namespace_of,
)
from roost.apiserver.admission.policies.checks import Checks
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.requests import kind_of
from roost.apiserver.admission.webhooks.calls import Calls
from roost.apiserver.attributes import Admission, Attributes, Decision
from roost.apiserver.core import is_custom
from roost.ports.port import Ids

NAMESPACES: Final = Resource("", "v1", "namespaces")
#: How many different kinds of request a table remembers.
_REMEMBERED: Final = 4096


class Authorizer(Protocol):
    """Says whether somebody may; see roost.apiserver.authorizer."""

    def authorize(self, request: Attributes) -> Decision: ...


class Concerning(Protocol):
    """Something that is for some requests."""

    @property
    def criteria(self) -> Criteria: ...


T = TypeVar("T", bound=Concerning)


class Table(Generic[T]):
    """Hooks or policies in order. Made anew with every change of the configuration."""

    __slots__ = ("_concerned", "entries")

    def __init__(self, entries: Sequence[T] = ()) -> None:
        self.entries = tuple(entries)
        self._concerned: dict[tuple[str, str, str], tuple[T, ...]] = {}

    def concerned(self, request: Admission) -> tuple[T, ...]:
        """Return those that may concern a request."""
        key = (request.kind.plural, request.subresource, request.operation)
        found = self._concerned.get(key)
        if found is None:
            if len(self._concerned) >= _REMEMBERED:
                self._concerned.clear()
            found = self._concerned[key] = tuple(
                entry for entry in self.entries if entry.criteria.may_match(*key)
            )
        return found


@dataclass(slots=True)
class Surroundings:
    """The server as webhooks and policies see it.

    `node` gives the schema of a kind, `now` the time of day as text.
    """

    registry: Registry
    ids: Ids
    authorizer: Authorizer
    node: Callable[[Kind], Node]
    now: Callable[[], str]
    #: What is counted of calls to webhooks.
    calls: Calls = field(default_factory=Calls)
    #: What is counted of policies.
    checks: Checks = field(default_factory=Checks)
    #: What `equivalents` found, as of a revision of the registry.
    _equivalents: dict[tuple[Resource, str], list[Kind]] = field(default_factory=dict)
    _revision: int = -1

    def equivalents(self, kind: Kind, subresource: str) -> Sequence[Kind]:
        """Return the kinds that are stored with a kind."""
        if self._revision != self.registry.revision:
            self._revision = self.registry.revision
            self._equivalents.clear()
        key = (kind.resource, subresource)
        found = self._equivalents.get(key)
        if found is None:
            found = equivalents_of(self.registry.kinds(), kind, subresource)
            self._equivalents[key] = found
        return found

    async def namespace_labels(self, request: Admission, lookup: Lookup) -> Object | None:
        """Return the labels of the namespace of a request, {} for none, None if it is not there."""
        name = namespace_of(request)
        if not name:
            return {}
        value = request.object
        fresh = is_namespace(request.kind) and not request.subresource
        if not fresh or request.operation not in {"CREATE", "UPDATE"}:
            value = await lookup.get(NAMESPACES, name)
        return None if value is None else labels_of(value) or {}

    def settle(self, request: Admission, value: Object) -> None:
        """Put a changed object in place of a request's: decoded, pruned and defaulted again.

        Raises StatusError where it is no object of its kind, or is another object now.
        """
        settled = self._decoded(request, value)
        settled.setdefault("metadata", {})
        _check_same(request, settled)
        own = request.subresource in {"", "scale"} or (
            kind_of(request.kind, request.subresource).name == request.kind.name
        )
        if own and request.kind.default is not None:
            hooks = "" if request.subresource == "scale" else request.subresource
            change = Change(settled, request.old, hooks, self.now(), request.warnings)
            request.kind.default(change)
        request.replace_object(settled)

    def _decoded(self, request: Admission, value: Object) -> Object:
        node = self._node(request)
        if node is None:
            copied: Object = copy_of(value)
            return copied
        try:
            if is_custom(request.kind):
                return decode_custom(request.kind, node, value, "Ignore")[0]
            return decode(node, value)[0]
        except (Mismatch, StatusError) as error:
            raise InternalError.because(str(error)) from None

    def _node(self, request: Admission) -> Node | None:
        named = kind_of(request.kind, request.subresource)
        if request.subresource == "scale" or named.name == request.kind.name:
            return self.node(request.kind)
        try:
            return expected(named.group, named.version, named.name).node
        except KeyError:
            return None  # options of streams have no schema


def _check_same(request: Admission, value: Object) -> None:
    """An update may not be led to another object; raises Invalid."""
    if request.operation != "UPDATE" or request.old is None:
        return
    for key in ("name", "namespace", "uid"):
        before, after = request.old["metadata"].get(key), value["metadata"].get(key)
        if after is not None and after != before:
            text = f"Invalid value: {quote(str(after))}: field is immutable"
            cause = Cause("FieldValueInvalid", text, f"metadata.{key}")
            raise invalid(request.kind.group, request.kind.name, request.name, [cause])
