"""Claims of the class of `roost up` get a directory of the node that their pod was given.

This is a provisioner in the sense of the persistentvolume-binder: it answers to the name in a
StorageClass. It only writes and deletes volumes; the agent of the node (roost.node.localvolumes) makes
the directory and, before a volume goes, removes it. Nodes that offer such directories say where, in an
annotation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    annotations_of,
    deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Create, Delete, Patch, Plan
from roost.decisions.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
)
from roost.decisions.volumes import (
    LOCAL_PATH,
    LOCAL_PATH_ROOT,
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    claim_reference,
    class_of,
    phase_of,
    request_of,
    waits_for_consumer,
)

HOSTNAME = "kubernetes.io/hostname"
_OURS = "local-path"


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim that waits for a volume of ours, its class, and the node for it if there is one."""

    claim: Object
    storage_class: Object
    selected: str
    node: Object | None


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume of ours, and whether its node is still known."""

    volume: Object
    node_known: bool


View = ClaimView | VolumeView


def node_of_volume(volume: Object) -> str:
    """Return the host name of the node that a volume of ours is on."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchExpressions") or ():
            if one["key"] == HOSTNAME and one.get("values"):
                found: str = one["values"][0]
                return found
    return ""


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return what is ours to make or to let go."""
    if not key.namespace:
        volume = caches[PERSISTENT_VOLUMES].get(*key)
        if volume is None or annotations_of(volume).get(PROVISIONED_BY) != LOCAL_PATH:
            return None
        host = node_of_volume(volume)
        known = any(labels_of(node).get(HOSTNAME) == host for node in caches[NODES].all())
        return VolumeView(volume, known)
    claim = caches[PERSISTENT_VOLUME_CLAIMS].get(*key)
    if claim is None or claim["spec"].get("volumeName") or deleting(claim):
        return None
    if annotations_of(claim).get(STORAGE_PROVISIONER) != LOCAL_PATH:
        return None
    storage_class = caches[STORAGE_CLASSES].get("", class_of(claim))
    if storage_class is None:
        return None
    selected = annotations_of(claim).get(SELECTED_NODE, "")
    if selected:
        return ClaimView(claim, storage_class, selected, caches[NODES].get("", selected))
    if waits_for_consumer(storage_class):
        return None
    able = sorted(
        (node for node in caches[NODES].all() if LOCAL_PATH_ROOT in annotations_of(node)),
        key=name_of,
    )
    return ClaimView(claim, storage_class, "", able[0] if able else None)


def reconcile(view: View) -> Plan:
    """Make the volume of a claim, or see a released one out."""
    return _provision(view) if isinstance(view, ClaimView) else _let_go(view)


def _provision(view: ClaimView) -> Plan:
    claim = view.claim
    regarding = object_reference(PERSISTENT_VOLUME_CLAIMS, "PersistentVolumeClaim", claim)
    name = f"pvc-{uid_of(claim)}"
    root = annotations_of(view.node).get(LOCAL_PATH_ROOT) if view.node is not None else None
    fault = ""
    if view.node is None or not root:
        where = f'node "{view.selected}"' if view.selected else "no node"
        fault = f"{where} has no folder for volumes of {LOCAL_PATH}"
    elif claim["spec"].get("volumeMode") == "Block":
        fault = f"{LOCAL_PATH} does not make block devices"
    elif claim["spec"].get("dataSource") or claim["spec"].get("dataSourceRef"):
        fault = f"{LOCAL_PATH} does not fill volumes from a data source"
    if fault:
        text = (
            f'failed to provision volume with StorageClass "{name_of(view.storage_class)}": {fault}'
        )
        event = warning(regarding, "ProvisioningFailed", text)
        if not view.selected:
            return Plan((event,))
        # The scheduler learns by this that it has to choose again.
        body = {
            "metadata": {
                "resourceVersion": version_of(claim),
                "annotations": {SELECTED_NODE: None},
            }
        }
        return Plan((event, Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body)))
    assert view.node is not None
    assert root is not None
    begun = (
        f'External provisioner is provisioning volume for claim "{namespace_of(claim)}/'
        f'{name_of(claim)}"'
    )
    made = normal(regarding, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
    volume = _volume(view, name, f"{root.rstrip('/')}/{name}", _host(view.node))
    return Plan((
        normal(regarding, "Provisioning", begun),
        Create(PERSISTENT_VOLUMES, volume, tolerate_existing=True, announce=made),
    ))  # fmt: skip


def _host(node: Object) -> str:
    return labels_of(node).get(HOSTNAME, name_of(node))


def _volume(view: ClaimView, name: str, path: str, host: str) -> Object:
    claim, storage_class = view.claim, view.storage_class
    term = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {PROVISIONED_BY: LOCAL_PATH},
            "finalizers": [LOCAL_PATH],
        },
        "spec": {
            "accessModes": claim["spec"].get("accessModes") or ["ReadWriteOnce"],
            "capacity": {"storage": request_of(claim)},
            "claimRef": claim_reference(claim),
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": name_of(storage_class),
            "volumeMode": "Filesystem",
        },
    }


def _let_go(view: VolumeView) -> Plan:
    """Delete what is released; take back the finalizer where no agent is left to do it."""
    volume = view.volume
    finalizers = volume["metadata"].get("finalizers") or []
    if deleting(volume):
        if view.node_known or LOCAL_PATH not in finalizers:
            return NOTHING
        body = {
            "metadata": {
                "resourceVersion": version_of(volume),
                "finalizers": [name for name in finalizers if name != LOCAL_PATH],
            }
        }
        return Plan((Patch(ref_of(PERSISTENT_VOLUMES, volume), body),))
    policy = volume["spec"].get("persistentVolumeReclaimPolicy")
    if phase_of(volume) == "Released" and policy == "Delete":
        return Plan((Delete(ref_of(PERSISTENT_VOLUMES, volume)),))
    return NOTHING


def _is_ours(volume: Object) -> Iterable[str]:
    return (_OURS,) if annotations_of(volume).get(PROVISIONED_BY) == LOCAL_PATH else ()


def _wants_ours(claim: Object) -> Iterable[str]:
    ours = annotations_of(claim).get(STORAGE_PROVISIONER) == LOCAL_PATH
    return (_OURS,) if ours and not claim["spec"].get("volumeName") else ()


def _claim_keys(claim: Object, _caches: Caches) -> Iterable[Key]:
    return (key_of(claim),) if _wants_ours(claim) else ()


def _volume_keys(volume: Object, _caches: Caches) -> Iterable[Key]:
    return (key_of(volume),) if _is_ours(volume) else ()


def _everything(_obj: Object, caches: Caches) -> Iterable[Key]:
    """A node or a class has changed: what waits may go on, what goes may be gone."""
    for claim in caches[PERSISTENT_VOLUME_CLAIMS].by(_OURS, _OURS):
        yield key_of(claim)
    for volume in caches[PERSISTENT_VOLUMES].by(_OURS, _OURS):
        if deleting(volume):
            yield key_of(volume)


CONTROLLER: Controller[View] = Controller(
    name="local-path-provisioner-controller",
    component=LOCAL_PATH,
    watches=(
        Watch(PERSISTENT_VOLUME_CLAIMS, _claim_keys, {_OURS: _wants_ours}),
        Watch(PERSISTENT_VOLUMES, _volume_keys, {_OURS: _is_ours}),
        Watch(STORAGE_CLASSES, _everything),
        Watch(NODES, _everything),
    ),
    view=view,
    reconcile=reconcile,
)
