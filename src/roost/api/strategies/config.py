"""Strategies of namespaces, nodes, secrets and other plain core kinds."""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.strategies.strategy import Strategy, take

_FINALIZER = "kubernetes"


def _namespace_create(change: Change) -> None:
    """A namespace begins Active, and with the finaliser that empties it before it goes."""
    value = change.object
    value["status"] = {"phase": "Active"}
    finalizers = value.setdefault("spec", {}).setdefault("finalizers", [])
    if _FINALIZER not in finalizers:
        finalizers.append(_FINALIZER)


def _namespace_update(change: Change) -> None:
    """Only `finalize` writes spec.finalizers."""
    old = change.old or {}
    spec = change.object.setdefault("spec", {})
    take(spec, old.get("spec") or {}, "finalizers")


_NAMESPACE = Strategy(status={}, create=_namespace_create, update=_namespace_update)


def namespace(change: Change) -> None:
    """Prepare a write of a namespace, its status or its finalizers."""
    _NAMESPACE(change)
    if change.subresource == "finalize" and change.old is not None:
        take(change.object, change.old, "status")


def _node_create(change: Change) -> None:
    """Nobody configures agents through the API any more."""
    change.object.setdefault("spec", {}).pop("configSource", None)
    (change.object.get("status") or {}).pop("config", None)


def _node_update(change: Change) -> None:
    if ((change.old or {}).get("spec") or {}).get("configSource") is None:
        change.object.setdefault("spec", {}).pop("configSource", None)


def _node_status(change: Change) -> None:
    if ((change.old or {}).get("status") or {}).get("config") is None:
        (change.object.get("status") or {}).pop("config", None)


NODE = Strategy(
    status={},
    status_on_create=True,
    create=_node_create,
    update=_node_update,
    status_update=_node_status,
)


def _bare_secrets(change: Change) -> None:
    """Secrets of a service account are those of its namespace, so that only their names count."""
    secrets = change.object.get("secrets")
    if secrets:
        change.object["secrets"] = [
            {key: one[key] for key in ("name",) if one.get(key)} for one in secrets
        ]


SERVICE_ACCOUNT = Strategy(create=_bare_secrets, update=_bare_secrets)


def _limit_range_create(change: Change) -> None:
    """A LimitRange without a name gets one: its uid, which is set before."""
    meta = change.object["metadata"]
    if not meta.get("name") and meta.get("uid"):
        meta["name"] = meta["uid"]


LIMIT_RANGE = Strategy(create=_limit_range_create)
