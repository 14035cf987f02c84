"""`authorizer` in expressions: what the asker, or a service account, may do.

An expression narrows a question step by step, and `check` puts it to the `decide` that came with the
variable; nothing here knows how decisions are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from roost.api.names import check_label, check_subdomain

from .functions.declare import Declarations
from .values import EvaluationError, Wrapped

_PREFIX: Final = "kubernetes.authorization."
declarations: Final = Declarations()
_add = declarations.add


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. With a `service_account` (namespace, name) it is about that, not the asker."""

    verb: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None


#: Returns whether it is allowed, and the reason.
Decide: TypeAlias = Callable[[Question], tuple[bool, str]]


@dataclass(frozen=True)
class _Value(Wrapped):
    decide: Decide
    question: Question

    def asking(self, **parts: str) -> Question:
        return replace(self.question, **parts)  # type: ignore[arg-type]  # all but one are text


@dataclass(frozen=True)
class Authorizer(_Value):
    """The variable `authorizer`."""

    type_name = f"{_PREFIX}Authorizer"


@dataclass(frozen=True)
class PathCheck(_Value):
    """A question about a path."""

    type_name = f"{_PREFIX}PathCheck"


@dataclass(frozen=True)
class GroupCheck(_Value):
    """A question about the resources of a group."""

    type_name = f"{_PREFIX}GroupCheck"


@dataclass(frozen=True)
class ResourceCheck(_Value):
    """A question about a resource; also the variable `authorizer.requestResource`."""

    type_name = f"{_PREFIX}ResourceCheck"


@dataclass(frozen=True)
class Decision(Wrapped):
    """The answer."""

    type_name = f"{_PREFIX}Decision"
    allowed: bool
    reason: str


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise EvaluationError(f"{what} must not be empty")
    return text


@_add(f"{_PREFIX}Authorizer . path(string) {_PREFIX}PathCheck")
def path(value: Authorizer, text: str) -> PathCheck:
    return PathCheck(value.decide, value.asking(path=_filled(text, "path")))


@_add(f"{_PREFIX}Authorizer . group(string) {_PREFIX}GroupCheck")
def group(value: Authorizer, text: str) -> GroupCheck:
    return GroupCheck(value.decide, value.asking(group=text))


@_add(f"{_PREFIX}Authorizer . serviceAccount(string, string) {_PREFIX}Authorizer")
def service_account(value: Authorizer, namespace: str, name: str) -> Authorizer:
    if check_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if check_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return Authorizer(value.decide, replace(value.question, service_account=(namespace, name)))


@_add(f"{_PREFIX}GroupCheck . resource(string) {_PREFIX}ResourceCheck")
def resource(value: GroupCheck, text: str) -> ResourceCheck:
    return ResourceCheck(value.decide, value.asking(resource=_filled(text, "resource")))


def _narrowing(name: str, part: str) -> None:
    @_add(f"{_PREFIX}ResourceCheck . {name}(string) {_PREFIX}ResourceCheck")
    def narrow(value: ResourceCheck, text: str) -> ResourceCheck:
        return ResourceCheck(value.decide, value.asking(**{part: text}))


for _name, _part in (
    ("subresource", "subresource"), ("namespace", "namespace"), ("name", "name"),
    ("fieldSelector", "field_selector"), ("labelSelector", "label_selector"),
):  # fmt: skip
    _narrowing(_name, _part)


@_add(
    f"{_PREFIX}PathCheck . check(string) {_PREFIX}Decision",
    f"{_PREFIX}ResourceCheck . check(string) {_PREFIX}Decision",
    cost="decision",
)
def check(value: PathCheck | ResourceCheck, verb: str) -> Decision:
    return Decision(*value.decide(value.asking(verb=verb)))


@_add(f"{_PREFIX}Decision . allowed() bool")
def allowed(value: Decision) -> bool:
    return value.allowed


@_add(f"{_PREFIX}Decision . reason() string")
def reason(value: Decision) -> str:
    return value.reason


@_add(f"{_PREFIX}Decision . errored() bool")
def errored(_value: Decision) -> bool:
    return False


@_add(f"{_PREFIX}Decision . error() string")
def error(_value: Decision) -> str:
    return ""
