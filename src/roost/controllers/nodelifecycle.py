"""Nodes that fall silent: conditions become Unknown, taints say so, and their pods are not ready.

Silence is counted, not computed from clocks: a node is silent for as long as this controller was awake,
connected, and saw neither its lease nor its heartbeat change. So a server that was away, a machine that
slept and clocks that differ cost no node its health, and nothing is evicted after a restart before a
whole grace period was watched.

When no node of any zone is ready, the fault is certainly elsewhere: then no pod is evicted, and the
taints that would do it go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import (
    created_at,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    stamp,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import Action, Patch, Plan, Update
from roost.decisions.pods import by_node, ready
from roost.decisions.resources import LEASES, NODES, PODS
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE

PERIOD_S = 5.0
GRACE_S = 50.0
STARTUP_GRACE_S = 60.0
EVICTION_INTERVAL_S = 10.0
#: The same in a large zone most of which is not ready, and what large and most mean.
SLOW_INTERVAL_S = 100.0
LARGE_ZONE = 50
UNHEALTHY_PART = 0.55
#: A node with this label does not count when it is judged how a zone is.
EXCLUDED = "node.kubernetes.io/exclude-disruption"
LEASE_NAMESPACE = "kube-node-lease"
BY_NODE = "node"
#: For so long it counts how the zones were found to be.
SURVEY_S = 1.0

#: By region and zone: how many nodes are ready, and how many are not.
Zones = Mapping[tuple[str, str], tuple[int, int]]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_MANAGED = frozenset({*_BY_CONDITION.values(), _UNSCHEDULABLE})
_OLD_LABELS = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
}
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class View:
    """A node, for how long it has been silent, its pods, and how its fellows are.

    `may_evict` is false while too many nodes are not ready, or another was tainted just now;
    `disrupted` is true while none is ready anywhere. `new`: it was not known before.
    """

    node: Object
    silent_s: float
    pods: tuple[Object, ...]
    may_evict: bool
    now: float
    grace_s: float = GRACE_S
    disrupted: bool = False
    new: bool = False


@dataclass(frozen=True, slots=True)
class GoneView:
    """A node that was known, and is gone."""

    name: str
    uid: str


@dataclass(slots=True)
class _Heard:
    sign: tuple[str, str]
    silent_s: float
    at: float


@dataclass(slots=True)
class Memory:
    """What was heard from nodes, and when one was last given up."""

    heard: dict[str, _Heard] = field(default_factory=dict)
    tainted_at: dict[tuple[str, str], float] = field(default_factory=dict)  # by zone
    known: dict[str, str] = field(default_factory=dict)  # uids by name
    #: Whether no node was ready, as was last seen.
    disrupted: bool = False
    zones: Zones = field(default_factory=dict)
    surveyed_at: float = -SURVEY_S

    def silence(self, name: str, sign: tuple[str, str], now: float, *, connected: bool) -> float:
        """Return for how long `sign` of a node was watched without a change, in seconds."""
        heard = self.heard.get(name)
        if heard is None or heard.sign != sign:
            heard = self.heard[name] = _Heard(sign, 0.0, now)
        elif connected:
            heard.silent_s += min(max(now - heard.at, 0.0), 2 * PERIOD_S)
        heard.at = now
        return heard.silent_s

    def forget(self, name: str) -> GoneView | None:
        """Return that a node is gone, if it was known."""
        self.heard.pop(name, None)
        uid = self.known.pop(name, None)
        return None if uid is None else GoneView(name, uid)

    def meet(self, node: Object) -> bool:
        """Return whether a node is new."""
        name, uid = name_of(node), uid_of(node)
        new = name not in self.known
        self.known[name] = uid
        return new

    def survey(self, caches: Caches, now: float) -> Zones:
        """Return how the zones are, counted in the last second: many may ask at once."""
        if not self.surveyed_at <= now < self.surveyed_at + SURVEY_S:
            self.zones, self.surveyed_at = zones_of(caches[NODES].all()), now
        return self.zones

    def judge(self, *, disrupted: bool) -> None:
        """Take note whether no node is ready; when one is again, all are watched from anew."""
        if self.disrupted and not disrupted:
            for heard in self.heard.values():
                heard.silent_s = 0.0
        self.disrupted = disrupted


def _status_of(node: Object, kind: str = "Ready") -> str:
    found = conditions.find((node.get("status") or {}).get("conditions"), kind)
    return found["status"] if found is not None else "Unknown"


def zone_of(node: Object) -> tuple[str, str]:
    """Return region and zone of a node; ("", "") if it does not say."""
    labels = node["metadata"].get("labels") or {}
    region, zone = (
        labels.get(f"failure-domain.beta.kubernetes.io/{what}")
        or labels.get(f"topology.kubernetes.io/{what}", "")
        for what in ("region", "zone")
    )
    return region, zone


def zones_of(nodes: Iterable[Object]) -> Zones:
    """Count the nodes of each zone that are ready, and those that are not."""
    found: dict[tuple[str, str], list[int]] = {}
    for node in nodes:
        if EXCLUDED not in (node["metadata"].get("labels") or ()):
            found.setdefault(zone_of(node), [0, 0])[_status_of(node) != "True"] += 1
    return {zone: (ready_count, missing) for zone, (ready_count, missing) in found.items()}


def all_disrupted(zones: Zones) -> bool:
    """Say whether there are nodes, and none of them is ready."""
    return bool(zones) and not any(ready_count for ready_count, _ in zones.values())


def interval_in(zone: tuple[str, str], zones: Zones) -> float | None:
    """Return how many seconds lie between two nodes of a zone that are given up; None: none is.

    When most of a zone is not ready the fault is likely to be elsewhere: a large zone slows down, a
    small one stops. When no zone at all has a ready node, it is certainly elsewhere.
    """
    if all_disrupted(zones):
        return None
    ready_count, missing = zones.get(zone, (0, 0))
    size = ready_count + missing
    partly = missing > 2 and missing / size >= UNHEALTHY_PART and ready_count > 0
    if not partly:
        return EVICTION_INTERVAL_S
    return SLOW_INTERVAL_S if size > LARGE_ZONE else None


def reconcile(view: View | GoneView) -> Plan:
    """Decide the conditions and taints of a node, and the readiness of its pods."""
    if isinstance(view, GoneView):
        reference = {"kind": "Node", "name": view.name, "uid": view.uid, "apiVersion": "v1"}
        text = f"Node {view.name} event: Removing Node {view.name} from Controller"
        return Plan((normal(reference, "RemovingNode", text),))
    plan = _of_node(view)
    if not view.new:
        return plan
    name = name_of(view.node)
    text = f"Node {name} event: Registered Node {name} in Controller"
    event = normal(object_reference(NODES, "Node", view.node), "RegisteredNode", text)
    return replace(plan, actions=(event, *plan.actions))


def _of_node(view: View) -> Plan:
    node = view.node
    status = _conditions(view)
    if status is not None:
        was_ready = _status_of(node) == "True"
        node = {**node, "status": status}
        actions: list[Action] = [Update(NODES, node, "status")]
        if was_ready:
            message = f"Node {name_of(node)} status is now: NodeNotReady"
            reference = object_reference(NODES, "Node", node)
            actions.append(normal(reference, "NodeNotReady", message))
        return Plan(tuple(actions), view.now + PERIOD_S)
    # One that is not ready may be tainted later: that does not wait for its silence.
    heart = f"{LEASE_NAMESPACE}/{name_of(node)}" if _status_of(node) == "True" else ""
    actions = [*_labels(node), *_taints(view), *_pods(view)]
    return Plan(tuple(actions), view.now + PERIOD_S, heart=heart)


def _labels(node: Object) -> Iterable[Action]:
    """Keep the labels of the first days saying what those of today do."""
    labels = node["metadata"].get("labels") or {}
    wanted = {
        old: labels[new]
        for new, old in _OLD_LABELS.items()
        if new in labels and labels.get(old) != labels[new]
    }
    if wanted:
        yield Patch(ref_of(NODES, node), {"metadata": {"labels": wanted}})


def _conditions(view: View) -> Object | None:
    """Return the status of a node that is silent for too long; None if nothing changes."""
    status = view.node.get("status") or {}
    known = status.get("conditions") or []
    never = conditions.find(known, "Ready") is None
    if view.silent_s < (STARTUP_GRACE_S if never else view.grace_s):
        return None
    now = stamp(view.now)
    new = list(known)
    for kind in _REPORTED:
        old = conditions.find(known, kind)
        if old is None:
            reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
            heartbeat = stamp(created_at(view.node))
        elif old["status"] != "Unknown":
            reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
            heartbeat = old.get("lastHeartbeatTime", now)
        else:
            continue
        made = conditions.make(kind, "Unknown", reason, message, now, lastHeartbeatTime=heartbeat)
        new = conditions.put(new, made)
    return None if new == known else {**status, "conditions": new}


def _taints(view: View) -> Iterable[Action]:
    node = view.node
    old = (node.get("spec") or {}).get("taints") or []
    wanted: dict[tuple[str, str], None] = {}
    for (kind, value), key in _BY_CONDITION.items():
        if conditions.find((node.get("status") or {}).get("conditions"), kind) is None:
            continue
        if _status_of(node, kind) == value:
            wanted[key, NO_SCHEDULE] = None
    if (node.get("spec") or {}).get("unschedulable"):
        wanted[_UNSCHEDULABLE, NO_SCHEDULE] = None
    ready_status = _status_of(node)
    if ready_status != "True" and conditions.find(
        (node.get("status") or {}).get("conditions"), "Ready"
    ):
        key = NOT_READY if ready_status == "False" else UNREACHABLE
        present = any(
            t["effect"] == NO_EXECUTE and t["key"] in {NOT_READY, UNREACHABLE} for t in old
        )
        if (view.may_evict or present) and not view.disrupted:
            wanted[key, NO_EXECUTE] = None
    kept = [t for t in old if not _ours(t) or (t["key"], t["effect"]) in wanted]
    have = {(t["key"], t["effect"]) for t in kept}
    now = stamp(view.now)
    added = [
        {"key": key, "effect": effect, "timeAdded": now}
        for key, effect in wanted
        if (key, effect) not in have
    ]
    if not added and len(kept) == len(old):
        return ()
    body = {
        "metadata": {"resourceVersion": version_of(node)},
        "spec": {"taints": [*kept, *added] or None},
    }
    return (Patch(ref_of(NODES, node), body),)


def _ours(taint: Object) -> bool:
    if taint["effect"] == NO_EXECUTE:
        return taint["key"] in {NOT_READY, UNREACHABLE}
    return taint["effect"] == NO_SCHEDULE and taint["key"] in _MANAGED


def _pods(view: View) -> Iterable[Action]:
    """Mark the pods of a node that nobody hears from as not ready."""
    if _status_of(view.node) != "Unknown" or view.silent_s < view.grace_s:
        return
    for pod in view.pods:
        if not ready(pod):
            continue
        old = conditions.find(pod["status"]["conditions"], "Ready") or {}
        condition = {**old, "status": "False", "lastTransitionTime": stamp(view.now)}
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [condition]}}
        yield Patch(ref_of(PODS, pod), body, "status", strategic=True)
        regarding = object_reference(PODS, "Pod", pod)
        yield warning(regarding, "NodeNotReady", "Node is not ready")


def _lease_keys(lease: Object, _caches: Caches) -> Iterable[Key]:
    return (Key("", name_of(lease)),) if namespace_of(lease) == LEASE_NAMESPACE else ()


def _no_keys(_obj: Object, _caches: Caches) -> Iterable[Key]:
    return ()


def node_lifecycle(grace_s: float = GRACE_S) -> Controller[View | GoneView]:
    """Return the controller, with a memory of its own; nodes may be silent for `grace_s` seconds."""
    memory = Memory()

    def view(caches: Caches, key: Key, now: float) -> View | GoneView | None:
        node = caches[NODES].get("", key.name)
        if node is None:
            return memory.forget(key.name)
        new = memory.meet(node)
        lease = caches[LEASES].get(LEASE_NAMESPACE, key.name) or {}
        ready_condition = conditions.find((node.get("status") or {}).get("conditions"), "Ready")
        heartbeat = (ready_condition or {}).get("lastHeartbeatTime", "")
        sign = (str((lease.get("spec") or {}).get("renewTime", "")), heartbeat)
        connected = caches[LEASES].connected and caches[NODES].connected
        silent_s = memory.silence(key.name, sign, now, connected=connected)
        pods = tuple(caches[PODS].by(BY_NODE, key.name)) if silent_s >= grace_s else ()
        may_evict = disrupted = False
        if _status_of(node) == "True":
            if EXCLUDED not in labels_of(node):
                memory.judge(disrupted=False)
        else:
            zone, zones = zone_of(node), memory.survey(caches, now)
            disrupted = all_disrupted(zones)
            memory.judge(disrupted=disrupted)
            interval_s = interval_in(zone, zones)
            rested_s = now - memory.tainted_at.get(zone, 0.0)
            may_evict = interval_s is not None and rested_s >= interval_s
            if may_evict and not _is_tainted(node):
                memory.tainted_at[zone] = now
        return View(node, silent_s, pods, may_evict, now, grace_s, disrupted, new)

    return Controller(
        name="node-lifecycle-controller",
        watches=(
            Watch(NODES, own_key),
            Watch(LEASES, _lease_keys),
            Watch(PODS, _no_keys, {BY_NODE: by_node}),
        ),
        view=view,
        reconcile=reconcile,
        component="node-controller",
    )


def _is_tainted(node: Object) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return any(t["effect"] == NO_EXECUTE and t["key"] in {NOT_READY, UNREACHABLE} for t in taints)
