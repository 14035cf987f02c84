"""Namespaces have what pods need from the start: the `default` ServiceAccount and the CA's ConfigMap.

Two controllers, of one shape: an object with a fixed name, made in every namespace that is not ending,
made again when it is deleted, and (the ConfigMap) put right when it is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import deleting
from roost.decisions.plan import NOTHING, Create, Plan, Update
from roost.decisions.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS

DEFAULT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = "kubernetes.io/description"
_DESCRIPTION_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


@dataclass(frozen=True, slots=True)
class View:
    """A namespace that is not ending, and the object it should have."""

    namespace: str
    existing: Object | None


def _namespace_keys(namespace: Object, _caches: Caches) -> Iterable[Key]:
    return (Key("", namespace["metadata"]["name"]),)


def _ends(namespace: Object | None) -> bool:
    if namespace is None or deleting(namespace):
        return True
    return bool((namespace.get("status") or {}).get("phase") == "Terminating")


def _account_keys(account: Object, _caches: Caches) -> Iterable[Key]:
    metadata = account["metadata"]
    return (Key("", metadata["namespace"]),) if metadata["name"] == DEFAULT else ()


def _account_view(caches: Caches, key: Key, _now: float) -> View | None:
    if _ends(caches[NAMESPACES].get("", key.name)):
        return None
    return View(key.name, caches[SERVICE_ACCOUNTS].get(key.name, DEFAULT))


def reconcile_account(view: View) -> Plan:
    """Make the default service account where it is missing."""
    if view.existing is not None:
        return NOTHING
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": DEFAULT, "namespace": view.namespace},
    }
    return Plan((Create(SERVICE_ACCOUNTS, account, tolerate_existing=True),))


SERVICE_ACCOUNT = Controller(
    name="serviceaccount-controller",
    watches=(Watch(NAMESPACES, _namespace_keys), Watch(SERVICE_ACCOUNTS, _account_keys)),
    view=_account_view,
    reconcile=reconcile_account,
)


def _map_keys(config_map: Object, _caches: Caches) -> Iterable[Key]:
    metadata = config_map["metadata"]
    return (Key("", metadata["namespace"]),) if metadata["name"] == ROOT_CA else ()


def _map_view(caches: Caches, key: Key, _now: float) -> View | None:
    if _ends(caches[NAMESPACES].get("", key.name)):
        return None
    return View(key.name, caches[CONFIG_MAPS].get(key.name, ROOT_CA))


def reconcile_root_ca(view: View, ca_pem: str) -> Plan:
    """Make the ConfigMap, or put right its data and its description."""
    data, existing = {"ca.crt": ca_pem}, view.existing
    if existing is None:
        made: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": ROOT_CA,
                "namespace": view.namespace,
                "annotations": {_DESCRIPTION: _DESCRIPTION_TEXT},
            },
            "data": data,
        }
        return Plan((Create(CONFIG_MAPS, made, tolerate_existing=True),))
    annotations = existing["metadata"].get("annotations") or {}
    if existing.get("data") == data and annotations.get(_DESCRIPTION):
        return NOTHING
    metadata = {
        **existing["metadata"],
        "annotations": {**annotations, _DESCRIPTION: _DESCRIPTION_TEXT},
    }
    return Plan((Update(CONFIG_MAPS, {**existing, "metadata": metadata, "data": data}),))


def root_ca_publisher(ca_pem: str) -> Controller[View]:
    """Return the controller that publishes this CA bundle in every namespace."""
    return Controller(
        name="root-ca-certificate-publisher-controller",
        watches=(Watch(NAMESPACES, _namespace_keys), Watch(CONFIG_MAPS, _map_keys)),
        view=_map_view,
        reconcile=lambda view: reconcile_root_ca(view, ca_pem),
    )
