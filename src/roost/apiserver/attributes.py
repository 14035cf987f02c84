"""Who asks for what: the values that authentication, authorisation and admission pass on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

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
