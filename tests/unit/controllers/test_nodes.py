"""What becomes of nodes that fall silent and of pods on tainted nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.objects import node, pod, running
from roost.api.values import Object
from roost.controllers.nodelifecycle import GRACE_S, PERIOD_S, Memory, View, reconcile
from roost.controllers.tainteviction import NodeView, evicted_at
from roost.controllers.tainteviction import reconcile as evict
from roost.decisions.meta import seconds_of
from roost.decisions.plan import Patch, Plan, Update
from roost.decisions.resources import PODS

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
