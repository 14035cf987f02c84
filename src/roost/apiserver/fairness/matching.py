"""Which FlowSchema a request is of, and which of its flows. Pure.

Schemas are asked in the order of their precedence; the first that matches wins, and there is always
one, because `catch-all` matches everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.apiserver.attributes import User
from roost.apiserver.requestinfo import RequestInfo

_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Schema:
    """A FlowSchema as far as requests are concerned."""

    name: str
    uid: str
    level: str
    precedence: int
    by_user: bool
    by_namespace: bool
    rules: tuple[Object, ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        return any(_rule_matches(rule, user, info) for rule in self.rules)

    def distinguisher(self, user: User, info: RequestInfo) -> str:
        """Return what tells the flows of this schema apart."""
        if self.by_user:
            return user.name
        return info.namespace if self.by_namespace else ""


def schema_of(obj: Object) -> Schema:
    """Return a FlowSchema object, read."""
    spec = obj["spec"]
    method = (spec.get("distinguisherMethod") or {}).get("type", "")
    return Schema(
        obj["metadata"]["name"],
        obj["metadata"].get("uid", ""),
        spec["priorityLevelConfiguration"]["name"],
        spec.get("matchingPrecedence", 1000),
        method == "ByUser",
        method == "ByNamespace",
        tuple(spec.get("rules") or ()),
    )


def ordered(schemas: Iterable[Schema]) -> tuple[Schema, ...]:
    """Return schemas in the order in which they are asked."""
    return tuple(sorted(schemas, key=lambda schema: (schema.precedence, schema.name)))


def _rule_matches(rule: Object, user: User, info: RequestInfo) -> bool:
    if not any(_is_subject(subject, user) for subject in rule.get("subjects") or ()):
        return False
    if info.is_resource:
        return any(_resource_matches(part, info) for part in rule.get("resourceRules") or ())
    return any(_path_matches(part, info) for part in rule.get("nonResourceRules") or ())


def _is_subject(subject: Object, user: User) -> bool:
    kind = subject.get("kind")
    if kind == "User":
        return subject["user"]["name"] in ("*", user.name)
    if kind == "Group":
        name = subject["group"]["name"]
        return name == "*" or name in user.groups
    if kind == "ServiceAccount":
        account = subject["serviceAccount"]
        prefix = f"{_ACCOUNT}{account['namespace']}:"
        if account["name"] == "*":
            return user.name.startswith(prefix)
        return bool(user.name == prefix + account["name"])
    return False


def _resource_matches(rule: Object, info: RequestInfo) -> bool:
    if not _has(rule.get("verbs"), info.verb) or not _has(rule.get("apiGroups"), info.group):
        return False
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not _has(rule.get("resources"), resource):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _has(rule.get("namespaces"), info.namespace)


def _path_matches(rule: Object, info: RequestInfo) -> bool:
    if not _has(rule.get("verbs"), info.verb):
        return False
    for pattern in rule.get("nonResourceURLs") or ():
        if pattern in ("*", info.path):
            return True
        if pattern.endswith("/*") and info.path.startswith(pattern[:-1]):
            return True
    return False


def _has(values: list[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)
