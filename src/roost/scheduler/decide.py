"""Where should this pod run? Bind, Preempt or Unschedulable(reasons).

A `Scheduler` holds the snapshot and what was found out about nodes for each shape; it asks nobody and
changes nothing but its own memory. The caller assumes (`snapshot.add_pod`) what it binds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from roost.api.values import Object
from roost.decisions.controller import Key
from roost.scheduler.devices import PLUGIN as DEVICES
from roost.scheduler.devices import Devices, HardDevices
from roost.scheduler.filters import Rejection, check
from roost.scheduler.neighbours import HardNeighbours, neighbour_scores
from roost.scheduler.profile import AFFINITY, NEIGHBOURS, SPREAD, TAINTS, Profile
from roost.scheduler.scores import (
    base_score,
    node_affinity_scores,
    taint_scores,
)
from roost.scheduler.shape import PodInfo, Shape, Shapes
from roost.scheduler.snapshot import NodeInfo, Snapshot
from roost.scheduler.spreading import HardSpread, Selectors, spread_scores
from roost.scheduler.volumes import PLUGIN as VOLUMES
from roost.scheduler.volumes import Volumes

#: With fewer nodes all are looked at; with more, a share of them that shrinks to 5 %.
ALL_NODES_UP_TO = 100
_SHAPES_KEPT = 512
NO_NODES = "no nodes available to schedule pods"
_ELSEWHERE = Rejection(
    "NodeAffinity", ("node(s) didn't satisfy plugin(s) [NodeAffinity]",), final=True
)


@dataclass(frozen=True, slots=True)
class Bind:
    """Run the pod on `node`; its resource claims get `devices` there."""

    node: str
    devices: Mapping[Key, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preempt:
    """Delete `victims` on `node`, which makes room there; `message` says why it cannot run now."""

    node: str
    victims: tuple[Key, ...]
    message: str
    plugins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """No node will do; `plugins` are those that rejected nodes. Taking the devices of `deallocate`
    back, which nobody uses, may help.
    """

    message: str
    plugins: frozenset[str] = frozenset()
    deallocate: Key | None = None
    keeps_node: bool = False  # that was nominated, and where pods are still going


Decision: TypeAlias = Bind | Preempt | Unschedulable


def histogram(total: int, reasons: Iterable[str]) -> str:
    """Return `0/3 nodes are available: 1 Too many pods, 2 Insufficient cpu.`"""
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    head = f"0/{total} nodes are available:"
    return f"{head} {', '.join(counted)}." if counted else head


def nodes_to_find(total: int, percentage: int = 0) -> int:
    """Return how many feasible nodes are enough; `percentage` 0 leaves it to the size."""
    if total <= ALL_NODES_UP_TO or percentage >= 100:
        return total
    percent = percentage or max(50 - total // 125, 5)
    return max(total * percent // 100, ALL_NODES_UP_TO)


class Hard:
    """The rules of one pod that depend on more than the node; absent where the pod has none."""

    def __init__(
        self,
        info: PodInfo,
        snapshot: Snapshot,
        volumes: Volumes,
        devices: Devices,
        excluded: frozenset[Key] = frozenset(),
        without: frozenset[str] = frozenset(),
    ) -> None:
        shape = self._shape = info.shape
        self._volumes = volumes if shape.claims else None
        self._everywhere: Rejection | None = None
        self.devices = HardDevices(info, devices) if shape.devices else None
        self._spread: HardSpread | None = None
        self._neighbours: HardNeighbours | None = None
        if SPREAD not in without and any(c.hard for c in shape.spread):
            self._spread = HardSpread(shape, snapshot, excluded)
        concerned = shape.affinity or shape.anti_affinity or snapshot.with_affinity
        if concerned and NEIGHBOURS not in without:
            self._neighbours = HardNeighbours(shape, snapshot, excluded)
        if shape.claims:
            self._everywhere = volumes.exclusive_use(shape, snapshot, excluded)

    @property
    def none(self) -> bool:
        return (
            self._spread is None
            and self._neighbours is None
            and self._volumes is None
            and self.devices is None
        )

    def check(self, node: NodeInfo) -> Rejection | None:
        """Return why the node will not do."""
        rejection = self._everywhere
        if rejection is None and self._volumes is not None:
            rejection = self._volumes.check(self._shape, node)
        if rejection is None and self._spread is not None:
            rejection = self._spread.check(node)
        if rejection is None and self._neighbours is not None:
            rejection = self._neighbours.check(node)
        if rejection is None and self.devices is not None:
            rejection = self.devices.check(node)
        return rejection


Finding = tuple[int, Rejection | None, int]  # generation, rejection, base score


class Scheduler:
    """See the module."""

    def __init__(self, profiles: Iterable[Profile] = (Profile(),)) -> None:
        self.profiles = {profile.name: profile for profile in profiles}
        self._default = next(iter(self.profiles.values()))
        self.snapshot = Snapshot()
        self.shapes = Shapes()
        self.selectors = Selectors()
        self.volumes = Volumes()
        self.devices = Devices()
        self.nominated: dict[Key, tuple[PodInfo, str]] = {}
        self._findings: dict[Shape, dict[str, Finding]] = {}
        self._start = 0

    def profile(self, shape: Shape) -> Profile:
        """Return how pods of a shape are weighed."""
        return self.profiles.get(shape.scheduler, self._default)

    def hard(self, info: PodInfo, excluded: frozenset[Key] = frozenset()) -> Hard:
        """Return the rules of a pod that depend on more than the node."""
        without = self.profile(info.shape).without
        return Hard(info, self.snapshot, self.volumes, self.devices, excluded, without)

    def schedule(self, info: PodInfo, luck: float = 0.0) -> Bind | Rejections:
        """Find the best node. `luck` in [0, 1) chooses among equals."""
        shape, snapshot = info.shape, self.snapshot
        nodes = snapshot.present()
        if not nodes:
            return Rejections(0, {})
        total = len(nodes)
        fault = self._fault(info)
        if fault is not None:
            return Rejections(total, {}, *fault)
        hard = self.hard(info)
        nominated = self._nominated_node(info)
        feasible: list[NodeInfo] = []
        scores: list[int] = []
        rejected: dict[str, Rejection] = {}
        if nominated is not None:
            feasible, scores, rejected = self._filter(info, [nominated], hard)
        if not feasible:
            named = snapshot.named(shape.only_on) if shape.only_on is not None else nodes
            feasible, scores, rejected = self._filter(info, named, hard)
        if not feasible:
            absent = _ELSEWHERE if len(rejected) < total else None
            return Rejections(total, rejected, absent=absent, hard=hard)
        if len(feasible) > 1:
            self._add_scores(shape, feasible, scores)
        best = max(scores)
        ties = [at for at, score in enumerate(scores) if score == best]
        node = feasible[ties[int(luck * len(ties))]].name
        return Bind(node, hard.devices.allocations(node)) if hard.devices else Bind(node)

    def _fault(self, info: PodInfo) -> tuple[str, str] | None:
        """Return (why no node will do, which plugin says so) for what can be said without nodes."""
        shape = info.shape
        if shape.only_on is not None and not shape.only_on:
            return "pod affinity terms conflict", "NodeAffinity"
        for ask, plugin, wanted in (
            (self.volumes.fault, VOLUMES, shape.claims),
            (self.devices.fault, DEVICES, shape.devices),
        ):
            fault = ask(info) if wanted else ""
            if fault:
                return fault, plugin
        return None

    def _nominated_node(self, info: PodInfo) -> NodeInfo | None:
        """Return the node where room was made for a pod, which is asked first and alone."""
        nominated = self.nominated.get(info.key)
        node = self.snapshot.nodes.get(nominated[1]) if nominated is not None else None
        return node if node is not None and node.present else None

    def _filter(
        self, info: PodInfo, nodes: Sequence[NodeInfo], hard: Hard
    ) -> tuple[list[NodeInfo], list[int], dict[str, Rejection]]:
        shape, snapshot, profile = info.shape, self.snapshot, self.profile(info.shape)
        findings = self._findings.get(shape)
        if findings is None:
            if len(self._findings) >= _SHAPES_KEPT:
                self._findings.clear()
            findings = self._findings[shape] = {}
        feasible: list[NodeInfo] = []
        scores: list[int] = []
        rejected: dict[str, Rejection] = {}
        enough, total = nodes_to_find(len(nodes), profile.percentage), len(nodes)
        start = self._start % total if enough < total else 0
        ordered = nodes if not start else [*nodes[start:], *nodes[:start]]
        plain, nominated = hard.none, self._nominated_nodes(info)
        looked = 0
        for node in ordered:
            looked += 1
            name = node.name
            finding = findings.get(name)
            if finding is None or finding[0] != node.generation:
                rejection = check(shape, node, profile)
                score = base_score(shape, node, snapshot, profile) if rejection is None else 0
                finding = findings[name] = (node.generation, rejection, score)
            rejection = finding[1]
            if rejection is None and not plain:
                rejection = hard.check(node)
            if rejection is None and name in nominated:
                rejection = self._check_beside(shape, node, nominated[name])
            if rejection is not None:
                rejected[name] = rejection
                continue
            feasible.append(node)
            scores.append(finding[2])
            if len(feasible) >= enough:
                break
        self._start += looked
        return feasible, scores, rejected

    def _nominated_nodes(self, info: PodInfo) -> dict[str, list[PodInfo]]:
        """Return the pods that wait for room that was made for them and outrank this one."""
        nodes: dict[str, list[PodInfo]] = {}
        for key, (other, node) in self.nominated.items():
            if key != info.key and other.shape.priority >= info.shape.priority:
                nodes.setdefault(node, []).append(other)
        return nodes

    def _check_beside(
        self, shape: Shape, node: NodeInfo, others: Iterable[PodInfo]
    ) -> Rejection | None:
        trial = node.copy()
        for other in others:
            trial.add(other)
        return check(shape, trial, self.profile(shape))

    def _add_scores(self, shape: Shape, nodes: Sequence[NodeInfo], scores: list[int]) -> None:
        snapshot, profile = self.snapshot, self.profile(shape)
        required_weight = profile.hard_affinity_weight
        spread = shape.spread or profile.spreads
        weighted = (
            (TAINTS, taint_scores(shape, nodes)),
            (AFFINITY, node_affinity_scores(shape, nodes, profile.added_preferences)),
            (
                SPREAD,
                spread_scores(shape, nodes, snapshot, self.selectors) if spread else None,
            ),
            (
                NEIGHBOURS,
                neighbour_scores(shape, nodes, snapshot, required_weight)
                if shape.prefers or snapshot.with_affinity
                else None,
            ),
        )
        for plugin, more in weighted:
            weight = profile.weights[plugin]
            if more is not None and weight:
                for at, score in enumerate(more):
                    scores[at] += weight * score


@dataclass(frozen=True, slots=True)
class Rejections:
    """Why none of `total` nodes will do; `fault` speaks for all of them, `absent` for those that
    were not looked at.
    """

    total: int
    by_node: Mapping[str, Rejection]
    fault: str = ""
    plugin: str = ""  # whose fault
    absent: Rejection | None = None
    hard: Hard | None = None

    @property
    def plugins(self) -> frozenset[str]:
        if self.fault:
            return frozenset((self.plugin,))
        found = {rejection.plugin for rejection in self.by_node.values()}
        return frozenset(found | ({self.absent.plugin} if self.absent else set()))

    @property
    def message(self) -> str:
        if not self.total:
            return NO_NODES
        if self.fault:
            return f"0/{self.total} nodes are available: {self.fault}."
        reasons = [r for found in self.by_node.values() for r in found.reasons]
        if self.absent is not None:
            reasons += self.absent.reasons * (self.total - len(self.by_node))
        return histogram(self.total, reasons)
