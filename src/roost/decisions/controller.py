"""What a controller is: a declaration and one pure function.

    Controller(name, watches, view, reconcile)

`watches` says which resources matter and which keys a change of an object concerns. `view` collects,
from the informers' caches, everything that `reconcile` may look at for one key, and freezes it; None
means there is nothing to decide. `reconcile` turns the view into a Plan. The engine does all the rest.
A controller reads the time only from its view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from roost.api.errors import StatusError
from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.asking import Inquiry
from roost.decisions.plan import Action, Plan


class Key(NamedTuple):
    """What is reconciled: the namespace ("" for cluster scope) and name of an object."""

    namespace: str
    name: str


class Lister(Protocol):
    """A read-only cache of one resource, kept by an informer. Objects are shared: never change.

    `connected` is true while the server is known to answer: what does not change may then be taken
    as unchanged.
    """

    @property
    def connected(self) -> bool: ...

    def get(self, namespace: str, name: str) -> Object | None: ...

    def all(self, namespace: str = "") -> Iterable[Object]:
        """All objects, or those of one namespace, in an order that does not depend on hashing."""
        ...

    def by(self, index: str, value: str) -> Iterable[Object]:
        """All objects under `value` in a declared index; see Watch.indexes."""
        ...


class Caches(Protocol):
    """The listers of every watched resource."""

    def __getitem__(self, resource: Resource) -> Lister: ...


#: Maps an object to the values it is found under in an index.
Index = Callable[[Object], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Watch:
    """A resource that matters to a controller.

    `keys(object, caches)` gives the keys to reconcile when the object appears, changes (called for
    its old and its new state) or goes. `indexes` are kept by the informer and shared by name: two
    declarations of one index on one resource must be the same function.
    """

    resource: Resource
    keys: Callable[[Object, Caches], Iterable[Key]]
    indexes: Mapping[str, Index] = field(default_factory=dict)
    #: As `keys`, of what is there when the controller starts: changes before were not seen.
    at_start: Callable[[Object, Caches], Iterable[Key]] | None = None


ViewT = TypeVar("ViewT")


@dataclass(frozen=True, slots=True)
class Controller(Generic[ViewT]):
    """One controller. `view(caches, key, now)` and `reconcile(view)` are pure."""

    name: str
    watches: tuple[Watch, ...]
    view: Callable[[Caches, Key, float], ViewT | None]
    reconcile: Callable[[ViewT], Plan]
    #: Who it acts as (its username and its source in events); "" is the name with "-controller".
    component: str = ""
    #: What to tell the user when an action was refused: events and a status, as far as they differ
    #: from those of a success. It runs before the key is tried again; its own failures are ignored.
    refused: Callable[[ViewT, Action, StatusError], Plan] | None = None
    #: What it asks the server before it reconciles, and remembers; see roost.decisions.asking.
    inquiry: Inquiry[ViewT] | None = None
    #: Reconcile also, with this key, when the caches are first filled.
    start_keys: tuple[Key, ...] = ()


AnyController = Controller[Any]


def own_key(obj: Object, _caches: Caches) -> Iterable[Key]:
    """Return the object's own key: for the resource that the controller is about."""
    metadata = obj["metadata"]
    return (Key(metadata.get("namespace", ""), metadata["name"]),)


def controller_of(obj: Object) -> Object | None:
    """Return the owner reference that controls the object, if there is one."""
    for owner in obj["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            found: Object = owner
            return found
    return None


def owner_keys(kind: str, group: str) -> Callable[[Object, Caches], Iterable[Key]]:
    """Return a `keys` function that maps an object to its controlling owner of that kind."""

    def keys(obj: Object, _caches: Caches) -> Iterable[Key]:
        owner = controller_of(obj)
        if owner is None or owner["kind"] != kind:
            return ()
        api_group = owner["apiVersion"].rpartition("/")[0]
        if api_group != group:
            return ()
        return (Key(obj["metadata"].get("namespace", ""), owner["name"]),)

    return keys
