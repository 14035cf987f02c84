"""Kubernetes' library for questions of authorisation:
authorizer.group('').resource('pods').check('get').

Who answers is the business of whoever binds the variable: an `Authority` holds a function from a
question to (allowed, reason, error).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import EvaluationError, Wrapped
from roost.api.names import check_label, check_subdomain

declarations = Declarations()
_add = declarations.add
_A = "kubernetes.authorization."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of a resource, or of a path. `user` is namespace and name of a service
    account, or None for whoever makes the request.
    """

    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""
    user: tuple[str, str] | None = None


#: (allowed, reason, error)
Ask = Callable[[Question], tuple[bool, str, str]]


@dataclass(frozen=True, slots=True)
class Authority(Wrapped):
    """The variable `authorizer`."""

    ask: Ask
    user: tuple[str, str] | None = None
    type_name = f"{_A}Authorizer"


@dataclass(frozen=True, slots=True)
class _Check(Wrapped):
    ask: Ask
    question: Question


@dataclass(frozen=True, slots=True)
class GroupCheck(_Check):
    """A group, of which a resource is still to be named."""

    type_name = f"{_A}GroupCheck"


@dataclass(frozen=True, slots=True)
class PathCheck(_Check):
    """A path that is no resource."""

    type_name = f"{_A}PathCheck"


@dataclass(frozen=True, slots=True)
class ResourceCheck(_Check):
    """A resource; what of it can still be said."""

    type_name = f"{_A}ResourceCheck"


@dataclass(frozen=True, slots=True)
class Decision(Wrapped):
    """The answer."""

    allowed: bool
    reason: str
    error: str
    type_name = f"{_A}Decision"


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise EvaluationError(f"{what} must not be empty")
    return text


@_add(f"{_A}Authorizer . path(string) {_A}PathCheck")
def path(authority: Authority, text: str) -> PathCheck:
    return PathCheck(authority.ask, Question(path=_filled(text, "path"), user=authority.user))


@_add(f"{_A}Authorizer . group(string) {_A}GroupCheck")
def group(authority: Authority, text: str) -> GroupCheck:
    return GroupCheck(authority.ask, Question(group=text, user=authority.user))


@_add(f"{_A}Authorizer . serviceAccount(string, string) {_A}Authorizer")
def service_account(authority: Authority, namespace: str, name: str) -> Authority:
    if check_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if check_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return replace(authority, user=(namespace, name))


@_add(f"{_A}GroupCheck . resource(string) {_A}ResourceCheck")
def resource(check: GroupCheck, text: str) -> ResourceCheck:
    return ResourceCheck(check.ask, replace(check.question, resource=_filled(text, "resource")))


def _part(method: str, attribute: str) -> None:
    def say(check: ResourceCheck, text: str) -> ResourceCheck:
        question: Any = replace(check.question, **{attribute: text})  # type: ignore[arg-type]  # texts only
        return replace(check, question=question)

    _add(f"{_A}ResourceCheck . {method}(string) {_A}ResourceCheck")(say)


for _method, _attribute in (
    ("subresource", "subresource"), ("namespace", "namespace"), ("name", "name"),
    ("fieldSelector", "field_selector"), ("labelSelector", "label_selector"),
):  # fmt: skip
    _part(_method, _attribute)


@_add(
    f"{_A}ResourceCheck . check(string) {_A}Decision",
    f"{_A}PathCheck . check(string) {_A}Decision",
    cost="ask",
)
def check(asked: _Check, verb: str) -> Decision:
    return Decision(*asked.ask(replace(asked.question, verb=verb)))


@_add(f"{_A}Decision . allowed() bool")
def allowed(decision: Decision) -> bool:
    return decision.allowed


@_add(f"{_A}Decision . reason() string")
def reason(decision: Decision) -> str:
    return decision.reason


@_add(f"{_A}Decision . errored() bool")
def errored(decision: Decision) -> bool:
    return bool(decision.error)


@_add(f"{_A}Decision . error() string")
def error(decision: Decision) -> str:
    return decision.error
