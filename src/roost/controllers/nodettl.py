"""Nodes are told how long they may keep Secrets and ConfigMaps: longer in larger clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import annotations_of, key_of, ref_of
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


def _keys(node: Object, _caches: Caches) -> Iterable[Key]:
    """Only the node itself: when a step was crossed, the others learn of it at their next heartbeat,
    as they do from the real controller. All at once would be all times all while a cluster starts."""
    return (key_of(node),)


CONTROLLER = Controller(
    name="ttl-controller", watches=(Watch(NODES, _keys),), view=view, reconcile=reconcile
)
