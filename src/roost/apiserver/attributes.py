"""Who asks for what: the values that authentication, authorisation and admission pass on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from roost.api.kind import Kind
from roost.api.values import Object


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated identity, as in authentication.k8s.io UserInfo."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Attributes:
    """One request as authorisers see it. For a non-resource request only `path` is set."""

    user: User
    verb: str  # get, list, watch, create, update, patch, delete, deletecollection, or as in HTTP
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not; `reason` is what the Forbidden message adds, if anything."""

    allowed: bool
    reason: str = ""
    denied: bool = False  # a firm no, which later authorisers may not overrule


@dataclass(slots=True)
class Reinvocation:
    """What the second round of the mutating plugins must know of the first.

    There is a second one, and no third, when a policy or a webhook changed the object.
    """

    second: bool = False
    wanted: bool = False
    #: What each plugin keeps for its second round.
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Admission:
    """One write as admission plugins see it. `object` is private: mutating plugins change it."""

    operation: str  # CREATE, UPDATE, DELETE or CONNECT
    kind: Kind
    namespace: str
    name: str
    user: User
    object: Object | None = None
    old: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    options: Object = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    #: Called, last registered first, when the write did not happen after a plugin reserved something.
    undo: list[Callable[[], None]] = field(default_factory=list)
    #: Set by plugins that may have to run again.
    reinvocation: Reinvocation | None = None
    #: What policies and webhooks say about the request to whoever audits; None: nothing.
    audit: dict[str, str] | None = None

    def annotate(self, key: str, value: str) -> None:
        """Say something about the request to whoever audits; what was said first stays."""
        if self.audit is None:
            self.audit = {}
        self.audit.setdefault(key, value)

    def replace_object(self, value: Object) -> None:
        """Put other content in place of the object's: whoever holds it sees the change."""
        assert self.object is not None
        if value is not self.object:
            self.object.clear()
            self.object.update(value)


@dataclass(slots=True)
class Call:
    """One request to a resource that is computed, not stored: reviews, token requests."""

    kind: Kind
    subresource: str
    user: User
    namespace: str
    name: str
    body: Object
    dry_run: bool = False


#: Answers a Call with the object that the client gets.
Handler: TypeAlias = Callable[[Call], Awaitable[Object]]
