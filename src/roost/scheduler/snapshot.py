"""The cluster as the scheduler sees it: nodes with what is requested on them, kept up to date.

Every change of a node or of its pods gives it a new `generation`; what was found out about a node is
valid for that generation. Counts of pods by selector are kept incrementally for spreading.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roost.api.selectors import LabelSelector
from roost.api.values import Object
from roost.decisions import requests
from roost.decisions.controller import Key
from roost.decisions.meta import labels_of
from roost.scheduler.shape import PodInfo

_COUNTS_KEPT = 128


@dataclass(slots=True, eq=False)
class NodeInfo:
    """A node, its pods and the sums over them (cpu in thousandths, the rest in units)."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()
    unschedulable: bool = False
    present: bool = False  # False: pods are bound to it, but the node itself is unknown
    allocatable: requests.Amounts = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)  # name -> bytes
    pods: dict[Key, PodInfo] = field(default_factory=dict)
    requested: requests.Amounts = field(default_factory=dict)
    scored_cpu: int = 0
    scored_memory: int = 0
    ports: dict[tuple[str, str, int], int] = field(default_factory=dict)
    generation: int = 0

    def add(self, info: PodInfo) -> None:
        """Count a pod in."""
        shape = info.shape
        self.pods[info.key] = info
        requests.add(self.requested, shape.requests)
        self.scored_cpu += shape.scored_cpu
        self.scored_memory += shape.scored_memory
        for port in shape.ports:
            self.ports[port] = self.ports.get(port, 0) + 1

    def remove(self, key: Key) -> PodInfo | None:
        """Count a pod out."""
        info = self.pods.pop(key, None)
        if info is None:
            return None
        shape = info.shape
        for name, value in shape.requests.items():
            self.requested[name] -= value
        self.scored_cpu -= shape.scored_cpu
        self.scored_memory -= shape.scored_memory
        for port in shape.ports:
            self.ports[port] -= 1
            if not self.ports[port]:
                del self.ports[port]
        return info

    def copy(self) -> NodeInfo:
        """Return a copy to try things on."""
        return NodeInfo(
            self.name, self.labels, self.taints, self.unschedulable, self.present,
            self.allocatable, self.images, dict(self.pods), dict(self.requested), self.scored_cpu,
            self.scored_memory, dict(self.ports), -1,
        )  # fmt: skip


