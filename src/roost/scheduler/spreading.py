"""Spreading over topologies: the hard constraints of a pod, and scores for the soft ones.

Pods without constraints of their own are spread by default (softly, over zones and hosts) together with
the pods of the same Services and of the same ReplicaSet, StatefulSet or ReplicationController.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roost.api.selectors import LabelSelector, label_selector, labels_equal
from roost.api.values import Object
from roost.decisions.affinity import node_matches
from roost.decisions.controller import Key
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE, first_untolerated
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import Shape, SpreadConstraint
from roost.scheduler.snapshot import NodeInfo, Snapshot

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
_DEFAULT_SKEW = {HOSTNAME: 3, ZONE: 5}

_SKEWED = Rejection(
    "PodTopologySpread", ("node(s) didn't match pod topology spread constraints",), final=False
)
_UNLABELLED = Rejection(
    "PodTopologySpread",
    ("node(s) didn't match pod topology spread constraints (missing required label)",),
    final=True,
)


@dataclass(slots=True)
class Selectors:
    """The selectors of Services and of owners, for spreading by default."""

    _services: dict[str, dict[str, LabelSelector]] = field(default_factory=dict)
    _owners: dict[str, LabelSelector] = field(default_factory=dict)

    def set_service(self, key: Key, selector: Mapping[str, str] | None) -> None:
        """Note the selector of a Service; None or empty: it has none, or it is gone."""
        named = self._services.setdefault(key.namespace, {})
        if selector:
            named[key.name] = labels_equal(selector)
        else:
            named.pop(key.name, None)

    def set_owner(self, uid: str, selector: Object | None) -> None:
        """Note the selector of what makes pods; None: it is gone."""
        if selector is None:
            self._owners.pop(uid, None)
        else:
            self._owners[uid] = label_selector(selector)

    def of(self, shape: Shape) -> LabelSelector | None:
        """Return the selector of the pods that this one should be spread with."""
        found = [
            selector
            for selector in self._services.get(shape.namespace, {}).values()
            if selector.matches(shape.labels)
        ]
        owner = self._owners.get(shape.owner_uid)
        if owner is not None:
            found.append(owner)
        if not found:
            return None
        requirements = dict.fromkeys(r for selector in found for r in selector.requirements)
        return LabelSelector(tuple(requirements)) if requirements else None


def _restricted(shape: Shape) -> bool:
    return shape.required_nodes is not None or bool(shape.spec.get("nodeSelector"))


def _eligible(shape: Shape, constraint: SpreadConstraint, node: NodeInfo) -> bool:
    if constraint.honour_affinity and not node_matches(shape.spec, node.labels, node.name):
        return False
    if constraint.honour_taints:
        effects = (NO_SCHEDULE, NO_EXECUTE)
        return first_untolerated(shape.tolerations, node.taints, effects) is None
    return True


def _without(
    shape: Shape, selector: LabelSelector, snapshot: Snapshot, excluded: frozenset[Key]
) -> Mapping[str, int]:
    """Return the counts by node with some pods taken away."""
    counts = snapshot.counts(shape.namespace, selector)
    if not excluded:
        return counts
    result = dict(counts)
    for key in excluded:
        node_name = snapshot.where(key)
        if node_name is None or key.namespace != shape.namespace:
            continue
        info = snapshot.nodes[node_name].pods[key]
        if info.counts and selector.matches(info.shape.labels):
            result[node_name] -= 1
    return result


class HardSpread:
    """The hard constraints of one pod, counted over the cluster."""

    def __init__(
        self, shape: Shape, snapshot: Snapshot, excluded: frozenset[Key] = frozenset()
    ) -> None:
        self._shape = shape
        self._hard = [c for c in shape.spread if c.hard]
        self._matches: list[dict[str, int]] = []
        keys = [c.topology_key for c in self._hard]
        for constraint in self._hard:
            counts = _without(shape, constraint.selector, snapshot, excluded)
            domains: dict[str, int] = {}
            for node in snapshot.present():
                if not all(key in node.labels for key in keys):
                    continue
                if not _eligible(shape, constraint, node):
                    continue
                value = node.labels[constraint.topology_key]
                domains[value] = domains.get(value, 0) + counts.get(node.name, 0)
            self._matches.append(domains)

    def check(self, node: NodeInfo) -> Rejection | None:
        """Reject a node on which the pod would make the skew too large."""
        for constraint, domains in zip(self._hard, self._matches, strict=True):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return _UNLABELLED
            least = min(domains.values(), default=0)
            if len(domains) < constraint.min_domains:
                least = 0
            own = 1 if constraint.selector.matches(self._shape.labels) else 0
            if domains.get(value, 0) + own - least > constraint.max_skew:
                return _SKEWED
        return None


def _soft(shape: Shape, selectors: Selectors) -> tuple[Sequence[SpreadConstraint], bool]:
    """Return the soft constraints, and whether a node must have all their labels."""
    if shape.spread:
        return [c for c in shape.spread if not c.hard], True
    selector = selectors.of(shape)
    if selector is None:
        return (), False
    return [
        SpreadConstraint(
            key, skew, hard=False, selector=selector, min_domains=1, honour_affinity=True,
            honour_taints=False,
        )
        for key, skew in _DEFAULT_SKEW.items()
    ], False  # fmt: skip


def spread_scores(
    shape: Shape, nodes: Sequence[NodeInfo], snapshot: Snapshot, selectors: Selectors
) -> list[int] | None:
    """Return a score from 0 to 100 for each node; None if the pod has nothing to be spread by."""
    constraints, strict = _soft(shape, selectors)
    if not constraints:
        return None
    keys = [c.topology_key for c in constraints]
    ignored = [strict and not all(k in node.labels for k in keys) for node in nodes]
    totals = [0.0] * len(nodes)
    for constraint in constraints:
        _add_constraint(shape, constraint, nodes, ignored, snapshot, totals)
    raw = [round(total) for total in totals]
    counted = [score for score, skip in zip(raw, ignored, strict=True) if not skip]
    most, least = max(counted, default=0), min(counted, default=0)
    if most == 0:
        return [0 if skip else 100 for skip in ignored]
    return [
        0 if skip else 100 * (most + least - score) // most
        for score, skip in zip(raw, ignored, strict=True)
    ]


def _add_constraint(
    shape: Shape,
    constraint: SpreadConstraint,
    nodes: Iterable[NodeInfo],
    ignored: Sequence[bool],
    snapshot: Snapshot,
    totals: list[float],
) -> None:
    key, counts = constraint.topology_key, snapshot.counts(shape.namespace, constraint.selector)
    used = [n for n, skip in zip(nodes, ignored, strict=True) if not skip]
    extra = constraint.max_skew - 1
    if key == HOSTNAME:
        weight = math.log(len(used) + 2)
        for at, (node, skip) in enumerate(zip(nodes, ignored, strict=True)):
            if not skip and key in node.labels:
                totals[at] += counts.get(node.name, 0) * weight + extra
        return
    domains: dict[str, int] = {n.labels[key]: 0 for n in used if key in n.labels}
    if not domains:
        return
    weight = math.log(len(domains) + 2)
    everywhere = not constraint.honour_taints and not _restricted(shape)
    for name, count in counts.items():
        node = snapshot.nodes[name]
        value = node.labels.get(key)
        if value in domains and (everywhere or _eligible(shape, constraint, node)):
            domains[value] += count
    for at, (node, skip) in enumerate(zip(nodes, ignored, strict=True)):
        value = node.labels.get(key)
        if not skip and value is not None:
            totals[at] += domains[value] * weight + extra
