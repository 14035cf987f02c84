"""Acting as somebody else."""

from __future__ import annotations

import pytest

from roost.api.errors import BadRequest, Forbidden
from roost.apiserver.access.impersonation import impersonated_user, wanted_user
from roost.apiserver.attributes import Attributes, Decision, User

ADMIN = User("admin", ("system:masters",))
LOW = User("system:serviceaccount:ns:low", ("system:serviceaccounts",))


def request(user: User) -> Attributes:
    return Attributes(user, "list", resource="pods", version="v1", namespace="ns")


def yes(_request: Attributes) -> Decision:
    return Decision(allowed=True)


def no(_request: Attributes) -> Decision:
    return Decision(allowed=False)


def test_headers():
    wanted = wanted_user(
        [
            ("Impersonate-User", "jane"),
            ("impersonate-group", "a"),
            ("Impersonate-Group", "b"),
            ("Impersonate-Uid", "u-1"),
            ("Impersonate-Extra-Example.com%2fScope", "s"),
        ]
    )
    assert wanted == User("jane", ("a", "b"), "u-1", {"example.com/scope": ("s",)})
    assert wanted_user([("Accept", "x")]) is None


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (
            ("Impersonate-Group", "g"),
            'UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)',
        ),
        (("Impersonate-Uid", "1"), 'UID:"1", Groups:[]string(nil), Extra:map[string][]string(nil)'),
    ],
)
def test_a_part_without_a_name(header: tuple[str, str], text: str):
    with pytest.raises(BadRequest) as error:
        wanted_user([header])
    assert error.value.message == (
        f'requested &user.DefaultInfo{{Name:"", {text}}} without impersonating a user name'
    )


@pytest.mark.parametrize(
    ("wanted", "groups"),
    [
        (User("jane"), ("system:authenticated",)),
        (User("jane", ("system:masters",)), ("system:masters", "system:authenticated")),
        (User("system:anonymous"), ("system:unauthenticated",)),
        (User("system:node:n"), ("system:nodes", "system:authenticated")),
        (
            User("system:serviceaccount:ns:x"),
            ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
        ),
        (User("system:serviceaccount:ns:x", ("g",)), ("g", "system:authenticated")),
    ],
)
def test_groups_that_come_with_a_name(wanted: User, groups: tuple[str, ...]):
    assert impersonated_user(yes, request(ADMIN), wanted).groups == groups


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            User("jane"),
            (
                'pods is forbidden: User "system:serviceaccount:ns:low" cannot'
                ' impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"'
            ),
        ),
        (
            User("system:serviceaccount:ns:low", ("g",)),
            (
                'serviceaccounts "low" is forbidden: User "system:serviceaccount:ns:low" cannot'
                ' impersonate resource "serviceaccounts" in API group "" in the namespace "ns"'
            ),
        ),
    ],
)
def test_the_first_refusal_is_the_answer(wanted: User, message: str):
    with pytest.raises(Forbidden) as error:
        impersonated_user(no, request(LOW), wanted)
    assert error.value.message == message


def test_every_part_of_the_identity_is_checked():
    asked: list[tuple[str, str, str]] = []

    def only_legacy(attributes: Attributes) -> Decision:
        asked.append((attributes.verb, attributes.resource, attributes.name))
        return Decision(allowed=attributes.verb == "impersonate" and attributes.name != "b")

    with pytest.raises(Forbidden):
        impersonated_user(only_legacy, request(LOW), User("jane", ("a", "b"), "u"))
    assert asked[1:] == [
        ("impersonate", "users", "jane"),
        ("impersonate", "uids", "u"),
        ("impersonate", "groups", "a"),
        ("impersonate", "groups", "b"),
    ]


def test_a_constrained_mode_never_gives_masters():
    def constrained(attributes: Attributes) -> Decision:
        return Decision(allowed=attributes.verb != "impersonate")

    assert impersonated_user(constrained, request(LOW), User("jane", ("a",))).name == "jane"
    with pytest.raises(Forbidden, match="system:masters group is not allowed"):
        impersonated_user(constrained, request(LOW), User("jane", ("system:masters",)))
