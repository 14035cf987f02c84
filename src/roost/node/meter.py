"""Measures what containers use, and keeps enough of the past to tell rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from roost.api.values import Object
from roost.node.summary import Measured, pod_stats, summary
from roost.node.tools import Tools
from roost.node.worker import PodWorker
from roost.runtimes.port import Stats, Usage

#: A rate is told over at least so long, once there is so much of the past, and at most twice that
#: while somebody asks.
_RATE_OVER_S = 5.0
#: The container id of what the machine uses.
_MACHINE = ""


class Look(NamedTuple):
    """What a container had used at a time, in epoch seconds."""

    usage: Usage
    at: float


class Meter:
    """One per node; it measures when it is asked."""

    def __init__(self, node_name: str, tools: Tools) -> None:
        self._node_name = node_name
        self._tools = tools
        self._started_at = tools.clock.now()
        self._measured: dict[str, Measured] = {}
        self._looks: dict[str, Look] = {}

    async def summary(self, workers: Iterable[PodWorker]) -> Object:
        """Return the stats/v1alpha1 Summary of the node and its pods."""
        now = self._tools.clock.now()
        usages: list[Usage] = []
        for runtime in self._tools.runtimes.all:
            if isinstance(runtime, Stats):
                usages.extend(await runtime.usage())
        machine = self._tools.machine
        if machine is not None:
            usages.append(machine.usage())
        self._measure(usages, now)
        whole = self._measured.get(_MACHINE)
        inside = self._measured.values() if whole is None else (whole,)
        pods = [
            pod_stats(worker.pod, worker.facts, self._measured, now)
            for worker in workers
            if worker.facts.sandbox is not None
        ]
        return summary(self._node_name, self._started_at, pods, inside, now)

    def _measure(self, usages: list[Usage], now: float) -> None:
        """Note the newest use of each container, and an older one to tell the rate by.

        Whoever asks often must not move what the rate is told by: that stays for some seconds.
        """
        found, looks = {}, {}
        for usage in usages:
            name = usage.container_id
            look, known = self._looks.get(name), self._measured.get(name)
            if look is None or known is None:
                found[name], looks[name] = Measured(usage, now), Look(usage, now)
                continue
            before = look if known.before is None else Look(known.before, known.before_at)
            if now - look.at >= _RATE_OVER_S:
                before, look = look, Look(usage, now)
            found[name] = Measured(usage, now, before.usage, before.at)
            looks[name] = look
        self._measured, self._looks = found, looks
