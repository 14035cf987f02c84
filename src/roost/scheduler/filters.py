"""Filters that look at one pod and one node: can the pod run there at all?

Each returns None or a Rejection. FILTERS is the order in which they are asked; the first that rejects a
node speaks for it. What depends on other nodes (spreading, affinity between pods) is elsewhere. Pods
that name their node are not scheduled, so there is no filter for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.affinity import node_matches, term_matches
from roost.decisions.requests import PODS
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE, first_untolerated, tolerated
from roost.scheduler.profile import AFFINITY, FIT, TAINTS, Profile
from roost.scheduler.shape import Shape
from roost.scheduler.snapshot import NodeInfo


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a node will not do; `final` means that removing pods from it would not help."""

    plugin: str
    reasons: tuple[str, ...]
    final: bool


def _final(plugin: str, reason: str) -> Rejection:
    return Rejection(plugin, (reason,), final=True)


_UNSCHEDULABLE = _final("NodeUnschedulable", "node(s) were unschedulable")
_TAINT = _final("TaintToleration", "node(s) had untolerated taint(s)")
_AFFINITY = _final("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
_ENFORCED = _final("NodeAffinity", "node(s) didn't match scheduler-enforced node affinity")
_PORTS = Rejection(
    "NodePorts", ("node(s) didn't have free ports for the requested pod ports",), final=False
)
_DISK = Rejection("VolumeRestrictions", ("node(s) had no available disk",), final=False)
_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": NO_SCHEDULE}
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared with, never bound


def unschedulable(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a cordoned node."""
    if node.unschedulable and not tolerated(shape.tolerations, _CORDON):
        return _UNSCHEDULABLE
    return None


def taints(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a node with a taint that the pod does not tolerate."""
    if not node.taints:
        return None
    effects = (NO_SCHEDULE, NO_EXECUTE)
    return _TAINT if first_untolerated(shape.tolerations, node.taints, effects) else None


def node_affinity(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a node that nodeSelector or required affinity excludes."""
    if shape.required_nodes is None and not shape.spec.get("nodeSelector"):
        return None
    return None if node_matches(shape.spec, node.labels, node.name) else _AFFINITY


def ports(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a node on which a host port is taken."""
    for address, protocol, number in shape.ports:
        for taken_address, taken_protocol, taken in node.ports:
            if (
                taken == number
                and taken_protocol == protocol
                and (_ANY_ADDRESS in (address, taken_address) or address == taken_address)
            ):
                return _PORTS
    return None


def resources(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a node that has not enough left of what the pod asks for."""
    reasons: list[str] = []
    final = False
    allocatable, requested = node.allocatable, node.requested
    if len(node.pods) + 1 > allocatable.get(PODS, 0):
        reasons.append("Too many pods")
    for name, asked in shape.requests.items():
        available = allocatable.get(name, 0)
        if asked > available - requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            final = final or asked > available
    return Rejection("NodeResourcesFit", tuple(reasons), final) if reasons else None


def _disagree(mine: Object, theirs: Object) -> bool:
    """Say whether two pods cannot use these volumes on one node."""
    for kind, same, may_share in _DISK_RULES:
        one, other = mine.get(kind), theirs.get(kind)
        if one is not None and other is not None and same(one, other):
            return not (may_share and one.get("readOnly") and other.get("readOnly"))
    return False


def _same_image(one: Object, other: Object) -> bool:
    monitors = set(one.get("monitors") or ()) & set(other.get("monitors") or ())
    return bool(monitors) and all(
        one.get(field, default) == other.get(field, default)
        for field, default in (("pool", "rbd"), ("image", ""))
    )


#: Kind of volume, when two are the same, and whether all that only read may share it.
_DISK_RULES: tuple[tuple[str, Callable[[Object, Object], bool], bool], ...] = (
    ("gcePersistentDisk", lambda one, other: one["pdName"] == other["pdName"], True),
    ("awsElasticBlockStore", lambda one, other: one["volumeID"] == other["volumeID"], False),
    ("iscsi", lambda one, other: one["iqn"] == other["iqn"], True),
    ("rbd", _same_image, True),
)


def disks(shape: Shape, node: NodeInfo) -> Rejection | None:
    """Reject a node where a pod uses a disk that this one cannot share with it."""
    for mine in shape.disks:
        for other in node.pods.values():
            if any(_disagree(mine, theirs) for theirs in other.shape.disks):
                return _DISK
    return None


Filter = Callable[[Shape, NodeInfo], Rejection | None]

FILTERS: tuple[tuple[str, Filter], ...] = (
    ("NodeUnschedulable", unschedulable),
    (TAINTS, taints),
    (AFFINITY, node_affinity),
    ("NodePorts", ports),
    (FIT, resources),
    ("VolumeRestrictions", disks),
)
_DEFAULT = Profile()


def check(shape: Shape, node: NodeInfo, profile: Profile = _DEFAULT) -> Rejection | None:
    """Ask all filters of a profile."""
    for name, ask in FILTERS:
        if name in profile.without:
            continue
        rejection = ask(shape, node)
        if rejection is None and name == AFFINITY:
            rejection = _enforced(profile, node)
        if rejection is not None:
            return rejection
    return None


def _enforced(profile: Profile, node: NodeInfo) -> Rejection | None:
    """Reject a node that the profile keeps all its pods away from."""
    terms = profile.added_terms
    if terms and not any(term_matches(term, node.labels, node.name) for term in terms):
        return _ENFORCED
    return None
