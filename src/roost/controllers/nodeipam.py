"""Nodes get ranges for their pods, pieces of the cluster's range: `spec.podCIDR`.

For agents that wait for one; Roost's own chooses its range itself. A range that was given out is kept
for its node until that is gone, whatever becomes of the write, and the next node gets the next one: so
a range that became free is used again as late as possible.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import name_of, normal, object_reference, uid_of
from roost.decisions.plan import Patch, Plan, Ref
from roost.decisions.resources import NODES

#: How soon to look again whether a range is free.
_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class View:
    """A node without a range, and the one that it gets (None: none is free)."""

    node: Object
    range: str | None
    now: float


@dataclass(slots=True)
class Ranges:
    """The pieces, `size` bits long, of the cluster's range; those of Services are left out."""

    cluster: IPv4Network
    size: int
    services: IPv4Network | None = None
    _used: set[int] = field(default_factory=set)
    _held: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _next: int = 0
    _read: bool = False

    @property
    def count(self) -> int:
        return int(1 << (self.size - self.cluster.prefixlen))

    def piece(self, index: int) -> str:
        """Return a piece as text."""
        first = int(self.cluster.network_address) + (index << (32 - self.size))
        return str(IPv4Network((first, self.size)))

    def indexes(self, network: IPv4Network) -> range:
        """Return which pieces a network touches."""
        if not network.overlaps(self.cluster):
            return range(0)
        if network.prefixlen <= self.cluster.prefixlen:
            return range(self.count)
        base, shift = int(self.cluster.network_address), 32 - self.size
        first, last = int(network.network_address) - base, int(network.broadcast_address) - base
        return range(first >> shift, (last >> shift) + 1)

    def hold(self, node: Object) -> None:
        """Take note of the ranges that a node has."""
        found: list[int] = []
        for text in (node.get("spec") or {}).get("podCIDRs") or ():
            if ":" not in text:
                found += self.indexes(IPv4Network(text, strict=False))
        self._release(name_of(node), set(found))
        self._used.update(found)
        self._held[name_of(node)] = tuple(found)

    def give(self, name: str) -> str | None:
        """Return the range that a node is to have; None if all are taken."""
        if name in self._held:
            return self.piece(self._held[name][0])
        for step in range(self.count):
            index = (self._next + step) % self.count
            if index not in self._used:
                self._next = (index + 1) % self.count
                self._used.add(index)
                self._held[name] = (index,)
                return self.piece(index)
        return None

    def forget(self, name: str) -> None:
        """Let go of what a node had that is gone."""
        self._release(name, set())
        self._held.pop(name, None)

    def _release(self, name: str, kept: set[int]) -> None:
        self._used.difference_update(set(self._held.get(name, ())) - kept)

    def view(self, caches: Caches, key: Key, now: float) -> View | None:
        """Return a node without a range, with one."""
        if not self._read:
            self._read = True
            if self.services is not None:
                self._used.update(self.indexes(self.services))
            for node in caches[NODES].all():
                if _has_range(node):
                    self.hold(node)
        found = caches[NODES].get(*key)
        if found is None:
            self.forget(key.name)
            return None
        if _has_range(found):
            self.hold(found)
            return None
        return View(found, self.give(key.name), now)


def _has_range(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("podCIDRs"))


def reconcile(view: View) -> Plan:
    """Write the range into the node, or tell that there is none."""
    node = view.node
    if view.range is None:
        text = f"Node {name_of(node)} status is now: CIDRNotAvailable"
        event = normal(object_reference(NODES, "Node", node), "CIDRNotAvailable", text)
        return Plan((event,), view.now + _RETRY_S)
    body = {
        "metadata": {"uid": uid_of(node)},
        "spec": {"podCIDR": view.range, "podCIDRs": [view.range]},
    }
    return Plan((Patch(Ref(NODES, "", name_of(node)), body),))


def node_ipam(ranges: Ranges) -> Controller[View]:
    """Return the controller; what it gives out is remembered in `ranges`."""
    return Controller(
        name="node-ipam-controller",
        component="cidrAllocator",
        watches=(Watch(NODES, own_key),),
        view=ranges.view,
        reconcile=reconcile,
    )
