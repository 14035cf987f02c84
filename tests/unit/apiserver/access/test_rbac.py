"""Rules, subjects, escalation and aggregation as values."""

from __future__ import annotations

import pytest

from roost.apiserver.access.aggregation import aggregated_rules
from roost.apiserver.access.escalation import escalation_text, missing_rules, rule_covers
from roost.apiserver.access.rbac import rule_matches, subject_matching
from roost.apiserver.attributes import Attributes, User

JANE = User("jane", ("devs", "system:authenticated"))


def ask(
    verb: str, resource: str, subresource: str = "", group: str = "", name: str = ""
) -> Attributes:
    return Attributes(
        JANE, verb, group, "v1", resource, subresource=subresource, namespace="ns", name=name
    )


def rule(verbs: list[str], groups: list[str], resources: list[str], names: list[str] | None = None):
    made = {"verbs": verbs, "apiGroups": groups, "resources": resources}
    return {**made, "resourceNames": names} if names else made


@pytest.mark.parametrize(
    ("resources", "resource", "subresource", "allowed"),
    [
        (["pods"], "pods", "", True),
        (["pods"], "pods", "log", False),
        (["pods/log"], "pods", "log", True),
        (["pods/*"], "pods", "log", False),  # only */log is a pattern in Kubernetes
        (["*/scale"], "deployments", "scale", True),
        (["*/scale"], "deployments", "", False),
        (["*"], "pods", "exec", True),
        (["*"], "nodes", "", True),
    ],
)
def test_resources_of_a_rule(resources, resource, subresource, allowed):
    assert (
        rule_matches(rule(["get"], [""], resources), ask("get", resource, subresource)) is allowed
    )


def test_groups_verbs_and_names_all_have_to_fit():
    given = rule(["get", "list"], ["apps"], ["deployments"], ["a"])
    assert rule_matches(given, ask("get", "deployments", group="apps", name="a"))
    assert not rule_matches(given, ask("get", "deployments", group="apps", name="b"))
    assert not rule_matches(given, ask("list", "deployments", group="apps"))
    assert not rule_matches(given, ask("get", "deployments", name="a"))
    assert not rule_matches(given, ask("patch", "deployments", group="apps", name="a"))


@pytest.mark.parametrize(
    ("pattern", "path", "allowed"),
    [
        ("/metrics", "/metrics", True),
        ("/metrics", "/metrics/slis", False),
        ("/api/*", "/api/v1", True),
        ("/api/*", "/apis", False),
        ("*", "/anything", True),
    ],
)
def test_urls(pattern, path, allowed):
    request = Attributes(JANE, "get", path=path)
    assert rule_matches({"verbs": ["get"], "nonResourceURLs": [pattern]}, request) is allowed


def test_a_resource_rule_gives_no_url_and_a_url_rule_no_resource():
    everything = rule(["*"], ["*"], ["*"])
    assert not rule_matches(everything, Attributes(JANE, "get", path="/metrics"))
    assert not rule_matches({"verbs": ["*"], "nonResourceURLs": ["*"]}, ask("get", "pods"))


def test_subjects():
    account = User("system:serviceaccount:ns:low", ("system:serviceaccounts",))
    group = {"kind": "Group", "name": "devs"}
    own = {"kind": "ServiceAccount", "name": "low"}
    assert subject_matching([{"kind": "User", "name": "jane"}], JANE, "") is not None
    assert subject_matching([{"kind": "User", "name": "devs"}, group], JANE, "") == group
    assert subject_matching([own], account, "ns") == own
    assert subject_matching([own], account, "other") is None
    assert subject_matching([own], account, "") is None
    assert subject_matching([{**own, "namespace": "ns"}], account, "other") is not None


def test_what_is_missing_is_said_as_the_real_server_says_it():
    held = [
        rule(["create"], ["rbac.authorization.k8s.io"], ["roles"]),
        rule(["get"], [""], ["pods"]),
    ]
    wanted = [rule(["get", "delete"], [""], ["pods", "secrets"])]
    user = User("u", ("a", "system:authenticated"))
    assert escalation_text(user, missing_rules(held, wanted)) == (
        'user "u" (groups=["a" "system:authenticated"]) is attempting to grant RBAC permissions'
        ' not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
    )


@pytest.mark.parametrize(
    ("owner", "wanted", "covered"),
    [
        (rule(["*"], ["*"], ["*"]), rule(["get"], ["apps"], ["deployments/scale"]), True),
        (rule(["get"], [""], ["*/log"]), rule(["get"], [""], ["pods/log"]), True),
        (rule(["get"], [""], ["pods"], ["a"]), rule(["get"], [""], ["pods"]), False),
        (rule(["get"], [""], ["pods"]), rule(["get"], [""], ["pods"], ["a"]), True),
        (rule(["get"], [""], ["pods"]), rule(["*"], [""], ["pods"]), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/a*"]},
         {"verbs": ["get"], "nonResourceURLs": ["/a/b"]}, True),
        ({"verbs": ["get"], "nonResourceURLs": ["/a"]},
         {"verbs": ["get"], "nonResourceURLs": ["/a*"]}, False),
    ],
)  # fmt: skip
def test_covering(owner, wanted, covered):
    assert rule_covers(owner, wanted) is covered


def test_aggregation_takes_rules_by_label_once_and_not_from_itself():
    shared = rule(["get"], [""], ["pods"])
    parts = [
        {"metadata": {"name": "b", "labels": {"to": "x"}}, "rules": [shared]},
        {
            "metadata": {"name": "a", "labels": {"to": "x"}},
            "rules": [rule(["list"], [""], ["pods"])],
        },
        {"metadata": {"name": "c", "labels": {"to": "x"}}, "rules": [shared]},
        {"metadata": {"name": "d"}, "rules": [rule(["*"], ["*"], ["*"])]},
    ]
    role = {
        "metadata": {"name": "x", "labels": {"to": "x"}},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "x"}}]},
        "rules": [rule(["*"], ["*"], ["*"])],
    }
    assert aggregated_rules(role, [*parts, role]) == [rule(["list"], [""], ["pods"]), shared]
    assert aggregated_rules(parts[0], parts) is None
