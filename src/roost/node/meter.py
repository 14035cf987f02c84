"""Measures what containers use, and keeps enough of the past to tell rates."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object
from roost.node.summary import Measured, pod_stats, summary
from roost.node.tools import Tools
from roost.node.worker import PodWorker
from roost.runtimes.port import Stats, Usage

_RATE_OVER_S = 5.0


class Meter:
    """One per node; it measures when it is asked."""

    def __init__(self, node_name: str, tools: Tools) -> None:
        self._node_name = node_name
        self._tools = tools
        self._started_at = tools.clock.now()
        self._measured: dict[str, Measured] = {}

    async def summary(self, workers: Iterable[PodWorker]) -> Object:
        """Return the stats/v1alpha1 Summary of the node and its pods."""
        now = self._tools.clock.now()
        usages: list[Usage] = []
        for runtime in self._tools.runtimes.all:
            if isinstance(runtime, Stats):
                usages.extend(await runtime.usage())
        self._measure(usages, now)
        pods = [
            pod_stats(worker.pod, worker.facts, self._measured, now)
            for worker in workers
            if worker.facts.sandbox is not None
        ]
        return summary(self._node_name, self._started_at, pods, self._measured.values(), now)

    def _measure(self, usages: list[Usage], now: float) -> None:
        """Keep the newest use of each container, and one that is old enough to tell the rate by."""
        found = {}
        for usage in usages:
            old = self._measured.get(usage.container_id)
            if old is None:
                found[usage.container_id] = Measured(usage, now)
            elif now - old.at < _RATE_OVER_S:
                found[usage.container_id] = Measured(usage, now, old.before, old.before_at)
            else:
                found[usage.container_id] = Measured(usage, now, old.usage, old.at)
        self._measured = found
