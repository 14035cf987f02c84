"""Role based access control: what rules match and which subjects a binding means.

A rule is the JSON of a PolicyRule. Nothing here knows where roles come from. Rule: permissions only
ever add up; there is no rule that takes one away.
"""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.apiserver.access.identity import service_account_name
from roost.apiserver.access.refusals import quote
from roost.apiserver.attributes import Attributes, User

GROUP = "rbac.authorization.k8s.io"


def rule_matches(rule: Object, request: Attributes) -> bool:
    """Does a rule allow a request?"""
    if request.path:
        return _has(rule, "verbs", request.verb) and url_matches(
            rule.get("nonResourceURLs") or (), request.path
        )
    names = rule.get("resourceNames")
    return rule_matches_any_name(rule, request) and (not names or request.name in names)


def rule_matches_any_name(rule: Object, request: Attributes) -> bool:
    """Does a rule allow a resource request, for some object at least?"""
    return (
        _has(rule, "verbs", request.verb)
        and _has(rule, "apiGroups", request.group)
        and _has_resource(rule.get("resources") or (), request.resource, request.subresource)
    )


def rules_allow(rules: Iterable[Object], request: Attributes) -> bool:
    return any(rule_matches(rule, request) for rule in rules)


def url_matches(patterns: Iterable[str], path: str) -> bool:
    """Is a path among the patterns? `*` is every path, a trailing `*` every continuation."""
    return any(
        pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
        for pattern in patterns
    )


def _has(rule: Object, field: str, wanted: str) -> bool:
    values = rule.get(field) or ()
    return wanted in values or "*" in values


def _has_resource(resources: Iterable[str], resource: str, subresource: str) -> bool:
    if not subresource:
        return "*" in resources or resource in resources
    return (
        "*" in resources
        or f"{resource}/{subresource}" in resources
        or f"*/{subresource}" in resources
    )


def subject_matching(subjects: Iterable[Object], user: User, namespace: str) -> Object | None:
    """Return the first subject that means the user, else None.

    `namespace` is that of the binding; it is where a ServiceAccount without one is looked for.
    """
    for subject in subjects:
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "User":
            found = user.name == name
        elif kind == "Group":
            found = name in user.groups
        elif kind == "ServiceAccount":
            home = subject.get("namespace") or namespace
            found = bool(home) and user.name == service_account_name(home, name)
        else:
            found = False
        if found:
            return subject
    return None


def reason_of(binding: Object, subject: Object) -> str:
    """Return why a binding allowed something, in the words of the real server."""
    metadata, role = binding["metadata"], binding["roleRef"]
    kind, name = "ClusterRoleBinding", metadata["name"]
    if namespace := metadata.get("namespace"):
        kind, name = "RoleBinding", f"{name}/{namespace}"
    who = subject["name"]
    if home := subject.get("namespace"):
        who = f"{who}/{home}"
    return (
        f"RBAC: allowed by {kind} {quote(name)} of {role['kind']} {quote(role['name'])}"
        f" to {subject['kind']} {quote(who)}"
    )
