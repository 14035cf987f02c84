"""Pods that nobody would ever remove: on nodes that are gone, ended by the thousand, or never bound.

A node counts as gone when it was absent for 40 s of this controller's own watching and the server itself
confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    created_at,
    deleting,
    key_of,
    name_of,
    ref_of,
    stamp,
    uid_of,
)
from roost.decisions.plan import NOTHING, Action, AssertAbsent, Delete, Patch, Plan, Ref
from roost.decisions.pods import by_node, finished, node_of
from roost.decisions.resources import NODES, PODS

QUARANTINE_S = 40.0
TERMINATED_THRESHOLD = 12500
BY_NODE = "node"
ENDED = "ended"
_COUNT = Key("", "terminated")


@dataclass(frozen=True, slots=True)
class View:
    """Pods that may have to go, and for how long the node they share has been missing."""

    pods: tuple[Object, ...]
    node: str
    missing_s: float
    now: float


def reconcile(view: View) -> Plan:
    """Decide which of the pods go."""
    if view.node:
        return _orphans(view)
    if len(view.pods) == 1 and deleting(view.pods[0]):
        return Plan((Delete(ref_of(PODS, view.pods[0]), grace_period_s=0),))
    surplus = len(view.pods) - TERMINATED_THRESHOLD
    if surplus <= 0:
        return NOTHING
    oldest = sorted(view.pods, key=lambda pod: (created_at(pod), name_of(pod)))[:surplus]
    deletions = tuple(Delete(ref_of(PODS, pod), grace_period_s=0) for pod in oldest)
    return Plan(deletions)


def _orphans(view: View) -> Plan:
    if not view.pods:
        return NOTHING
    if view.missing_s < QUARANTINE_S:
        return Plan(wake_at=view.now + QUARANTINE_S - view.missing_s)
    actions: list[Action] = [AssertAbsent(Ref(NODES, "", view.node))]
    for pod in view.pods:
        if not finished(pod):
            actions.append(_failed(pod, view.now))
        actions.append(Delete(ref_of(PODS, pod), grace_period_s=0))
    return Plan(tuple(actions))


def _failed(pod: Object, now: float) -> Patch:
    condition = conditions.make(
        "DisruptionTarget", "True", "DeletionByPodGC", "PodGC: node no longer exists", stamp(now)
    )
    if pod["metadata"].get("generation"):
        condition["observedGeneration"] = pod["metadata"]["generation"]
    body = {
        "metadata": {"uid": uid_of(pod)},
        "status": {"phase": "Failed", "conditions": [condition]},
    }
    return Patch(ref_of(PODS, pod), body, "status", strategic=True)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    node = node_of(pod)
    if _ended(pod):
        yield _COUNT
    if node:
        if caches[NODES].get("", node) is None:
            yield Key("", f"node/{node}")
    elif deleting(pod):
        yield key_of(pod)


def _ended(pod: Object) -> Iterable[str]:
    """The index of pods that have ended and are not on their way out."""
    return ("",) if finished(pod) and not deleting(pod) else ()


def _node_keys(node: Object, _caches: Caches) -> Iterable[Key]:
    return (Key("", f"node/{name_of(node)}"),)


def pod_collector() -> Controller[View]:
    """Return the controller, with a memory of when nodes were first missed."""
    missed: dict[str, float] = {}

    def view(caches: Caches, key: Key, now: float) -> View | None:
        if key == _COUNT:
            return View(tuple(caches[PODS].by(ENDED, "")), "", 0.0, now)
        if key.namespace:
            pod = caches[PODS].get(*key)
            stuck = pod is not None and deleting(pod) and not node_of(pod)
            return View((pod,), "", 0.0, now) if stuck and pod is not None else None
        node = key.name.removeprefix("node/")
        pods = tuple(caches[PODS].by(BY_NODE, node))
        if caches[NODES].get("", node) is not None or not pods:
            missed.pop(node, None)
            return None
        if not caches[
            NODES
        ].connected:  # what is not seen is not missed; it is looked at again later
            missed.pop(node, None)
            return View(pods, node, 0.0, now)
        return View(pods, node, now - missed.setdefault(node, now), now)

    return Controller(
        name="pod-garbage-collector-controller",
        watches=(
            Watch(NODES, _node_keys),
            Watch(PODS, _pod_keys, {BY_NODE: by_node, ENDED: _ended}),
        ),
        view=view,
        reconcile=reconcile,
        start_keys=(_COUNT,),
    )
