"""What a controller may want: a Plan of actions, all of them plain values that compare with ==.

A Plan says what to do now and when to look again; the engine carries it out in order, stops at the
first action that fails and tries the key again later. Neighbouring Creates are one step, and so are
neighbouring Deletes: they may run side by side, a few at first and then more. Actions that create or
change an object carry the revision or uid they were decided on, so that a decision on old facts
cannot do harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from roost.api.kind import Resource
from roost.api.values import Object, Value


@dataclass(frozen=True, slots=True)
class Ref:
    """The address of one object, as far as an action needs it."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Record an Event about `regarding`; the recorder folds repeats. Never fails a plan."""

    regarding: Object = field(hash=False)  # an ObjectReference
    type: str  # Normal or Warning
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Create:
    """Create `object`. AlreadyExists counts as done when `tolerate_existing`; else the key retries.

    `announce` is recorded once the object is there; `{name}` in its message is the object's name,
    which the server may have generated.
    """

    resource: Resource
    object: Object = field(hash=False)
    tolerate_existing: bool = False
    announce: EmitEvent | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object (or its `subresource`, e.g. status). `object` carries resourceVersion."""

    resource: Resource
    object: Object = field(hash=False)
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """Send a JSON merge patch to `ref`; put uid or resourceVersion in it to guard it."""

    ref: Ref
    body: Value = field(hash=False)
    subresource: str = ""
    strategic: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete `ref` (guarded by its uid when it has one). NotFound counts as done."""

    ref: Ref
    grace_period_s: int | None = None
    propagation: str | None = None
    resource_version: str | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """Create a `subresource` of `ref`: binding, eviction, token."""

    ref: Ref
    subresource: str
    body: Object = field(hash=False)


@dataclass(frozen=True, slots=True)
class AssertAbsent:
    """Ask the server itself whether `ref` is gone; if that uid still lives, the plan stops here.

    For actions that cannot be undone and rest on something *not* being in a cache.
    """

    ref: Ref


@dataclass(frozen=True, slots=True)
class AssertAlive:
    """Ask the server itself whether that uid still lives and is not being deleted; else stop."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class AssertEmpty:
    """Ask the server itself whether a namespace has no object of these resources; else stop."""

    namespace: str
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class DeleteAll:
    """Delete all objects of a resource in a namespace; for resources that nobody keeps in a cache."""

    resource: Resource
    namespace: str


@dataclass(frozen=True, slots=True)
class Certify:
    """Have a CertificateSigningRequest signed, and write the certificate into its status.

    Only an engine that was given a signer can do that.
    """

    object: Object = field(hash=False)


Action: TypeAlias = (
    Create | Update | Patch | Delete | DeleteAll | Post | AssertAbsent | AssertAlive | AssertEmpty
    | EmitEvent | Certify
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in order; and `wake_at` (epoch seconds) when to look again without a change.

    `remember` is for controllers with an Inquiry: told the next time, if all actions succeeded.
    `heart` says that the look is only for the silence of something (see roost.ports.heartbeats): one
    who knows that it still beats may put the look off.
    """

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
    remember: Any = field(default=None, hash=False)
    heart: str = ""


NOTHING = Plan()
