"""What becomes of nodes that fall silent and of pods on tainted nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.objects import node, pod, running
from roost.api.kind import Resource
from roost.api.values import Object
from roost.controllers.nodelifecycle import (
    EXCLUDED,
    GRACE_S,
    PERIOD_S,
    GoneView,
    Memory,
    View,
    all_disrupted,
    reconcile,
    zone_of,
    zones_of,
)
from roost.controllers.tainteviction import NodeView, Schedule, evicted_at
from roost.controllers.tainteviction import reconcile as evict
from roost.decisions.controller import Key
from roost.decisions.meta import key_of, seconds_of, stamp
from roost.decisions.plan import EmitEvent, Patch, Plan, Update
from roost.decisions.resources import NODES, PODS

NOW = seconds_of("2027-01-15T09:00:00Z")


def a_node(status: str, *taints: Object) -> Object:
    body = node("n1", taints=list(taints))
    body["metadata"]["resourceVersion"] = "3"
    body["status"]["conditions"] = [{"type": "Ready", "status": status}]
    return body


def view(body: Object, silent_s: float = 0.0, *pods: Object, may_evict: bool = True) -> View:
    return View(body, silent_s, pods, may_evict, NOW)


def taints_of(plan: Plan) -> set[tuple[str, str]]:
    (patch,) = [a for a in plan.actions if isinstance(a, Patch) and a.ref.resource != PODS]
    return {(t["key"].rpartition("/")[2], t["effect"]) for t in patch.body["spec"]["taints"] or ()}


def test_a_healthy_node_is_left_alone_and_looked_at_again() -> None:
    look = Plan(wake_at=NOW + PERIOD_S, heart="kube-node-lease/n1")
    assert reconcile(view(a_node("True"), 20.0)) == look


def test_the_grace_of_nodes_can_be_chosen() -> None:
    silent = replace(view(a_node("True"), 40.0), grace_s=40.0)
    assert any(isinstance(action, Update) for action in reconcile(silent).actions)
    assert not reconcile(view(a_node("True"), 40.0)).actions


def test_a_silent_node_becomes_unknown() -> None:
    (update, event) = reconcile(view(a_node("True"), GRACE_S)).actions
    assert isinstance(update, Update)
    found = {c["type"]: (c["status"], c["reason"]) for c in update.object["status"]["conditions"]}
    assert found["Ready"] == ("Unknown", "NodeStatusUnknown")
    assert found["MemoryPressure"] == ("Unknown", "NodeStatusNeverUpdated")
    assert event.message == "Node n1 status is now: NodeNotReady"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "may_evict", "expected"),
    [
        ("False", True, {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}),
        ("Unknown", True, {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}),
        ("Unknown", False, {("unreachable", "NoSchedule")}),
    ],
)
def test_taints_say_how_a_node_is(
    status: str, may_evict: bool, expected: set[tuple[str, str]]
) -> None:
    assert taints_of(reconcile(view(a_node(status), may_evict=may_evict))) == expected


def test_a_node_that_is_well_again_loses_our_taints_and_keeps_others() -> None:
    body = a_node(
        "True",
        {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
        {"key": "mine", "effect": "NoExecute"},
    )
    assert taints_of(reconcile(view(body))) == {("mine", "NoExecute")}


def test_pods_of_a_silent_node_are_not_ready() -> None:
    taints = [
        {"key": "node.kubernetes.io/unreachable", "effect": effect}
        for effect in ("NoSchedule", "NoExecute")
    ]
    body = a_node("Unknown", *taints)
    body["status"]["conditions"] += [
        {"type": kind, "status": "Unknown"}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    patch, event = reconcile(view(body, GRACE_S, running(pod("p", nodeName="n1")))).actions
    assert isinstance(patch, Patch)
    assert patch.body["status"]["conditions"][0]["status"] == "False"
    assert event.reason == "NodeNotReady"  # type: ignore[union-attr]


def test_only_watched_time_counts_as_silence() -> None:
    memory = Memory()
    sign = ("lease 1", "")
    assert memory.silence("n", sign, 0.0, connected=True) == 0.0
    assert memory.silence("n", sign, 5.0, connected=True) == 5.0
    # The machine slept for an hour: that is one period, not an hour.
    assert memory.silence("n", sign, 3605.0, connected=True) == 15.0
    # The server was away: that does not count at all.
    assert memory.silence("n", sign, 3610.0, connected=False) == 15.0
    assert memory.silence("n", ("lease 2", ""), 3615.0, connected=True) == 0.0


TAINT = {"key": "k", "effect": "NoExecute", "timeAdded": "2027-01-15T08:59:00Z"}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], NOW),
        ([{"key": "k", "operator": "Exists"}], None),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 300}], NOW + 240),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 0}], NOW - 60),
        ([{"key": "other", "operator": "Exists"}], NOW),
    ],
)
def test_when_a_pod_has_to_go(tolerations: list[Object], expected: float | None) -> None:
    assert evicted_at(tolerations, [TAINT], NOW) == expected


def test_taints_are_told_since_when_they_are_there() -> None:
    """Else a tolerance would begin anew each time that somebody looks."""
    mine: Object = {"key": "mine", "effect": "NoExecute"}
    timed = {**mine, "key": "timed", "timeAdded": "2027-01-15T08:00:00Z"}
    other = {"key": "other", "effect": "NoSchedule"}
    body = a_node("True", mine, timed, other)
    (patch,) = evict(NodeView(body, NOW)).actions
    assert isinstance(patch, Patch)
    since = {"timeAdded": "2027-01-15T09:00:00Z"}
    assert patch.body["spec"]["taints"] == [{**since, **mine}, timed, other]
    assert patch.body["metadata"] == {"resourceVersion": "3"}
    assert not evict(NodeView(a_node("True", timed, other), NOW)).actions


def test_without_a_ready_node_anywhere_no_pod_is_evicted() -> None:
    tainted = a_node("Unknown", {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"})
    stopped = replace(view(tainted, may_evict=False), disrupted=True)
    assert taints_of(reconcile(stopped)) == {("unreachable", "NoSchedule")}
    silent, well = a_node("Unknown"), a_node("True")
    assert all_disrupted(zones_of([silent]))
    assert not all_disrupted(zones_of([silent, well]))
    assert not all_disrupted(zones_of([]))
    well["metadata"]["labels"] = {EXCLUDED: ""}
    assert all_disrupted(zones_of([silent, well]))


def test_when_a_node_is_ready_again_all_are_watched_from_anew() -> None:
    memory = Memory()
    for now in (0.0, 5.0, 10.0):
        memory.silence("n", ("", ""), now, connected=True)
    memory.judge(disrupted=True)
    memory.judge(disrupted=False)
    assert memory.silence("n", ("", ""), 15.0, connected=True) == 5.0


def test_nodes_come_and_go_with_events() -> None:
    memory, body = Memory(), a_node("True")
    body["metadata"]["uid"] = "u1"
    assert memory.meet(body)
    assert not memory.meet(body)
    (event,) = reconcile(replace(view(body), new=True)).actions
    assert (event.reason, event.message) == (  # type: ignore[union-attr]
        "RegisteredNode", "Node n1 event: Registered Node n1 in Controller",
    )  # fmt: skip
    gone = memory.forget("n1")
    assert gone == GoneView("n1", "u1")
    (event,) = reconcile(gone).actions
    assert (event.reason, event.message) == (  # type: ignore[union-attr]
        "RemovingNode", "Node n1 event: Removing Node n1 from Controller",
    )  # fmt: skip
    assert memory.forget("n1") is None


def test_old_labels_say_what_new_ones_do() -> None:
    body = a_node("True")
    body["metadata"]["labels"] = {
        "kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64",
        "beta.kubernetes.io/arch": "amd64",
        "failure-domain.beta.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r",
    }  # fmt: skip
    (patch,) = reconcile(view(body)).actions
    assert isinstance(patch, Patch)
    assert patch.body["metadata"]["labels"] == {
        "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64",
    }  # fmt: skip
    assert zone_of(body) == ("r", "a")


class Known:
    """Caches of what is put into them."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[Key, Object]] = {}
        self._resource = PODS

    def __getitem__(self, resource: Resource) -> Any:
        self._resource = resource
        return self

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get(self._resource, {}).get(Key(namespace, name))

    def put(self, resource: Resource, body: Object) -> None:
        self._objects.setdefault(resource, {})[key_of(body)] = body

    def take(self, resource: Resource, body: Object) -> None:
        del self._objects[resource][key_of(body)]


