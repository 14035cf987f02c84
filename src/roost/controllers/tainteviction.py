"""NoExecute taints: pods that do not tolerate them go, at once or when their tolerance ends.

Tolerance counts from when the taint was added. Users' taints do not say when; kube-controller-manager
remembers it, here it is written into the taint, so that a restart does not begin anew. The key of a
node is its name without a namespace; other keys are those of pods. A pod that is to go stays so until
it tolerates its node for ever: taints that come later do not put it off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import (
    deleting,
    key_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    seconds_of,
    stamp,
    uid_of,
)
from roost.decisions.plan import NOTHING, Delete, EmitEvent, Patch, Plan
from roost.decisions.pods import by_node, node_of
from roost.decisions.resources import NODES, PODS
from roost.decisions.tolerations import NO_EXECUTE, tolerates

BY_NODE = "node"


@dataclass(frozen=True, slots=True)
class View:
    """A bound pod: when it has to go (None: never), and when that was to be, if it was known."""

    pod: Object
    at: float | None
    due: float | None
    now: float


@dataclass(frozen=True, slots=True)
class GoneView:
    """A pod that went before it was its time."""

    key: Key


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node with taints of which some may not say when they were added."""

    node: Object
    now: float


def _executing(node: Object | None) -> tuple[Object, ...]:
    taints = ((node or {}).get("spec") or {}).get("taints") or ()
    return tuple(taint for taint in taints if taint.get("effect") == NO_EXECUTE)


def evicted_at(tolerations: Sequence[Object], taints: Iterable[Object], now: float) -> float | None:
    """Return when a pod has to go; None if it tolerates all taints for ever."""
    end: float | None = None
    for taint in taints:
        covering = [t for t in tolerations if tolerates(t, taint)]
        if not covering:
            return now
        limits = [
            t["tolerationSeconds"] for t in covering if t.get("tolerationSeconds") is not None
        ]
        if not limits:
            continue
        since = seconds_of(taint.get("timeAdded")) or now
        at = since + max(min(limits), 0)
        end = at if end is None else min(end, at)
    return end


def _timed(view: NodeView) -> Plan:
    """Write into the node's NoExecute taints since when they are there."""
    node, since = view.node, stamp(view.now)
    if all(taint.get("timeAdded") for taint in _executing(node)):
        return NOTHING
    taints = [
        {"timeAdded": since, **taint} if taint.get("effect") == NO_EXECUTE else taint
        for taint in node["spec"]["taints"]
    ]
    version = {"resourceVersion": node["metadata"]["resourceVersion"]}
    body = {"metadata": version, "spec": {"taints": taints}}
    return Plan((Patch(ref_of(NODES, node), body),))


def reconcile(view: View | GoneView | NodeView) -> Plan:
    """Decide whether the pod goes now, later or never; or what is missing in a node's taints."""
    if isinstance(view, NodeView):
        return _timed(view)
    if isinstance(view, GoneView):
        namespace, name = view.key
        named = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name}
        return Plan((_cancelled(named, view.key),))
    pod, at = view.pod, view.at
    regarding = object_reference(PODS, "Pod", pod)
    if at is not None and at > view.now:
        return Plan(wake_at=at)
    cancelled = (
        (_cancelled(regarding, key_of(pod)),)
        if view.due is not None and (at is None or view.due > view.now)
        else ()
    )
    if at is None:
        return Plan(cancelled)
    message = "Taint manager: deleting due to NoExecute taint"
    condition = conditions.make(
        "DisruptionTarget", "True", "DeletionByTaintManager", message, stamp(view.now)
    )
    if pod["metadata"].get("generation"):
        condition["observedGeneration"] = pod["metadata"]["generation"]
    body = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
    text = f"Marking for deletion Pod {namespace_of(pod)}/{name_of(pod)}"
    return Plan(
        (
            *cancelled,
            normal(regarding, "TaintManagerEviction", text),
            Patch(ref_of(PODS, pod), body, "status", strategic=True),
            Delete(ref_of(PODS, pod)),
        )
    )


def _cancelled(regarding: Object, key: Key) -> EmitEvent:
    text = f"Cancelling deletion of Pod {key.namespace}/{key.name}"
    return normal(regarding, "TaintManagerEviction", text)


class Schedule:
    """Which pods are to go, and when."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}

    def view(self, caches: Caches, key: Key, now: float) -> View | GoneView | NodeView | None:
        """Return the pod, if its node has NoExecute taints or had them, or the node."""
        if not key.namespace:
            node = caches[NODES].get(*key)
            return NodeView(node, now) if node is not None and not deleting(node) else None
        pod = caches[PODS].get(*key)
        if pod is None:
            return GoneView(key) if self._due.pop(key, None) is not None else None
        node = caches[NODES].get("", node_of(pod)) if node_of(pod) else None
        if node is None or deleting(pod):
            return None
        at = evicted_at(pod["spec"].get("tolerations") or (), _executing(node), now)
        due = self._due.pop(key, None)
        if at is None:
            return None if due is None else View(pod, None, due, now)
        if at > now and due is not None:
            at = due
        if at > now:
            self._due[key] = at
        return View(pod, at, due, now)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    node = node_of(pod)
    return (key_of(pod),) if node and _executing(caches[NODES].get("", node)) else ()


def _node_keys(node: Object, caches: Caches) -> Iterable[Key]:
    if not _executing(node):
        return ()
    return [key_of(node), *(key_of(pod) for pod in caches[PODS].by(BY_NODE, name_of(node)))]


def taint_eviction() -> Controller[View | GoneView | NodeView]:
    """Return the controller, with a memory of its own."""
    return Controller(
        name="taint-eviction-controller",
        watches=(Watch(NODES, _node_keys), Watch(PODS, _pod_keys, {BY_NODE: by_node})),
        view=Schedule().view,
        reconcile=reconcile,
    )
