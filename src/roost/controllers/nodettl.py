"""Nodes are told how long they may keep Secrets and ConfigMaps: longer in larger clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import annotations_of, key_of, name_of, ref_of
from roost.decisions.plan import NOTHING, Patch, Plan
from roost.decisions.resources import NODES

ANNOTATION = "node.alpha.kubernetes.io/ttl"
#: (fewest nodes, most nodes, seconds): the ranges overlap, so that a node more or less does not matter.
_STEPS = (
    (0, 100, 0),
    (90, 500, 15),
    (450, 1000, 30),
    (900, 2000, 60),
    (1800, 10000, 300),
    (9000, 1 << 31, 600),
)


@dataclass(frozen=True, slots=True)
class View:
    """A node, and how many there are."""

    node: Object
    count: int


def ttl_for(count: int, before: str | None) -> int:
    """Return the seconds for a number of nodes; `before` is what the node was told last."""
    known = [str(seconds) for _, _, seconds in _STEPS]
    at = known.index(before) if before in known else 0
    while count > _STEPS[at][1]:
        at += 1
    while count < _STEPS[at][0]:
        at -= 1
    return _STEPS[at][2]


def view(caches: Caches, key: Key, _now: float) -> View | None:
    node = caches[NODES].get(*key)
    return None if node is None else View(node, sum(1 for _ in caches[NODES].all()))


def reconcile(view: View) -> Plan:
    """Write the annotation, where it says something else."""
    before = annotations_of(view.node).get(ANNOTATION)
    wanted = str(ttl_for(view.count, before))
    if before == wanted:
        return NOTHING
    body = {"metadata": {"annotations": {ANNOTATION: wanted}}}
    return Plan((Patch(ref_of(NODES, view.node), body),))


_BOUNDS = tuple(dict.fromkeys(bound for step in _STEPS for bound in step[:2] if bound))


def _keys(node: Object, caches: Caches) -> Iterable[Key]:
    """The node itself; all, when one came or went and there are about as many as a step has."""
    here = caches[NODES].get("", name_of(node)) is not None
    if here and ANNOTATION in annotations_of(node):
        return (key_of(node),)
    nodes = list(caches[NODES].all())
    if any(abs(len(nodes) - bound) <= 1 for bound in _BOUNDS):
        return [key_of(one) for one in nodes]
    return (key_of(node),)


CONTROLLER = Controller(
    name="ttl-controller", watches=(Watch(NODES, _keys),), view=view, reconcile=reconcile
)
