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
from roost.decisions.controller import Key, controller_of
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
from roost.scheduler.shape import PodInfo, Shape
from roost.scheduler.snapshot import NodeInfo, Snapshot
from roost.scheduler.volumelimits import Limits, wrong_zone

PLUGIN = "VolumeBinding"
_WRONG_NODE = Rejection(
    PLUGIN, ("node(s) didn't match PersistentVolume's node affinity",), final=True
)
_NO_VOLUME = Rejection(
    PLUGIN, ("node(s) didn't find available persistent volumes to bind",), final=True
)
_ABSENT_VOLUME = Rejection(
    PLUGIN,
    ("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",),
    final=True,
)
_ONE_POD_ONLY = Rejection(
    "VolumeRestrictions",
    (
        "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
    ),
    final=False,
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
    limits: Limits = field(default_factory=Limits)

    def fault(self, info: PodInfo) -> str:
        """Return why no node can serve the pod's claims, "" if some may."""
        shape = info.shape
        for name in shape.claims:
            claim = self.claims.get(Key(shape.namespace, name))
            made_for_pod = name in shape.made_for_pod
            if claim is None and made_for_pod:
                return (
                    "waiting for ephemeral volume controller to create the persistentvolumeclaim "
                    f'"{name}"'
                )
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if deleting(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
            owner = controller_of(claim) if made_for_pod else None
            if made_for_pod and (owner is None or owner["uid"] != info.uid):
                return (
                    f"PVC {shape.namespace}/{name} was not created for pod "
                    f"{shape.namespace}/{info.key.name} (pod is not owner)"
                )
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

    def exclusive_use(
        self, shape: Shape, snapshot: Snapshot, excluded: Collection[Key]
    ) -> Rejection | None:
        """Reject all nodes while another pod uses a claim that only one may use."""
        for name in shape.claims:
            key = Key(shape.namespace, name)
            modes = self.claims.get(key, {}).get("spec", {}).get("accessModes") or ()
            if "ReadWriteOncePod" in modes and any(
                user not in excluded for user in snapshot.claim_users.get(key, ())
            ):
                return _ONE_POD_ONLY
        return None

    def check(self, shape: Shape, node: NodeInfo) -> Rejection | None:
        """Reject a node from which a claim cannot be served."""
        rejection = self.limits.check(shape, node, self.claims, self.volumes, self.classes)
        return rejection or self._unserved(shape, node) or self._no_room(shape, node)

    def _unserved(self, shape: Shape, node: NodeInfo) -> Rejection | None:
        for name in shape.claims:
            claim = self.claims.get(Key(shape.namespace, name))
            if claim is None:
                return _NO_VOLUME
            if is_bound(claim):
                volume = self.volumes.get(claim["spec"]["volumeName"])
                if volume is None:
                    return _ABSENT_VOLUME
                if not reaches(volume, node.labels, node.name):
                    return _WRONG_NODE
                zone = wrong_zone(volume, node)
                if zone is not None:
                    return zone
            elif annotations_of(claim).get(SELECTED_NODE, node.name) != node.name:
                return _WRONG_NODE
        return None

    def _no_room(self, shape: Shape, node: NodeInfo) -> Rejection | None:
        """Reject a node where a claim that is not bound yet would get nothing."""
        chosen = self.choose(shape, node)
        if chosen is None:
            return _NO_VOLUME
        for key in chosen.new:
            claim = self.claims[key]
            rejection = self.limits.room(claim, self._class_of(claim), node)
            if rejection is not None:
                return rejection
        return None

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
