"""Ends pods that take more of the node than they may: a look every ten seconds while there is need.

Rule: what follows is decided in storage.py and pressure.py; here it is measured and carried out. A
folder is measured only for pods with limits, and for all of them while the disk runs low.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from roost.api import quantity
from roost.api.values import Object
from roost.node import resources
from roost.node.facts import PodState, Verdict
from roost.node.pressure import (
    DISK_PRESSURE,
    Pressure,
    Taken,
    condition_of,
    eviction,
    first_to_go,
    pressed,
    refusal,
)
from roost.node.storage import (
    Size,
    Sizes,
    Tree,
    excess,
    has_limits,
    limited_trees,
    total,
    trees_of,
    used_by,
)
from roost.node.thresholds import RESOURCES, Level, Threshold
from roost.node.tools import NodeSettings, Tools
from roost.node.worker import PodWorker
from roost.runtimes.port import Layers, RuntimeFault, Stats, Usage

log = logging.getLogger(__name__)

_PERIOD_S = 10.0
#: Measuring may take so much of the time.
_MEASURING_SHARE = 0.1
_ALIVE = frozenset({PodState.PENDING, PodState.SYNCING})
#: Condition -> the reason of the node's event when it comes, and when it goes.
_EVENTS = {
    "MemoryPressure": ("NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    "DiskPressure": ("NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    "PIDPressure": ("NodeHasInsufficientPID", "NodeHasSufficientPID"),
}


class Evictions:
    """One per node; `workers` returns those of the node, `free_disk` removes what nobody uses,
    `report` tells the API what the node's conditions are now."""

    def __init__(
        self,
        settings: NodeSettings,
        tools: Tools,
        workers: Callable[[], list[PodWorker]],
        free_disk: Callable[[], Awaitable[None]],
        report: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._workers = workers
        self._free_disk = free_disk
        self._report = report
        self._wake = asyncio.Event()
        self._pressure = Pressure()
        self._levels: Mapping[str, Level] = {}
        self._announced: tuple[str, ...] = ()

    # -- what others ask ------------------------------------------------------------------------

    def conditions(self) -> tuple[str, ...]:
        """Return the node's conditions of pressure, as last seen."""
        return self._pressure.conditions(self._tools.clock.now())

    def refusal(self, pod: Object) -> Verdict | None:
        """Return why the node takes no such pod now, or None."""
        return refusal(pod, self.conditions())

    def on_pod(self, pod: Object) -> None:
        """Take in that the node has one more pod."""
        if has_limits(pod):
            self._wake.set()

    def on_levels(self) -> None:
        """Take in that the machine has other levels now; one that has any is looked at anyway."""
        self._wake.set()

    # -- the run --------------------------------------------------------------------------------

    def observe(self) -> None:
        """Look at what the machine has left."""
        if self._tools.levels is None:
            return
        now = self._tools.clock.now()
        self._levels = self._tools.levels.read()
        self._pressure = pressed(self._pressure, self._settings.eviction_hard, self._levels, now)
        conditions = self._pressure.conditions(now)
        for condition, (came, went) in _EVENTS.items():
            if (condition in conditions) != (condition in self._announced):
                self._announce("Normal", came if condition in conditions else went)
        for threshold in self._pressure.crossed:
            if condition_of(threshold.signal) not in self._announced:
                self._warn(threshold)
        self._announced = conditions

    def _announce(self, type: str, reason: str, message: str = "") -> None:
        name = self._settings.name
        about = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": name}
        words = message or f"Node {name} status is now: {reason}"
        self._tools.recorder.record(about, type, reason, words)

    def _warn(self, threshold: Threshold) -> None:
        level = self._levels[threshold.signal]
        log.warning(
            "%s: %s is %s, less than %s of --eviction-hard: pods are refused and evicted",
            condition_of(threshold.signal),
            threshold.signal,
            quantity.render(level.available, "BinarySI"),
            threshold.shown(level),
        )

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            began_at = loop.time()
            before = self._announced
            self.observe()
            if self._announced != before:
                await self._report()  # what is evicted must not be bound to this node again
            limited = await self._judge_storage()
            if self._pressure.crossed:
                await self._relieve()
            if not limited and not self._levels and not self._announced:
                await self._wake.wait()
                continue
            took_s = loop.time() - began_at
            await asyncio.sleep(max(_PERIOD_S, took_s / _MEASURING_SHARE))

    # -- what pods have written -----------------------------------------------------------------

    async def _judge_storage(self) -> bool:
        """Evict pods that have written too much; return whether any may come to that."""
        asked: dict[PodWorker, tuple[Tree, ...]] = {}
        limited = [
            worker
            for worker in self._workers()
            if worker.facts.state in _ALIVE and has_limits(worker.pod)
        ]
        for worker in limited:
            if _may_be_evicted(worker):
                layout, layer_of = self._settings.layout, _layer_of(worker)
                asked[worker] = limited_trees(worker.pod, worker.facts, layout, layer_of)
        for worker, sizes in (await self._measure(asked)).items():
            verdict = excess(worker.pod, sizes)
            if verdict is not None and _may_be_evicted(worker):
                worker.evict(verdict)
        return bool(limited)

    async def _measure(
        self, asked: Mapping[PodWorker, Iterable[Tree]]
    ) -> dict[PodWorker, dict[Tree, Size]]:
        """Return the sizes of what each pod has; of some pods only, if that is not possible."""
        found: dict[PodWorker, dict[Tree, Size]] = {}
        for worker, trees in asked.items():
            wanted = tuple(trees)
            if self._tools.trees is None or not wanted:
                continue
            try:
                sizes = await self._tools.trees.sizes([tree.path for tree in wanted])
            except OSError as error:
                log.warning("measuring what pods have written: %s", error)
                continue
            found[worker] = dict(zip(wanted, sizes, strict=True))
        return found

    # -- what the node runs low on --------------------------------------------------------------

    async def _relieve(self) -> None:
        """Free what can be had for nothing, else evict the pod that is the first to go."""
        threshold = self._pressure.crossed[0]
        resource = RESOURCES[threshold.signal]
        self._announce("Warning", "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        if condition_of(threshold.signal) == DISK_PRESSURE:
            await self._free_disk()
            self.observe()
            if not self._pressure.crossed:
                return
        taken = await self._taken(resource)
        by_uid = {worker.memory.uid: worker for worker in taken if _may_be_evicted(worker)}
        ranked = first_to_go([(one.pod, taken[one]) for one in by_uid.values()], resource)
        for pod in ranked[:1]:
            worker = by_uid[pod["metadata"]["uid"]]
            log.warning("evicting %s/%s", pod["metadata"].get("namespace"), pod["metadata"]["name"])
            worker.evict(eviction(pod, taken[worker], threshold, self._levels))

    async def _taken(self, resource: str) -> dict[PodWorker, Taken]:
        """Return what each pod takes of what runs low."""
        workers = [worker for worker in self._workers() if _may_be_evicted(worker)]
        if resource in {"memory", "pids"}:
            usages = await self._usages()
            return {worker: _taken_of(worker, usages) for worker in workers}
        layout = self._settings.layout
        sizes = await self._measure(
            {one: trees_of(one.pod, one.facts, layout, _layer_of(one)) for one in workers}
        )
        return {one: _written_by(one, sizes.get(one), resource) for one in workers}

    async def _usages(self) -> dict[str, Usage]:
        found: dict[str, Usage] = {}
        for runtime in self._tools.runtimes.all:
            if isinstance(runtime, Stats):
                try:
                    found.update({one.container_id: one for one in await runtime.usage()})
                except (RuntimeFault, OSError) as error:
                    log.warning("measuring what pods use: %s", error)
        return found


def _taken_of(worker: PodWorker, usages: Mapping[str, Usage]) -> Taken:
    used = {
        name: usages[known.seen.id]
        for name, known in worker.facts.containers.items()
        if known.seen is not None and known.seen.id in usages
    }
    if not used:
        return Taken()
    memory = {name: one.memory_working_set_bytes for name, one in used.items()}
    processes = sum(one.pids for one in used.values())
    return Taken(memory=sum(memory.values()), processes=processes, containers=memory)


def _written_by(worker: PodWorker, sizes: Sizes | None, resource: str) -> Taken:
    if sizes is None:
        return Taken()
    containers = {name: used_by(sizes, name) for name in worker.facts.containers}
    taken = Taken(disk=total(sizes.values()), containers=containers)
    return taken if resource != "inodes" else replace(taken, containers={})


def _layer_of(worker: PodWorker) -> Callable[[str], str]:
    runtime = worker.runtime
    return runtime.layer_of if isinstance(runtime, Layers) else lambda _: ""


def _may_be_evicted(worker: PodWorker) -> bool:
    facts = worker.facts
    return (
        facts.state is PodState.SYNCING
        and facts.verdict is None
        and not resources.is_critical(worker.pod)
    )
