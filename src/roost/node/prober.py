"""Runs the node's probes: one task, a heap of due times, and a task for each question under way.

The pods' workers say which probes are in force (`watch`) and are told outcomes when one turns.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from roost.node.checks import Answer, Patient, ask
from roost.node.probing import ProbeKind, Streak, Target, after, first_due, period_s, timeout_s
from roost.ports.port import Chance, Network, WallClock
from roost.runtimes.port import RuntimeFault

#: Called with the target, the outcome (None: it did not turn) and the answer.
Tell = Callable[[Target, bool | None, Answer], None]
_Key = tuple[str, ProbeKind]


@dataclass(slots=True)
class _Watched:
    target: Target
    patient: Patient
    tell: Tell
    due: float
    streak: Streak = field(default_factory=Streak)
    asking: bool = False


class Prober:
    """One per node. `run` must be alive for anything to be asked."""

    def __init__(self, clock: WallClock, chance: Chance, network: Network) -> None:
        self._clock = clock
        self._chance = chance
        self._network = network
        self._watched: dict[_Key, _Watched] = {}
        self._owned: dict[str, tuple[_Key, ...]] = {}
        self._heap: list[tuple[float, int, _Key]] = []
        self._count = 0
        self._wake = asyncio.Event()

    def watch(self, owner: str, wanted: dict[_Key, tuple[Target, Patient]], tell: Tell) -> None:
        """Say which probes of a pod are in force, by (container id, kind); replaces what was said."""
        for key in self._owned.pop(owner, ()):
            if key not in wanted:
                del self._watched[key]
        if wanted:
            self._owned[owner] = tuple(wanted)
        for key, (target, patient) in wanted.items():
            known = self._watched.get(key)
            if known is not None:
                known.target, known.patient, known.tell = target, patient, tell
                continue
            due = first_due(target.probe, target.started_at)
            if due < self._clock.now() - period_s(target.probe):
                # Adopted after a restart of the agent: spread what would else be one burst.
                due = self._clock.now() + self._chance.uniform() * period_s(target.probe)
            self._watched[key] = _Watched(target, patient, tell, due)
            self._schedule(key, due)

    def _schedule(self, key: _Key, due: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._wake.set()

    async def run(self) -> None:
        """Ask what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                now = self._clock.now()
                while self._heap and self._heap[0][0] <= now:
                    due, _, key = heapq.heappop(self._heap)
                    known = self._watched.get(key)
                    if known is not None and known.due == due and not known.asking:
                        known.asking = True
                        tasks.create_task(self._ask(key, known))
                await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(
                max(0.0, self._heap[0][0] - self._clock.now()) if self._heap else None
            ):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _ask(self, key: _Key, known: _Watched) -> None:
        probe = known.target.probe
        try:
            answer = await ask(probe, known.patient, self._network, timeout_s(probe))
        except (OSError, RuntimeFault, ValueError, KeyError) as error:
            answer = Answer(ok=False, message=str(error))
        known.asking = False
        if self._watched.get(key) is not known:
            return
        before = known.streak.outcome
        if not answer.unknown:
            known.streak = after(known.streak, answer.ok, probe)
        turned = known.streak.outcome if known.streak.outcome is not before else None
        known.due = max(self._clock.now(), known.due + period_s(probe))
        self._schedule(key, known.due)
        known.tell(known.target, turned, answer)
