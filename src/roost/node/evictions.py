"""Ends pods that take more of the node than they may: a look every ten seconds while there is need.

Rule: what is looked for is decided in storage.py; here it is measured and carried out. Nobody is
looked at who has no limits: most nodes never measure a folder.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from roost.api.values import Object
from roost.node import resources
from roost.node.facts import PodState
from roost.node.storage import Sizes, Tree, excess, has_limits, limited_trees
from roost.node.tools import NodeSettings, Tools
from roost.node.worker import PodWorker
from roost.runtimes.port import Layers

log = logging.getLogger(__name__)

_PERIOD_S = 10.0
#: Measuring may take so much of the time.
_MEASURING_SHARE = 0.1
_ALIVE = frozenset({PodState.PENDING, PodState.SYNCING})


class Evictions:
    """One per node; `workers` returns those of the node."""

    def __init__(
        self, settings: NodeSettings, tools: Tools, workers: Callable[[], list[PodWorker]]
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._workers = workers
        self._wake = asyncio.Event()

    def on_pod(self, pod: Object) -> None:
        """Take in that the node has one more pod."""
        if has_limits(pod):
            self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            began_at = loop.time()
            limited = await self._judge_storage()
            if not limited:
                await self._wake.wait()
                continue
            took_s = loop.time() - began_at
            await asyncio.sleep(max(_PERIOD_S, took_s / _MEASURING_SHARE))

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
        found = await self._measure(tree for trees in asked.values() for tree in trees)
        for worker, trees in asked.items():
            verdict = excess(worker.pod, {tree: found[tree] for tree in trees if tree in found})
            if verdict is not None and _may_be_evicted(worker):
                worker.evict(verdict)
        return bool(limited)

    async def _measure(self, trees: Iterable[Tree]) -> Sizes:
        wanted = list(trees)
        if self._tools.trees is None or not wanted:
            return {}
        try:
            sizes = await self._tools.trees.sizes([tree.path for tree in wanted])
        except OSError as error:
            log.warning("measuring what pods have written: %s", error)
            return {}
        return dict(zip(wanted, sizes, strict=True))


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
