"""The roles and bindings inside kube-system and kube-public."""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.access.bootstrap.rule import EVENTS, READ, rule

_SYSTEM, _PUBLIC = "kube-system", "kube-public"
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_LOCKING_MANAGER = "system::leader-locking-kube-controller-manager"
_LOCKING_SCHEDULER = "system::leader-locking-kube-scheduler"
_READER = "extension-apiserver-authentication-reader"

#: (namespace, name) -> rules.
NAMESPACE_ROLES: dict[tuple[str, str], tuple[Object, ...]] = {
    (_SYSTEM, _READER): (rule(READ, "core", "configmaps", "extension-apiserver-authentication"),),
    (_SYSTEM, "system:controller:bootstrap-signer"): (rule(READ, "core", "secrets"),),
    (_SYSTEM, "system:controller:cloud-provider"): (
        rule("create get list watch", "core", "configmaps"),
    ),
    (_SYSTEM, "system:controller:token-cleaner"): (
        rule("get list watch delete", "core", "secrets"),
        EVENTS,
    ),
    (_SYSTEM, _LOCKING_MANAGER): (
        rule("watch", "core", "configmaps"),
        rule("get update", "core", "configmaps", "kube-controller-manager"),
    ),
    (_SYSTEM, _LOCKING_SCHEDULER): (
        rule("watch", "core", "configmaps"),
        rule("get update", "core", "configmaps", "kube-scheduler"),
    ),
    (_PUBLIC, "system:controller:bootstrap-signer"): (
        rule(READ, "core", "configmaps"),
        rule("update", "core", "configmaps", "cluster-info"),
        EVENTS,
    ),
}

#: (namespace, name) -> (role, subjects); subjects as in cluster.BINDINGS.
NAMESPACE_BINDINGS: dict[tuple[str, str], tuple[str, tuple[tuple[str, str], ...]]] = {
    (_SYSTEM, f"system::{_READER}"): (_READER, (("User", _MANAGER), ("User", _SCHEDULER))),
    (_SYSTEM, _LOCKING_MANAGER): (
        _LOCKING_MANAGER,
        (("User", _MANAGER), ("ServiceAccount", "kube-system/kube-controller-manager")),
    ),
    (_SYSTEM, _LOCKING_SCHEDULER): (
        _LOCKING_SCHEDULER,
        (("User", _SCHEDULER), ("ServiceAccount", "kube-system/kube-scheduler")),
    ),
    (_SYSTEM, "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        (("ServiceAccount", "kube-system/bootstrap-signer"),),
    ),
    (_SYSTEM, "system:controller:cloud-provider"): (
        "system:controller:cloud-provider",
        (("ServiceAccount", "kube-system/cloud-provider"),),
    ),
    (_SYSTEM, "system:controller:token-cleaner"): (
        "system:controller:token-cleaner",
        (("ServiceAccount", "kube-system/token-cleaner"),),
    ),
    (_PUBLIC, "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        (("ServiceAccount", "kube-system/bootstrap-signer"),),
    ),
}
