"""Claims of a pod: is there a volume, and on which nodes can it be used?

Bound claims restrict the pod to where their volumes are. For an unbound claim whose class waits for its
first consumer a volume that the node reaches is chosen, or it is left to a provisioner; the caller binds
it before the pod. Any other unbound claim makes the pod wait.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from roost.api.quantity import parse
from roost.api.values import Object
from roost.decisions.controller import Key
from roost.decisions.meta import annotations_of, deleting, name_of
from roost.decisions.volumes import (
    NO_PROVISIONER,
    SELECTED_NODE,
    best_match,
    class_of,
    is_bound,
    phase_of,
    reaches,
    request_of,
    waits_for_consumer,
)
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import Shape
from roost.scheduler.snapshot import NodeInfo

PLUGIN = "VolumeBinding"
_WRONG_NODE = Rejection(
    PLUGIN, ("node(s) didn't match PersistentVolume's node affinity",), final=True
)
_NO_VOLUME = Rejection(
    PLUGIN, ("node(s) didn't find available persistent volumes to bind",), final=True
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the open claims of a pod get on one node: volumes that are there, and new ones."""

    volumes: tuple[tuple[Key, str], ...] = ()
    new: tuple[Key, ...] = ()


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
            if phase_of(claim) == "Lost":
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
                volume = self.volumes.get(claim["spec"]["volumeName"])
                if volume is None or not reaches(volume, node.labels, node.name):
                    return _WRONG_NODE
            elif annotations_of(claim).get(SELECTED_NODE, node.name) != node.name:
                return _WRONG_NODE
        return None if self.choose(shape, node) is not None else _NO_VOLUME

    def choose(self, shape: Shape, node: NodeInfo, taken: Collection[str] = ()) -> Chosen | None:
        """Return what the pod's open claims get on a node; None if one of them gets nothing.

        `taken` are volumes that others were just given. Smaller claims choose first.
        """
        keys = self.unbound(shape)
        if not keys:
            return Chosen()
        keys.sort(key=lambda key: parse(request_of(self.claims[key])))
        used, found, new = set(taken), [], []
        for key in keys:
            claim = self.claims[key]
            if SELECTED_NODE not in annotations_of(claim):
                volume = best_match(
                    claim,
                    (one for name, one in self.volumes.items() if name not in used),
                    lambda one: reaches(one, node.labels, node.name),
                )
                if volume is not None:
                    used.add(name_of(volume))
                    found.append((key, name_of(volume)))
                    continue
            if not self._can_provision(claim, node):
                return None
            new.append(key)
        return Chosen(tuple(found), tuple(new))

    def _class_of(self, claim: Object) -> Object:
        return self.classes.get(class_of(claim), {})

    def _waits(self, claim: Object) -> bool:
        return waits_for_consumer(self._class_of(claim))

    def _can_provision(self, claim: Object, node: NodeInfo) -> bool:
        """Say whether the class has a provisioner that serves the node."""
        storage_class = self._class_of(claim)
        if storage_class.get("provisioner") in (None, NO_PROVISIONER):
            return False
        topologies = storage_class.get("allowedTopologies") or ()
        return not topologies or any(
            all(
                node.labels.get(one["key"]) in one["values"]
                for one in term.get("matchLabelExpressions") or ()
            )
            for term in topologies
        )
