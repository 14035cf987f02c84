"""Ranges of addresses for the pods of nodes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roost.api.values import Object
from roost.controllers.nodeipam import Ranges, View, reconcile
from roost.decisions.controller import Key
from roost.decisions.plan import EmitEvent, Patch


class Nodes:
    """Nodes by name, as caches show them, and a controller that looks at them."""

    def __init__(self, cluster: str, size: int, services: str = "", **nodes: str) -> None:
        held = IPv4Network(services) if services else None
        self.ranges = Ranges(IPv4Network(cluster), size, held)
        self.found = {name: node(name, text) for name, text in nodes.items()}

    def __getitem__(self, _resource: Any) -> Nodes:
        return self

    def all(self, _namespace: str = "") -> list[Object]:
        return list(self.found.values())

    def get(self, _namespace: str, name: str) -> Object | None:
        return self.found.get(name)

    def look(self, name: str) -> View | None:
        return self.ranges.view(self, Key("", name), 0.0)  # type: ignore[arg-type]

    def join(self, name: str) -> str | None:
        """A node comes; return what it gets, which is written."""
        self.found[name] = node(name)
        seen = self.look(name)
        assert seen is not None
        if seen.range is not None:
            self.found[name] = node(name, seen.range)
            self.look(name)
        return seen.range

    def leave(self, name: str) -> None:
        del self.found[name]
        self.look(name)


def node(name: str, text: str = "") -> Object:
    spec = {"podCIDR": text, "podCIDRs": [text]} if text else {}
    return {"metadata": {"name": name, "uid": name}, "spec": spec}


def test_nodes_get_one_piece_after_the_other_and_free_ones_last() -> None:
    nodes = Nodes("10.244.0.0/22", 24)
    assert [nodes.join(name) for name in "abc"] == [
        "10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24",
    ]  # fmt: skip
    nodes.leave("a")
    assert [nodes.join(name) for name in "de"] == ["10.244.3.0/24", "10.244.0.0/24"]
    assert nodes.join("f") is None
    nodes.leave("b")
    assert nodes.join("f") == "10.244.1.0/24"


def test_a_node_keeps_what_it_was_given_until_it_is_written() -> None:
    nodes = Nodes("10.244.0.0/22", 24)
    nodes.found["a"] = node("a")
    first = nodes.look("a")
    assert nodes.look("a") == first
    assert first is not None
    (patch,) = reconcile(first).actions
    assert isinstance(patch, Patch)
    assert patch.body == {
        "metadata": {"uid": "a"},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]},
    }


def test_what_others_have_is_left_out() -> None:
    nodes = Nodes("10.244.0.0/22", 24, "10.244.1.128/25", old="10.244.0.0/24", odd="10.9.0.0/24")
    assert nodes.join("a") == "10.244.2.0/24"
    nodes.found["a"] = node("a", "10.244.3.0/24")  # somebody else was faster
    assert nodes.look("a") is None
    assert nodes.join("b") == "10.244.2.0/24"


def test_when_all_are_taken_it_is_said() -> None:
    plan = reconcile(View(node("a"), None, 5.0))
    (event,) = plan.actions
    assert isinstance(event, EmitEvent)
    assert (event.reason, event.message) == (
        "CIDRNotAvailable", "Node a status is now: CIDRNotAvailable",
    )  # fmt: skip
    assert plan.wake_at == 15.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_no_two_nodes_share_a_range(steps: list[tuple[bool, int]]) -> None:
    nodes = Nodes("10.244.0.0/21", 24)
    for comes, number in steps:
        name = f"n{number}"
        if comes and name not in nodes.found:
            nodes.join(name)
        elif not comes and name in nodes.found:
            nodes.leave(name)
        given_out = [n["spec"]["podCIDR"] for n in nodes.all() if n["spec"]]
        assert len(given_out) == len(set(given_out)) == min(len(nodes.found), len(given_out))
        assert len(given_out) <= 8