class Snapshot:
    """All nodes and all bound or assumed pods."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.image_nodes: dict[str, int] = {}  # image name -> how many nodes have it
        self.with_affinity: dict[Key, PodInfo] = {}  # pods whose terms concern other pods
        self.claim_users: dict[Key, set[Key]] = {}  # claim -> pods that are counted somewhere
        self._where: dict[Key, str] = {}
        self._by_namespace: dict[str, dict[Key, str]] = {}
        self._present: list[NodeInfo] | None = None
        self._generation = 0
        self._counts: OrderedDict[tuple[str, LabelSelector], dict[str, int]] = OrderedDict()

    def present(self) -> list[NodeInfo]:
        """Return the nodes that exist, in a stable order."""
        if self._present is None:
            self._present = [node for node in self.nodes.values() if node.present]
        return self._present

    def pods(self) -> int:
        """Return how many pods are counted somewhere."""
        return len(self._where)

    def named(self, names: Iterable[str]) -> list[NodeInfo]:
        """Return those of some nodes that exist."""
        found = (self.nodes.get(name) for name in sorted(names))
        return [node for node in found if node is not None and node.present]

    def where(self, key: Key) -> str | None:
        """Return the node on which a pod is counted."""
        return self._where.get(key)

    def set_node(self, node: Object) -> bool:
        """Add or update a node; say whether anything that matters for scheduling changed."""
        name, spec = node["metadata"]["name"], node.get("spec") or {}
        status = node.get("status") or {}
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        labels, taints = labels_of(node), spec.get("taints") or ()
        unschedulable = bool(spec.get("unschedulable"))
        allocatable = requests.amounts(status.get("allocatable") or status.get("capacity"))
        images = {
            name: image.get("sizeBytes", 0)
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }
        same = (
            info.present
            and info.labels == labels
            and list(info.taints) == list(taints)
            and info.unschedulable == unschedulable
            and info.allocatable == allocatable
        )
        if same and info.images == images:
            return False
        self._count_images(info.images, images)
        info.labels, info.taints, info.unschedulable = labels, taints, unschedulable
        info.allocatable, info.images, info.present = allocatable, images, True
        self._present = None
        self._touch(info)
        return not same

    def remove_node(self, name: str) -> None:
        """Forget a node; its pods stay counted until they go themselves."""
        info = self.nodes.get(name)
        if info is None:
            return
        self._count_images(info.images, {})
        info.images, info.present = {}, False
        self._present = None
        self._touch(info)
        if not info.pods:
            del self.nodes[name]

    def add_pod(self, info: PodInfo, node_name: str) -> None:
        """Count a pod on a node, instead of where it was counted before."""
        self.remove_pod(info.key)
        node = self.nodes.get(node_name)
        if node is None:
            node = self.nodes[node_name] = NodeInfo(node_name)
        node.add(info)
        self._touch(node)
        self._where[info.key] = node_name
        self._by_namespace.setdefault(info.key.namespace, {})[info.key] = node_name
        shape = info.shape
        if shape.affinity or shape.anti_affinity or shape.prefers:
            self.with_affinity[info.key] = info
        for name in shape.claims:
            claim = Key(info.key.namespace, name)
            self.claim_users.setdefault(claim, set()).add(info.key)
        self._recount(info, node_name, 1)

    def remove_pod(self, key: Key) -> None:
        """Stop counting a pod."""
        node_name = self._where.pop(key, None)
        if node_name is None:
            return
        namespace = self._by_namespace[key.namespace]
        del namespace[key]
        if not namespace:
            del self._by_namespace[key.namespace]
        self.with_affinity.pop(key, None)
        node = self.nodes[node_name]
        info = node.remove(key)
        self._touch(node)
        if info is not None:
            self._disuse(info)
            self._recount(info, node_name, -1)
        if not node.present and not node.pods:
            del self.nodes[node_name]

    def _disuse(self, info: PodInfo) -> None:
        for name in info.shape.claims:
            claim = Key(info.key.namespace, name)
            users = self.claim_users.get(claim)
            if users is not None:
                users.discard(info.key)
                if not users:
                    del self.claim_users[claim]

    def pods_in(self, namespaces: Iterable[str]) -> Iterable[tuple[PodInfo, NodeInfo]]:
        """Return the pods of some namespaces with their nodes."""
        for namespace in namespaces:
            for key, node_name in self._by_namespace.get(namespace, {}).items():
                node = self.nodes[node_name]
                yield node.pods[key], node

    def counts(self, namespace: str, selector: LabelSelector) -> Mapping[str, int]:
        """Return how many matching pods, not being deleted, each node has (0 is left out)."""
        kept = self._counts.get((namespace, selector))
        if kept is not None:
            self._counts.move_to_end((namespace, selector))
            return kept
        counts: dict[str, int] = {}
        for info, node in self.pods_in((namespace,)):
            if info.counts and selector.matches(info.shape.labels):
                counts[node.name] = counts.get(node.name, 0) + 1
        self._counts[namespace, selector] = counts
        if len(self._counts) > _COUNTS_KEPT:
            self._counts.popitem(last=False)
        return counts

    def _recount(self, info: PodInfo, node_name: str, step: int) -> None:
        if not info.counts:
            return
        for (namespace, selector), counts in self._counts.items():
            if namespace == info.key.namespace and selector.matches(info.shape.labels):
                counts[node_name] = counts.get(node_name, 0) + step
                if not counts[node_name]:
                    del counts[node_name]

    def _touch(self, node: NodeInfo) -> None:
        self._generation += 1
        node.generation = self._generation

    def _count_images(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        for name in before.keys() - after.keys():
            self.image_nodes[name] -= 1
            if not self.image_nodes[name]:
                del self.image_nodes[name]
        for name in after.keys() - before.keys():
            self.image_nodes[name] = self.image_nodes.get(name, 0) + 1
