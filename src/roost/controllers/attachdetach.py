"""Volumes of CSI drivers that must be attached get a VolumeAttachment for each node that uses them.

The driver's attacher does the work. An attachment goes when no pod on its node uses the volume any more
and the node does not say that it still has it in use. Keys are nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.storageprotection import BY_CLAIM, by_claim, claims_of
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    annotations_of,
    deleting,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
)
from roost.decisions.plan import Action, Create, Delete, Patch, Plan
from roost.decisions.pods import by_node, finished, node_of
from roost.decisions.resources import (
    CSI_DRIVERS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
)
from roost.decisions.volumes import is_bound

_BY_NODE = "node"
_MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"


@dataclass(frozen=True, slots=True)
class View:
    """A node, the volumes that its pods use by name, each with one such pod, and its attachments.

    `sources` are the volumes of the attachments by name; `unattached` are drivers whose volumes are
    not attached at all.
    """

    node: Object | None
    name: str
    wanted: Mapping[str, tuple[Object, Object]]
    attachments: tuple[Object, ...]
    sources: Mapping[str, Object]
    unattached: frozenset[str]


def attachment_name(volume: Object, node: str) -> str:
    """Return the name under which drivers look for the attachment."""
    csi = volume["spec"]["csi"]
    text = f"{csi['volumeHandle']}{csi['driver']}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def unique_name(volume: Object) -> str:
    """Return what the node calls the volume."""
    csi = volume["spec"]["csi"]
    return f"kubernetes.io/csi/{csi['driver']}^{csi['volumeHandle']}"


def _source(attachment: Object) -> str:
    name: str = (attachment["spec"].get("source") or {}).get("persistentVolumeName", "")
    return name


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the node with what its pods need attached."""
    volumes = caches[PERSISTENT_VOLUMES]
    wanted: dict[str, tuple[Object, Object]] = {}
    for pod in caches[PODS].by(_BY_NODE, key.name):
        if finished(pod):
            continue
        for claim_name in claims_of(pod):
            claim = caches[PERSISTENT_VOLUME_CLAIMS].get(namespace_of(pod), claim_name)
            if claim is None or not is_bound(claim):
                continue
            volume = volumes.get("", claim["spec"]["volumeName"])
            if volume is not None and "csi" in volume["spec"]:
                wanted.setdefault(name_of(volume), (volume, pod))
    attachments = tuple(caches[VOLUME_ATTACHMENTS].by(_BY_NODE, key.name))
    node = caches[NODES].get("", key.name)
    reported = ((node or {}).get("status") or {}).get("volumesAttached")
    if not (wanted or attachments or reported):
        return None
    found = (volumes.get("", _source(one)) for one in attachments)
    sources = {name_of(v): v for v in found if v is not None and "csi" in v["spec"]}
    unattached = frozenset(
        name_of(driver)
        for driver in caches[CSI_DRIVERS].all()
        if (driver.get("spec") or {}).get("attachRequired") is False
    )
    return View(node, key.name, wanted, attachments, sources, unattached)


def reconcile(view: View) -> Plan:
    """Attach what is needed, detach what is not, and write down what is attached."""
    known = {name_of(one): one for one in view.attachments}
    needed: dict[str, Object] = {}
    actions: list[Action] = []
    for volume, pod in view.wanted.values():
        if view.node is None or volume["spec"]["csi"]["driver"] in view.unattached:
            continue
        name = attachment_name(volume, view.name)
        needed[name] = volume
        if name not in known and not deleting(pod) and not deleting(volume):
            body = _attachment(name, volume, view.name)
            actions.append(Create(VOLUME_ATTACHMENTS, body, tolerate_existing=True))
    for name, attachment in known.items():
        if name in needed or deleting(attachment) or not name.startswith("csi-"):
            continue
        if not _in_use(view, attachment):
            actions.append(Delete(ref_of(VOLUME_ATTACHMENTS, attachment)))
    attached = [
        volume
        for name, volume in needed.items()
        if ((known.get(name) or {}).get("status") or {}).get("attached")
    ]
    return Plan((*actions, *_reported(view, attached)))


