"""An audit policy (audit.k8s.io/v1 Policy): how much to record of which request. Pure.

The first rule that matches says how much; without one nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from roost.api.names import check_subdomain
from roost.apiserver.attributes import User
from roost.apiserver.requestinfo import RequestInfo

STAGES: Final = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
RECEIVED, STARTED, COMPLETE, PANIC = STAGES
_API_VERSION: Final = "audit.k8s.io/v1"


#: A group of a rule that stands for all of them.
ANY_GROUP: Final = "*"


class PolicyError(ValueError):
    """The policy cannot be used; the message names the field."""


class Level(IntEnum):
    """How much is recorded."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


_LEVELS: Final = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
LEVEL_NAMES: Final = {level: name for name, level in _LEVELS.items()}


@dataclass(frozen=True, slots=True)
class GroupResources:
    """Resources of one API group; nothing named means all."""

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Empty fields match everything."""

    level: Level
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order."""

    rules: tuple[Rule, ...]

    def rule(self, user: User | None, info: RequestInfo, name: str = "") -> Rule:
        """Return the rule for a request; nobody knows who asks if `user` is None.

        `name` is that of the object, if it is not in the path.
        """
        for rule in self.rules:
            if _matches(rule, user, info, info.name or name):
                return rule
        return _NOTHING


_NOTHING: Final = Rule(Level.NONE)


def parse_policy(document: Any) -> Policy:
    """Read a policy from its YAML, loaded. Raises PolicyError."""
    if not isinstance(document, Mapping):
        raise PolicyError("it must be an object")
    if document.get("apiVersion") != _API_VERSION or document.get("kind") != "Policy":
        raise PolicyError(f"it must be of apiVersion {_API_VERSION} and kind Policy")
    _known(document, ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"))
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules:
        raise PolicyError("rules: there must be at least one")
    omitted = _stages(document, "omitStages")
    managed = bool(document.get("omitManagedFields"))
    return Policy(
        tuple(_rule(each, f"rules[{at}]", omitted, managed) for at, each in enumerate(rules))
    )


_RULE_FIELDS: Final = (
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs",
    "omitStages", "omitManagedFields",
)  # fmt: skip


def _rule(value: Any, where: str, omitted: frozenset[str], managed: bool) -> Rule:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{where} must be an object")
    _known(value, _RULE_FIELDS, f"{where}.")
    level = _LEVELS.get(str(value.get("level")))
    if level is None:
        listed = ", ".join(_LEVELS)
        raise PolicyError(f"{where}.level: {value.get('level')!r} must be one of {listed}")
    paths = _texts(value, "nonResourceURLs", where)
    if paths and (value.get("resources") or value.get("namespaces")):
        raise PolicyError(f"{where}: rules cannot apply to both resources and nonResourceURLs")
    for path in paths:
        if path != "*" and (not path.startswith("/") or "*" in path[:-1]):
            raise PolicyError(f"{where}.nonResourceURLs: {path!r} is no path, nor ends with a '*'")
    resources = value.get("resources") or []
    if not isinstance(resources, list):
        raise PolicyError(f"{where}.resources must be a list")
    own = value.get("omitManagedFields")
    return Rule(
        level,
        _texts(value, "users", where),
        _texts(value, "userGroups", where),
        _texts(value, "verbs", where),
        tuple(_resources(each, f"{where}.resources[{at}]") for at, each in enumerate(resources)),
        _texts(value, "namespaces", where),
        paths,
        omitted | _stages(value, "omitStages", f"{where}."),
        managed if own is None else bool(own),
    )


def _resources(value: Any, where: str) -> GroupResources:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{where} must be an object")
    _known(value, ("group", "resources", "resourceNames"), f"{where}.")
    names = _texts(value, "resourceNames", where)
    resources = _texts(value, "resources", where)
    if names and not resources:
        raise PolicyError(f"{where}.resourceNames: using them requires at least one resource")
    group = str(value.get("group") or "")
    if group not in ("", ANY_GROUP) and check_subdomain(group):
        raise PolicyError(f"{where}.group: {group!r} is no API group, which has no version either")
    return GroupResources(group, resources, names)


def _known(value: Mapping[str, Any], fields: tuple[str, ...], where: str = "") -> None:
    for name in value:
        if name not in fields:
            raise PolicyError(f'unknown field "{where}{name}"')


def _texts(value: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    found = value.get(name) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise PolicyError(f"{where}.{name} must be a list of texts")
    return tuple(found)


def _stages(value: Mapping[str, Any], name: str, where: str = "") -> frozenset[str]:
    found = _texts(value, name, where.rstrip("."))
    for stage in found:
        if stage not in STAGES:
            raise PolicyError(f"{where}{name}: {stage!r} must be one of {', '.join(STAGES)}")
    return frozenset(found)


def _matches(rule: Rule, user: User | None, info: RequestInfo, name: str) -> bool:
    if rule.users and (user is None or user.name not in rule.users):
        return False
    if rule.groups and not any(group in rule.groups for group in (user.groups if user else ())):
        return False
    if rule.verbs and info.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return info.is_resource and _resource_matches(rule, info, name)
    if rule.paths:
        return not info.is_resource and any(_path_matches(path, info.path) for path in rule.paths)
    return True


def _path_matches(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return pattern == path


def _resource_matches(rule: Rule, info: RequestInfo, name: str) -> bool:
    if rule.namespaces and info.namespace not in rule.namespaces:
        return False
    if not rule.resources:
        return True
    combined = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    for each in rule.resources:
        if each.group not in (info.group, ANY_GROUP):
            continue
        if not each.resources:
            return True
        if each.names and name not in each.names:
            continue
        for pattern in each.resources:
            if pattern in ("*", combined) or pattern == f"{info.resource}/*":
                return True
            if info.subresource and pattern == f"*/{info.subresource}":
                return True
    return False
