"""The variable `authorizer` of expressions, over the server's own authoriser."""

from __future__ import annotations

from roost.api.cel.functions.authorization import Ask, Authority, Question, ResourceCheck
from roost.apiserver.admission.surroundings import Authorizer
from roost.apiserver.attributes import Admission, Attributes, User

_ACCOUNTS = "system:serviceaccounts"


def _ask(user: User, authorizer: Authorizer) -> Ask:
    def ask(question: Question) -> tuple[bool, str, str]:
        who = user if question.user is None else _account(*question.user)
        attributes = Attributes(
            who, question.verb, question.group, "*" if question.resource else "",
            question.resource, question.subresource, question.namespace, question.name,
            question.path, question.field_selector, question.label_selector,
        )  # fmt: skip
        decision = authorizer.authorize(attributes)
        return decision.allowed, decision.reason, ""

    return ask


def _account(namespace: str, name: str) -> User:
    return User(
        f"system:serviceaccount:{namespace}:{name}", (_ACCOUNTS, f"{_ACCOUNTS}:{namespace}")
    )


def authorizer_value(user: User, authorizer: Authorizer) -> Authority:
    """Return `authorizer` for somebody's request."""
    return Authority(_ask(user, authorizer))


def request_check(request: Admission, authorizer: Authorizer) -> ResourceCheck:
    """Return `authorizer.requestResource`: a question about what a request is for."""
    asked = Question(
        group=request.kind.group, resource=request.kind.plural, subresource=request.subresource,
        namespace=request.namespace, name=request.name,
    )  # fmt: skip
    return ResourceCheck(_ask(request.user, authorizer), asked)
