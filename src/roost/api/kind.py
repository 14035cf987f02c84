"""A kind is data.

`Kind` says everything the API server must know to serve a resource; discovery, OpenAPI, CRUD, watch,
tables, RBAC verbs and field selectors are derived from it. A CustomResourceDefinition becomes the
same `Kind` at run time. Hooks are pure functions over a `Change`, and follow the Kubernetes registry's
create and update strategies ("prepare for create/update", "validate", "validate update", "warnings").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from roost.api.errors import Cause
from roost.api.values import Object

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
#: The verbs of most subresources, e.g. `status` and `scale`.
READ_WRITE = ("get", "patch", "update")
#: The verbs of the `proxy` subresources.
PROXY = ("create", "delete", "get", "patch", "update")


class Resource(NamedTuple):
    """What a path names: the address of a resource, e.g. Resource("apps", "v1", "deployments")."""

    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(slots=True)
class Change:
    """One write on its way into the store, as hooks see it.

    `object` is a private copy that `default` and `prepare` may change in place; `old` is None on
    create and must not be changed. `subresource` is "", "status", "scale" and so on.
    """

    object: Object
    old: Object | None = None
    subresource: str = ""
    now: str = ""  # RFC 3339, seconds, for hooks that stamp times
    warnings: list[str] = field(default_factory=list)


Hook: TypeAlias = Callable[[Change], None]
Check: TypeAlias = Callable[[Change], list[Cause]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, as in `meta.k8s.io/v1 TableColumnDefinition`.

    `cell` gets the object and the time now (epoch seconds) and returns a JSON scalar.
    """

    name: str
    cell: Callable[[Object, float], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Subresource:
    """One subresource, e.g. `status` or `pods/exec`; group, version and kind name its body."""

    verbs: tuple[str, ...]
    kind: str
    group: str | None = None  # None: the parent's
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ReplicaPaths:
    """Where a custom resource keeps what its scale shows: JSON paths such as `.spec.replicas`."""

    spec: str
    status: str
    selector: str = ""  # to a selector as text; "" for none


@dataclass(frozen=True, slots=True)
class Conversion:
    """How objects of a kind become those of its storage kind, and back.

    Both are pure, return a new object (parts may be shared) and keep everything: what one form
    cannot say travels in annotations. `kind` and `apiVersion` are those of the target.
    """

    to_storage: Callable[[Object], Object]
    from_storage: Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind served by the API server, in one version."""

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool
    schema: str  # name of its definition in the schema document
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    #: Selectable fields beside metadata.name and metadata.namespace: path -> value of an object.
    fields: Mapping[str, Callable[[Object], str]] = field(default_factory=dict)
    default: Hook | None = None  # defaults the schema cannot say; also run on what is read back
    prepare: Hook | None = None  # strategy: drop what the subresource may not set, bump generation
    validate: Check | None = None  # causes beyond the schema, on create and on update
    #: May PUT create it (apply always may)? Must an update carry a resourceVersion?
    create_on_update: bool = False
    unconditional_update: bool = True
    #: Is a DELETE answered with the object as it was, in place of a Status that says Success?
    returns_deleted: bool = False
    #: Plural of the resource whose stored objects this one shares, and their version, if another.
    storage_group: str | None = None
    storage_version: str | None = None
    #: Set exactly where the storage kind is another kind than this one.
    convert: Conversion | None = None
    #: Name validation: "subdomain", "label", "path", "service", "rbac" ...
    name_rule: str = "subdomain"
    #: Of a custom resource with the scale subresource.
    replicas: ReplicaPaths | None = None
    warning: str = ""  # what every use of it is answered with, e.g. that it is deprecated
    grace_period_s: Callable[[Object], int] | None = None  # graceful deletion; None: at once
    list_name: str = ""  # the kind of its lists, if that is not its name and List
    #: What follows from the rest and is asked for with every request.
    resource: Resource = field(init=False, repr=False, compare=False)
    api_version: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        resource = Resource(self.group, self.version, self.plural)
        object.__setattr__(self, "resource", resource)
        object.__setattr__(self, "api_version", resource.api_version)

    @property
    def list_kind(self) -> str:
        return self.list_name or f"{self.name}List"

    @property
    def list_schema(self) -> str:
        """The name of the definition of its lists."""
        if not self.list_name:
            return f"{self.schema}List"
        return self.schema.removesuffix(self.name) + self.list_name