def _in_use(view: View, attachment: Object) -> bool:
    """Say whether the node may still have the volume mounted."""
    if view.node is None:
        return False
    volume = view.sources.get(_source(attachment))
    listed = (view.node.get("status") or {}).get("volumesInUse") or ()
    return volume is not None and unique_name(volume) in listed


def _attachment(name: str, volume: Object, node: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": name},
        "spec": {
            "attacher": volume["spec"]["csi"]["driver"],
            "nodeName": node,
            "source": {"persistentVolumeName": name_of(volume)},
        },
    }


def _reported(view: View, volumes: Iterable[Object]) -> Iterable[Action]:
    """Write status.volumesAttached of a node that leaves attaching to this controller."""
    if view.node is None or _MANAGED not in annotations_of(view.node):
        return
    wanted = {unique_name(volume) for volume in volumes}
    before = {one["name"] for one in (view.node.get("status") or {}).get("volumesAttached") or ()}
    for name in sorted(wanted - before):
        volume = next(v for v, _ in view.wanted.values() if unique_name(v) == name)
        text = f'AttachVolume.Attach succeeded for volume "{name_of(volume)}" '
        regarding = object_reference(PODS, "Pod", view.wanted[name_of(volume)][1])
        yield normal(regarding, "SuccessfulAttachVolume", text)
    if wanted != before:
        listed = [{"name": name, "devicePath": ""} for name in sorted(wanted)]
        body = {
            "metadata": {"uid": uid_of(view.node)},
            "status": {"volumesAttached": listed or None},
        }
        yield Patch(ref_of(NODES, view.node), body, subresource="status")


def _attachment_node(attachment: Object) -> Iterable[str]:
    return (attachment["spec"]["nodeName"],)


def _attachment_keys(attachment: Object, _caches: Caches) -> Iterable[Key]:
    return (Key("", attachment["spec"]["nodeName"]),)


def _pod_keys(pod: Object, _caches: Caches) -> Iterable[Key]:
    if node_of(pod) and any(True for _ in claims_of(pod)):
        return (Key("", node_of(pod)),)
    return ()


def _users(claim: str, caches: Caches) -> Iterable[Key]:
    return [Key("", node_of(pod)) for pod in caches[PODS].by(BY_CLAIM, claim) if node_of(pod)]


def _claim_keys(claim: Object, caches: Caches) -> Iterable[Key]:
    return _users(f"{namespace_of(claim)}/{name_of(claim)}", caches)


def _volume_keys(volume: Object, caches: Caches) -> Iterable[Key]:
    reference = volume["spec"].get("claimRef")
    if reference is None or "csi" not in volume["spec"]:
        return ()
    return _users(f"{reference.get('namespace', '')}/{reference.get('name', '')}", caches)


def _node_keys(node: Object, _caches: Caches) -> Iterable[Key]:
    return (Key("", name_of(node)),)


def _driver_keys(_driver: Object, caches: Caches) -> Iterable[Key]:
    return [Key("", name_of(node)) for node in caches[NODES].all()]


CONTROLLER = Controller(
    name="persistentvolume-attach-detach-controller",
    component="attachdetach-controller",
    watches=(
        Watch(NODES, _node_keys),
        Watch(PODS, _pod_keys, {_BY_NODE: by_node, BY_CLAIM: by_claim}),
        Watch(PERSISTENT_VOLUME_CLAIMS, _claim_keys),
        Watch(PERSISTENT_VOLUMES, _volume_keys),
        Watch(VOLUME_ATTACHMENTS, _attachment_keys, {_BY_NODE: _attachment_node}),
        Watch(CSI_DRIVERS, _driver_keys),
    ),
    view=view,
    reconcile=reconcile,
)
