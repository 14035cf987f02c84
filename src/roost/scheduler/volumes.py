"""Claims of a pod: is there a volume, and on which nodes can it be used?

Bound claims restrict the pod to where their volumes are. An unbound claim whose class waits for its
first consumer is left to the caller to bind (it announces the chosen node and waits); any other unbound
claim makes the pod wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from roost.api.values import Object
from roost.decisions.affinity import term_matches
from roost.decisions.controller import Key
from roost.decisions.meta import annotations_of, deleting
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import Shape
from roost.scheduler.snapshot import NodeInfo

PLUGIN = "VolumeBinding"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_NO_PROVISIONER = "kubernetes.io/no-provisioner"
_WRONG_NODE = Rejection(
    PLUGIN, ("node(s) didn't match PersistentVolume's node affinity",), final=True
)
_NO_VOLUME = Rejection(
    PLUGIN, ("node(s) didn't find available persistent volumes to bind",), final=True
)


def is_bound(claim: Object) -> bool:
    """Say whether a claim has its volume."""
    status = claim.get("status") or {}
    return bool(claim["spec"].get("volumeName")) and status.get("phase") == "Bound"


@dataclass(slots=True)
class Volumes:
    """Claims, volumes and storage classes, as the caches have them."""

    claims: dict[Key, Object] = field(default_factory=dict)
    volumes: dict[str, Object] = field(default_factory=dict)
    classes: dict[str, Object] = field(default_factory=dict)

    def fault(self, shape: Shape) -> str:
        """Return why no node can serve the pod's claims, "" if some may."""
        for name in shape.claims:
            claim = self.claims.get(Key(shape.namespace, name))
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if deleting(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if (claim.get("status") or {}).get("phase") == "Lost":
                volume = claim["spec"].get("volumeName", "")
                return (
                    f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume '
                    f'"{volume}"'
                )
            if not is_bound(claim) and not self._waits(claim):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def unbound(self, shape: Shape) -> list[Key]:
        """Return the claims that have to be bound once the pod's node is chosen."""
        keys = (Key(shape.namespace, name) for name in shape.claims)
        return [key for key in keys if key in self.claims and not is_bound(self.claims[key])]

    def check(self, shape: Shape, node: NodeInfo) -> Rejection | None:
        """Reject a node from which a claim cannot be served."""
        for name in shape.claims:
            claim = self.claims.get(Key(shape.namespace, name))
            if claim is None:
                return _NO_VOLUME
            if is_bound(claim):
                if not self._reaches(self.volumes.get(claim["spec"]["volumeName"]), node):
                    return _WRONG_NODE
            elif annotations_of(claim).get(SELECTED_NODE, node.name) != node.name:
                return _WRONG_NODE
            elif not self._can_provision(claim) and not self._available(claim, node):
                return _NO_VOLUME
        return None

    def _class_of(self, claim: Object) -> Object:
        return self.classes.get(claim["spec"].get("storageClassName") or "", {})

    def _waits(self, claim: Object) -> bool:
        return bool(self._class_of(claim).get("volumeBindingMode") == "WaitForFirstConsumer")

    def _can_provision(self, claim: Object) -> bool:
        return bool(self._class_of(claim).get("provisioner") not in (None, _NO_PROVISIONER))

    def _available(self, claim: Object, node: NodeInfo) -> bool:
        wanted = claim["spec"].get("storageClassName") or ""
        return any(
            (volume["spec"].get("storageClassName") or "") == wanted
            and (volume.get("status") or {}).get("phase") == "Available"
            and set(claim["spec"].get("accessModes") or ())
            <= set(volume["spec"].get("accessModes") or ())
            and self._reaches(volume, node)
            for volume in self.volumes.values()
        )

    def _reaches(self, volume: Object | None, node: NodeInfo) -> bool:
        if volume is None:
            return False
        required = (volume["spec"].get("nodeAffinity") or {}).get("required")
        terms: Iterable[Object] = (required or {}).get("nodeSelectorTerms") or ()
        return required is None or any(term_matches(t, node.labels, node.name) for t in terms)
