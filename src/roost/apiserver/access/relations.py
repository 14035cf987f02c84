"""Which objects a node's own pods lead to: the index behind the Node authoriser.

A pod belongs to its node and refers to accounts, secrets, config maps and claims. A persistent
volume is reached through its claim, and its secrets through the volume. Rule: a question is a few
dictionary look-ups, however many pods there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from roost.api.values import Object
from roost.decisions.podreferences import references

#: (plural, namespace, name) of an object.
Vertex: TypeAlias = tuple[str, str, str]

_MIRROR = "kubernetes.io/config.mirror"


class Relations:
    """The index. `put` takes objects of RELATED_KINDS, `remove` forgets one."""

    def __init__(self) -> None:
        self._node_of: dict[Vertex, str] = {}
        self._targets: dict[Vertex, tuple[Vertex, ...]] = {}
        self._reached: dict[str, dict[Vertex, int]] = {}  # node -> object -> by how many pods
        self._claim_of: dict[Vertex, Vertex] = {}
        self._volumes_with: dict[Vertex, set[Vertex]] = {}

    def put(self, kind: str, obj: Object) -> None:
        """Take in an object as it is now."""
        vertex = vertex_of(kind, obj)
        node, targets = _READERS[kind](obj)
        if self._node_of.get(vertex, "") == node and self._targets.get(vertex, ()) == targets:
            return
        self.remove(vertex)
        if node:
            self._node_of[vertex] = node
            self._reach(node, targets)
        elif targets:
            self._claim_of[vertex] = targets[0]
            for target in targets[1:]:
                self._volumes_with.setdefault(target, set()).add(vertex)
        if targets:
            self._targets[vertex] = targets

    def remove(self, vertex: Vertex) -> None:
        """Forget an object; no error if it is not known."""
        targets = self._targets.pop(vertex, ())
        node = self._node_of.pop(vertex, "")
        if node:
            self._release(node, targets)
        elif self._claim_of.pop(vertex, None) is not None:
            for target in targets[1:]:
                volumes = self._volumes_with[target]
                volumes.discard(vertex)
                if not volumes:
                    del self._volumes_with[target]

    def _reach(self, node: str, targets: Sequence[Vertex]) -> None:
        if not targets:  # as of a VolumeAttachment: no entry that the first to go would take away
            return
        reached = self._reached.setdefault(node, {})
        for target in targets:
            reached[target] = reached.get(target, 0) + 1

    def _release(self, node: str, targets: Sequence[Vertex]) -> None:
        if not targets:
            return
        reached = self._reached[node]
        for target in targets:
            reached[target] -= 1
            if not reached[target]:
                del reached[target]
        if not reached:
            del self._reached[node]

    def leads_to(self, node: str, vertex: Vertex) -> bool:
        """Is an object the node's own, or does one of the node's pods lead to it?"""
        if self._node_of.get(vertex) == node:
            return True
        reached = self._reached.get(node)
        if not reached:
            return False
        if vertex in reached or self._claim_of.get(vertex) in reached:
            return True
        return any(
            self._claim_of[volume] in reached for volume in self._volumes_with.get(vertex, ())
        )


def vertex_of(kind: str, obj: Object) -> Vertex:
    metadata = obj["metadata"]
    return (_PLURALS[kind], metadata.get("namespace", ""), metadata["name"])


def pod_references(pod: Object) -> set[str]:
    """Return the plurals of what a pod refers to, e.g. {"secrets"}."""
    return {plural for plural, _, _ in _pod_targets(pod)}


#: What a reader returns: the node an object belongs to ("" for none) and what it refers to.
_Reading: TypeAlias = tuple[str, tuple[Vertex, ...]]


def _pod(pod: Object) -> _Reading:
    node = (pod.get("spec") or {}).get("nodeName", "")
    # A node makes its mirror pods itself: they must not open anything to it.
    mirror = _MIRROR in (pod["metadata"].get("annotations") or {})
    if not node or mirror:
        return node, ()
    return node, tuple(dict.fromkeys(_pod_targets(pod)))


def _volume(volume: Object) -> _Reading:
    claim = (volume.get("spec") or {}).get("claimRef")
    if not claim:
        return "", ()
    namespace = claim.get("namespace", "")
    owner = ("persistentvolumeclaims", namespace, claim.get("name", ""))
    return "", (owner, *_volume_secrets(volume["spec"], namespace))


def _of_node(obj: Object) -> _Reading:
    return (obj.get("spec") or {}).get("nodeName") or "", ()


def _pod_targets(pod: Object) -> Iterator[Vertex]:
    spec, namespace = pod.get("spec") or {}, pod["metadata"].get("namespace", "")
    if account := spec.get("serviceAccountName"):
        yield ("serviceaccounts", namespace, account)
    for plural, name in references(pod):
        yield (plural, namespace, name)
    for name in _resource_claims(pod):
        yield ("resourceclaims", namespace, name)


def _resource_claims(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    made = {
        item["name"]: item.get("resourceClaimName")
        for item in status.get("resourceClaimStatuses") or ()
    }
    for claim in (pod.get("spec") or {}).get("resourceClaims") or ():
        if name := claim.get("resourceClaimName") or made.get(claim.get("name")):
            yield name


#: Source of a persistent volume -> the fields that refer to secrets.
_VOLUME_SECRETS = {
    "cephfs": ("secretRef",),
    "flexVolume": ("secretRef",),
    "iscsi": ("secretRef",),
    "rbd": ("secretRef",),
    "scaleIO": ("secretRef",),
    "storageos": ("secretRef",),
    "csi": ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"),
}


def _volume_secrets(spec: Object, namespace: str) -> Iterator[Vertex]:
    for source, fields in _VOLUME_SECRETS.items():
        for field in fields:
            secret = (spec.get(source) or {}).get(field) or {}
            if name := secret.get("name"):
                yield ("secrets", secret.get("namespace") or namespace, name)
    if azure := spec.get("azureFile"):
        yield ("secrets", azure.get("secretNamespace") or namespace, azure["secretName"])


_READERS = {
    "Pod": _pod,
    "PersistentVolume": _volume,
    "VolumeAttachment": _of_node,
    "ResourceSlice": _of_node,
}
_PLURALS = {
    "Pod": "pods",
    "PersistentVolume": "persistentvolumes",
    "VolumeAttachment": "volumeattachments",
    "ResourceSlice": "resourceslices",
}
#: The kinds that `Relations.put` takes.
RELATED_KINDS = tuple(_PLURALS)
