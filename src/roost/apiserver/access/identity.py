"""Who somebody is: names and groups of users, service accounts and nodes.

Rule: names that begin with `system:` have the meaning that Kubernetes gave them, nowhere else decided.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from roost.apiserver.attributes import User

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
NODES = "system:nodes"
SERVICE_ACCOUNTS = "system:serviceaccounts"
BOOTSTRAPPERS = "system:bootstrappers"
ANONYMOUS_NAME = "system:anonymous"

_ACCOUNT_PREFIX = "system:serviceaccount:"
_NODE_PREFIX = "system:node:"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
NODE_NAME = "authentication.kubernetes.io/node-name"
NODE_UID = "authentication.kubernetes.io/node-uid"


def from_certificate(common_name: str, organizations: Sequence[str], sha256: str) -> User:
    """Return the user that a verified client certificate names (`sha256` is its hex digest)."""
    groups = with_group(tuple(organizations), AUTHENTICATED)
    return User(common_name, groups, extra={CREDENTIAL_ID: (f"X509SHA256={sha256}",)})


def with_group(groups: tuple[str, ...], group: str) -> tuple[str, ...]:
    """Return the groups with one more, unless it is there already."""
    return groups if group in groups else (*groups, group)


def service_account_name(namespace: str, name: str) -> str:
    return f"{_ACCOUNT_PREFIX}{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    return (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}")


def service_account_user(
    namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]]
) -> User:
    """Return the user that a service account's token stands for."""
    groups = (*service_account_groups(namespace), AUTHENTICATED)
    return User(service_account_name(namespace, name), groups, uid, extra)


def split_service_account(username: str) -> tuple[str, str] | None:
    """Return (namespace, name) of a service account's username, else None."""
    if not username.startswith(_ACCOUNT_PREFIX):
        return None
    namespace, colon, name = username[len(_ACCOUNT_PREFIX) :].partition(":")
    if not colon or not _is_label(namespace) or not _is_subdomain(name):
        return None
    return namespace, name


def node_username(node: str) -> str:
    return _NODE_PREFIX + node


def split_node(username: str) -> str | None:
    """Return the node that a username names, else None."""
    name = username.removeprefix(_NODE_PREFIX)
    return name if name != username and _is_subdomain(name) else None


def node_of(user: User) -> str | None:
    """Return the node a user acts as: it needs both the name and the group. Else None."""
    if not user.name.startswith(_NODE_PREFIX) or NODES not in user.groups:
        return None
    return user.name[len(_NODE_PREFIX) :] or None


def _is_label(text: str) -> bool:
    return len(text) <= 63 and _LABEL.fullmatch(text) is not None


def _is_subdomain(text: str) -> bool:
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None
