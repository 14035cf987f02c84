"""Pods that nobody would remove: of nodes that are gone, never bound, or ended by the thousand."""

from __future__ import annotations

from typing import Any

import pytest

from roost.client.cache import Cache
from roost.controllers import podgc
from roost.decisions.controller import Key
from roost.decisions.plan import NOTHING, AssertAbsent, Delete, Patch, Plan, Ref
from roost.decisions.resources import NODES, PODS

GONE = Key("", "node/gone")


def pod(name: str, *, node: str = "gone", phase: str = "Running", going: bool = False) -> Any:
    metadata = {"name": name, "namespace": "n", "uid": f"u-{name}", "generation": 3}
    if going:
        metadata["deletionTimestamp"] = "2027-01-15T09:00:00Z"
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": phase}}


class Scene:
    """A collector, and what it sees."""

    def __init__(self, *pods: Any, nodes: tuple[str, ...] = ()) -> None:
        self.controller = podgc.pod_collector()
        self.nodes, self.pods = Cache(), Cache()
        self.nodes.connected = self.pods.connected = True
        for watch in self.controller.watches:
            for name, index in (watch.indexes or {}).items():
                (self.pods if watch.resource == PODS else self.nodes).add_index(name, index)
        for one in pods:
            self.pods.put(one)
        for name in nodes:
            self.nodes.put({"metadata": {"name": name}})

    def plan(self, key: Key, now: float) -> Plan:
        view = self.controller.view({NODES: self.nodes, PODS: self.pods}, key, now)  # type: ignore[arg-type]  # two of them
        return NOTHING if view is None else self.controller.reconcile(view)


def test_pods_of_a_node_go_when_it_was_missed_for_long_enough() -> None:
    scene = Scene(pod("a"), pod("b", phase="Succeeded"), pod("c", node="here"), nodes=("here",))
    assert scene.plan(GONE, 100.0) == Plan(wake_at=140.0)
    assert scene.plan(GONE, 120.0) == Plan(wake_at=140.0)
    plan = scene.plan(GONE, 140.0)
    assert plan.actions[0] == AssertAbsent(Ref(NODES, "", "gone"))
    told = [one for one in plan.actions if isinstance(one, Patch)]
    assert [one.ref.name for one in told] == ["a"]
    condition = told[0].body["status"]["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "DeletionByPodGC")
    assert condition["observedGeneration"] == 3
    deleted = [one for one in plan.actions if isinstance(one, Delete)]
    assert [(one.ref.name, one.grace_period_s) for one in deleted] == [("a", 0), ("b", 0)]


def test_a_node_that_came_back_was_not_missed() -> None:
    scene = Scene(pod("a"))
    scene.plan(GONE, 100.0)
    scene.nodes.put({"metadata": {"name": "gone"}})
    assert scene.plan(GONE, 130.0) == NOTHING
    scene.nodes.remove("", "gone")
    assert scene.plan(GONE, 150.0) == Plan(wake_at=190.0)


def test_a_node_is_not_missed_while_nodes_cannot_be_seen_but_is_looked_for_again() -> None:
    scene = Scene(pod("a"))
    scene.plan(GONE, 100.0)
    scene.nodes.connected = False
    assert scene.plan(GONE, 140.0) == Plan(wake_at=180.0)
    scene.nodes.connected = True
    assert scene.plan(GONE, 180.0) == Plan(wake_at=220.0)
    assert scene.plan(GONE, 220.0).actions


def test_a_pod_that_was_never_bound_goes_when_it_is_deleted() -> None:
    scene = Scene(pod("a", node="", going=True), pod("b", node=""))
    assert scene.plan(Key("n", "a"), 0.0).actions == (
        Delete(Ref(PODS, "n", "a", "u-a"), grace_period_s=0),
    )
    assert scene.plan(Key("n", "b"), 0.0) == NOTHING


@pytest.mark.parametrize(("ended", "gone"), [(3, 0), (5, 2)])
def test_the_oldest_of_too_many_ended_ones_go(
    ended: int, gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podgc, "TERMINATED_THRESHOLD", 3)
    pods = [pod(f"p{number}", node="here", phase="Failed") for number in range(ended)]
    for age, one in enumerate(reversed(pods)):
        one["metadata"]["creationTimestamp"] = f"2027-01-15T09:00:{age:02}Z"
    scene = Scene(*pods, pod("on", node="here"), nodes=("here",))
    (start,) = scene.controller.start_keys
    names = [one.ref.name for one in scene.plan(start, 0.0).actions]  # type: ignore[union-attr]
    assert names == [f"p{ended - 1 - number}" for number in range(gone)]
