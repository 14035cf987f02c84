"""Permissions only add up, and what a rule covers it also allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roost.apiserver.access.escalation import atoms_of, missing_rules, rule_covers
from roost.apiserver.access.rbac import rule_matches, rules_allow
from roost.apiserver.attributes import Attributes, User
from roost.apiserver.authorizer import Authorizer

VERBS = ["get", "list", "*"]
GROUPS = ["", "apps", "*"]
RESOURCES = ["pods", "pods/log", "deployments", "*/log", "*"]
NAMES = ["a", "b"]
USER = User("u", ("g",))


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


RULES = st.builds(
    lambda verbs, groups, resources, names: {
        "verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names,
    },
    some(VERBS), some(GROUPS), some(RESOURCES), st.lists(st.sampled_from(NAMES), max_size=2),
)  # fmt: skip
REQUESTS = st.builds(
    lambda verb, group, resource, sub, name: Attributes(
        USER, verb, group, "v1", resource, sub, "ns", name
    ),
    st.sampled_from(["get", "list", "patch"]),
    st.sampled_from(["", "apps"]),
    st.sampled_from(["pods", "deployments"]),
    st.sampled_from(["", "log"]),
    st.sampled_from(["", *NAMES]),
)


def authorizer_with(rules: list[dict]) -> Authorizer:
    made = Authorizer()
    made.put({"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": rules})
    made.put(
        {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}],
        }
    )
    return made


@given(st.lists(RULES, max_size=3), RULES, REQUESTS)
def test_adding_a_rule_never_removes_a_permission(rules, more, request):
    if authorizer_with(rules).authorize(request).allowed:
        assert authorizer_with([*rules, more]).authorize(request).allowed
        assert authorizer_with([more, *rules]).authorize(request).allowed


@given(st.lists(RULES, max_size=3), st.lists(REQUESTS, max_size=6))
def test_the_cache_answers_as_the_rules_do(rules, requests):
    authorizer = authorizer_with(rules)
    for request in requests * 2:
        assert authorizer.authorize(request).allowed == rules_allow(rules, request)


@given(RULES, RULES, REQUESTS)
def test_what_covers_a_rule_allows_all_that_it_allows(owner, rule, request):
    for atom in atoms_of(rule):
        if rule_covers(owner, atom) and rule_matches(atom, request):
            assert rule_matches(owner, request)


@given(st.lists(RULES, max_size=3))
def test_nobody_lacks_what_they_hold(rules):
    assert missing_rules(rules, rules) == []
