"""The starting roles and bindings as objects, and what is missing from those that exist.

`missing(existing)` is the reconciliation: it creates what is absent and adds rules and subjects that
went missing, but never takes anything away, and leaves alone what an administrator marked with
`rbac.authorization.kubernetes.io/autoupdate: "false"`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from roost.api.kind import Resource
from roost.api.values import Object, Value
from roost.apiserver.access.aggregation import aggregated_rules
from roost.apiserver.access.bootstrap.cluster import AGGREGATED, BINDINGS, JOINING, PARTS, ROLES
from roost.apiserver.access.bootstrap.controllers import CONTROLLER_ROLES
from roost.apiserver.access.bootstrap.namespaces import NAMESPACE_BINDINGS, NAMESPACE_ROLES
from roost.apiserver.access.escalation import missing_rules
from roost.apiserver.access.rbac import GROUP

VERSION = "v1"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
CLUSTER_ROLES = Resource(GROUP, VERSION, "clusterroles")
CLUSTER_ROLE_BINDINGS = Resource(GROUP, VERSION, "clusterrolebindings")
ROLES_RESOURCE = Resource(GROUP, VERSION, "roles")
ROLE_BINDINGS = Resource(GROUP, VERSION, "rolebindings")
RESOURCES = (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES_RESOURCE, ROLE_BINDINGS)

_KINDS = {
    CLUSTER_ROLES: "ClusterRole",
    CLUSTER_ROLE_BINDINGS: "ClusterRoleBinding",
    ROLES_RESOURCE: "Role",
    ROLE_BINDINGS: "RoleBinding",
}
Existing = dict[tuple[Resource, str, str], Object]


class Write(NamedTuple):
    """One object to create (`exists` is False) or to update."""

    resource: Resource
    object: Object
    exists: bool


def starting_objects() -> list[tuple[Resource, Object]]:
    """Return every role and binding a cluster starts with, roles first."""
    roles = _cluster_roles()
    found: list[tuple[Resource, Object]] = [(CLUSTER_ROLES, role) for role in roles]
    for (namespace, name), rules in NAMESPACE_ROLES.items():
        found.append((ROLES_RESOURCE, _role(ROLES_RESOURCE, name, rules, namespace)))
    for name, subjects in BINDINGS.items():
        found.append((CLUSTER_ROLE_BINDINGS, _binding(name, "ClusterRole", name, subjects)))
    for name, (role, subject) in JOINING.items():
        found.append((CLUSTER_ROLE_BINDINGS, _binding(name, "ClusterRole", role, (subject,))))
    for controller in CONTROLLER_ROLES:
        account = (("ServiceAccount", f"kube-system/{controller}"),)
        role = f"system:controller:{controller}"
        found.append((CLUSTER_ROLE_BINDINGS, _binding(role, "ClusterRole", role, account)))
    for (namespace, name), (role, subjects) in NAMESPACE_BINDINGS.items():
        found.append((ROLE_BINDINGS, _binding(name, "Role", role, subjects, namespace)))
    return found


def missing(existing: Iterable[tuple[Resource, Object]]) -> list[Write]:
    """Return the writes that bring what exists up to what a cluster starts with."""
    have: Existing = {
        (resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj
        for resource, obj in existing
    }
    writes: list[Write] = []
    for resource, wanted in starting_objects():
        metadata = wanted["metadata"]
        found = have.get((resource, metadata.get("namespace", ""), metadata["name"]))
        if found is None:
            writes.append(Write(resource, wanted, exists=False))
        elif (better := _improved(found, wanted)) is not None:
            writes.append(Write(resource, better, exists=True))
    return writes


def _improved(found: Object, wanted: Object) -> Object | None:
    """Return the object with what it lacks, or None if it lacks nothing or is not to be touched."""
    metadata = found["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    better = {**found}
    labels = {**(metadata.get("labels") or {}), **wanted["metadata"]["labels"]}
    if labels != metadata.get("labels"):
        better["metadata"] = {**metadata, "labels": labels}
    if "roleRef" in wanted:
        subjects = list(found.get("subjects") or ())
        lacking = [subject for subject in wanted.get("subjects", ()) if subject not in subjects]
        if lacking:
            better["subjects"] = subjects + lacking
    elif "aggregationRule" not in wanted:
        rules = list(found.get("rules") or ())
        lacking = [rule for rule in wanted["rules"] if missing_rules(rules, (rule,))]
        if lacking:
            better["rules"] = rules + lacking
    return better if better != found else None


def _cluster_roles() -> list[Object]:
    roles = [_role(CLUSTER_ROLES, name, rules) for name, rules in ROLES.items()]
    roles += [
        _role(CLUSTER_ROLES, f"system:controller:{name}", rules)
        for name, rules in CONTROLLER_ROLES.items()
    ]
    # The inner ones first: view is part of edit, edit is part of admin.
    for name, label in reversed(AGGREGATED.items()):
        role = _role(CLUSTER_ROLES, name, ())
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}
        role["rules"] = aggregated_rules(role, roles)
        roles.append(role)
    return roles


def _metadata(name: str, namespace: str) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    metadata["annotations"] = {AUTOUPDATE: "true"}
    return metadata


def _role(resource: Resource, name: str, rules: Iterable[Object], namespace: str = "") -> Object:
    metadata = _metadata(name, namespace)
    if not namespace and name in PARTS:
        metadata["labels"][PARTS[name]] = "true"
    return {
        "kind": _KINDS[resource],
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "rules": list(rules),
    }


def _binding(
    name: str,
    role_kind: str,
    role: str,
    subjects: Iterable[tuple[str, str]],
    namespace: str = "",
) -> Object:
    resource = ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS
    binding: Object = {
        "kind": _KINDS[resource],
        "apiVersion": resource.api_version,
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
    }
    listed = [_subject(kind, who) for kind, who in subjects]
    if listed:
        binding["subjects"] = listed
    return binding


def _subject(kind: str, name: str) -> Value:
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "name": account, "namespace": namespace}
    return {"kind": kind, "apiGroup": GROUP, "name": name}
