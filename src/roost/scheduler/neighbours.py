"""Affinity and anti-affinity between pods: hard rules in both directions, and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roost.decisions.controller import Key
from roost.scheduler.filters import Rejection
from roost.scheduler.shape import PodInfo, Shape, Term
from roost.scheduler.snapshot import NodeInfo, Snapshot

Pair = tuple[str, str]

_PLUGIN = "InterPodAffinity"
_AFFINITY = Rejection(_PLUGIN, ("node(s) didn't match pod affinity rules",), final=True)
_ANTI = Rejection(_PLUGIN, ("node(s) didn't match pod anti-affinity rules",), final=False)
_EXISTING = Rejection(
    _PLUGIN, ("node(s) didn't satisfy existing pods anti-affinity rules",), final=False
)


def _concerns(term: Term, namespace: str, snapshot: Snapshot) -> bool:
    if namespace in term.namespaces:
        return True
    selector = term.namespace_selector
    return selector is not None and selector.matches(snapshot.namespaces.get(namespace, {}))


def _matches(term: Term, shape: Shape, snapshot: Snapshot) -> bool:
    """Say whether a pod of that shape is what a term speaks of."""
    return _concerns(term, shape.namespace, snapshot) and term.selector.matches(shape.labels)


def _candidates(
    terms: Sequence[Term], snapshot: Snapshot, excluded: frozenset[Key]
) -> Iterable[tuple[PodInfo, NodeInfo]]:
    """Return the pods in all namespaces that some term speaks of."""
    namespaces = {name for term in terms for name in term.namespaces}
    for name in snapshot.namespaces:
        if name not in namespaces and any(_concerns(t, name, snapshot) for t in terms):
            namespaces.add(name)
    for info, node in snapshot.pods_in(sorted(namespaces)):
        if info.key not in excluded:
            yield info, node


def _pair(term: Term, node: NodeInfo) -> Pair | None:
    value = node.labels.get(term.topology_key)
    return None if value is None else (term.topology_key, value)


class HardNeighbours:
    """What the required terms of one pod, and those of pods that run, mean for nodes."""

    def __init__(
        self, shape: Shape, snapshot: Snapshot, excluded: frozenset[Key] = frozenset()
    ) -> None:
        self._shape = shape
        self._blocked: set[Pair] = set()  # by pods that run
        self._avoided: set[Pair] = set()  # by this pod
        self._wanted: set[Pair] = set()
        self._first = False
        self._existing(snapshot, excluded)
        if shape.anti_affinity:
            self._own_anti(snapshot, excluded)
        if shape.affinity:
            self._own_affinity(snapshot, excluded)

    def _existing(self, snapshot: Snapshot, excluded: frozenset[Key]) -> None:
        for key, info in snapshot.with_affinity.items():
            if key in excluded or not info.shape.anti_affinity:
                continue
            node = snapshot.nodes[snapshot.where(key) or ""]
            for term in info.shape.anti_affinity:
                pair = _pair(term, node)
                if pair is not None and _matches(term, self._shape, snapshot):
                    self._blocked.add(pair)

    def _own_anti(self, snapshot: Snapshot, excluded: frozenset[Key]) -> None:
        terms = self._shape.anti_affinity
        for info, node in _candidates(terms, snapshot, excluded):
            for term in terms:
                pair = _pair(term, node)
                if pair is not None and _matches(term, info.shape, snapshot):
                    self._avoided.add(pair)

    def _own_affinity(self, snapshot: Snapshot, excluded: frozenset[Key]) -> None:
        terms = self._shape.affinity
        for info, node in _candidates(terms, snapshot, excluded):
            if all(_matches(term, info.shape, snapshot) for term in terms):
                self._wanted.update(p for t in terms if (p := _pair(t, node)) is not None)
        # The first of a group that wants to be together may go anywhere.
        self._first = not self._wanted and all(
            _matches(term, self._shape, snapshot) for term in terms
        )

    def check(self, node: NodeInfo) -> Rejection | None:
        """Reject a node that breaks a required term."""
        terms = self._shape.affinity
        if terms:
            pairs = [_pair(term, node) for term in terms]
            if None in pairs or not (self._first or all(p in self._wanted for p in pairs)):
                return _AFFINITY
        for term in self._shape.anti_affinity:
            if _pair(term, node) in self._avoided:
                return _ANTI
        if self._blocked and any((k, v) in self._blocked for k, v in node.labels.items()):
            return _EXISTING
        return None


def neighbour_scores(
    shape: Shape, nodes: Sequence[NodeInfo], snapshot: Snapshot, required_weight: int = 1
) -> list[int] | None:
    """Return a score from 0 to 100 for each node; None if no preference concerns the pod.

    A required affinity of a pod that runs already counts as a preference of `required_weight`.
    """
    weights: dict[Pair, int] = {}

    def count(term: Term, node: NodeInfo, weight: int) -> None:
        pair = _pair(term, node)
        if pair is not None:
            weights[pair] = weights.get(pair, 0) + weight

    if shape.prefers:
        for info, node in _candidates(shape.prefers, snapshot, frozenset()):
            for term in shape.prefers:
                if _matches(term, info.shape, snapshot):
                    count(term, node, term.weight)
    for key, info in snapshot.with_affinity.items():
        node = snapshot.nodes[snapshot.where(key) or ""]
        for term in info.shape.prefers:
            if _matches(term, shape, snapshot):
                count(term, node, term.weight)
        for term in info.shape.affinity:
            if _matches(term, shape, snapshot):
                count(term, node, required_weight)
    if not weights:
        return None
    raw = [sum(weights.get(pair, 0) for pair in node.labels.items()) for node in nodes]
    least, most = min(raw), max(raw)
    if most == least:
        return [0] * len(nodes)
    return [100 * (score - least) // (most - least) for score in raw]