class Taints:
    """A pod on a node whose taints change."""

    def __init__(self, seconds: int) -> None:
        tolerations = [
            {"key": key, "operator": "Exists", "tolerationSeconds": seconds} for key in "kl"
        ]
        self.cluster = Known()
        self.body = running(pod("p", nodeName="n1", tolerations=tolerations))
        self.cluster.put(PODS, self.body)
        self.schedule = Schedule()
        self.key = key_of(self.body)

    def now(self, at: float, *keys: str) -> tuple[list[str], float | None]:
        """Give the node these taints; return the events and when to look again."""
        taints = [{"key": key, "effect": "NoExecute", "timeAdded": stamp(at)} for key in keys]
        self.cluster.put(NODES, a_node("True", *taints))
        return self.look(at)

    def look(self, at: float) -> tuple[list[str], float | None]:
        seen = self.schedule.view(self.cluster, self.key, at)
        plan = Plan() if seen is None else evict(seen)
        events = [action for action in plan.actions if isinstance(action, EmitEvent)]
        assert all(event.reason == "TaintManagerEviction" for event in events)
        return [event.message for event in events], plan.wake_at


CANCELLED = "Cancelling deletion of Pod default/p"
MARKED = "Marking for deletion Pod default/p"


def test_a_pod_that_was_to_go_may_stay_when_its_node_has_no_taint() -> None:
    taints = Taints(300)
    assert taints.now(NOW, "k") == ([], NOW + 300)
    assert taints.now(NOW + 9) == ([CANCELLED], None)
    assert taints.now(NOW + 10) == ([], None)


def test_another_taint_does_not_put_a_pod_off() -> None:
    taints = Taints(300)
    taints.now(NOW, "k")
    assert taints.now(NOW + 100, "l") == ([], NOW + 300)
    assert taints.now(NOW + 300, "l") == ([MARKED], None)


def test_a_taint_that_is_not_tolerated_counts_at_once() -> None:
    taints = Taints(300)
    taints.now(NOW, "k")
    assert taints.now(NOW + 5, "k", "m") == ([CANCELLED, MARKED], None)
    taints.cluster.take(PODS, taints.body)
    assert taints.look(NOW + 6) == ([], None)


def test_a_pod_that_goes_by_itself_is_not_waited_for() -> None:
    taints = Taints(300)
    taints.now(NOW, "k")
    taints.cluster.take(PODS, taints.body)
    assert taints.look(NOW + 6) == ([CANCELLED], None)


def test_pods_that_are_done_are_evicted_too() -> None:
    taints = Taints(0)
    taints.body["status"]["phase"] = "Succeeded"
    assert taints.now(NOW, "k") == ([MARKED], None)
