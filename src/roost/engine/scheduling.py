"""The scheduler at work: caches in, bindings out.

All pods that wait are decided in one go per wake (in slices, so that the loop gets its turn); a pod that
was decided counts on its node at once (it is assumed), and the binding is sent meanwhile, many at a
time. A binding that fails is taken back. Deciding itself is in roost.scheduler and pure.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from roost.api.errors import Conflict, NotFound, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.client.informer import Delta, Informers
from roost.client.port import Client
from roost.decisions.controller import Key
from roost.decisions.meta import name_of, namespace_of, uid_of
from roost.decisions.pods import finished, node_of
from roost.decisions.resources import NODES, POD_DISRUPTION_BUDGETS, PODS
from roost.engine import schedulingfacts
from roost.engine.binding import Binder
from roost.engine.counters import loop_time
from roost.engine.schedulingcounters import (
    ERROR,
    SCHEDULED,
    UNSCHEDULABLE,
    Attempt,
    SchedulingCounters,
)
from roost.ports.port import Chance, WallClock
from roost.scheduler.decide import Bind, Preempt, Rejections, Scheduler, Unschedulable
from roost.scheduler.devices import PLUGIN as DEVICES
from roost.scheduler.preemption import Budget, preempt
from roost.scheduler.profile import DEFAULT_NAME, Profile
from roost.scheduler.queue import Happening, SchedulingQueue
from roost.scheduler.shape import PodInfo

BINDINGS_AT_ONCE = 64
PODS_PER_SLICE = 32

_WATCHED = (PODS, NODES, POD_DISRUPTION_BUDGETS, *schedulingfacts.WATCHED)

log = logging.getLogger(__name__)


def _nominated(pod: Object) -> str:
    found: str = (pod.get("status") or {}).get("nominatedNodeName") or ""
    return found


class Scheduling:
    """Runs the scheduler over one client; `informers` may be those of an Engine, which runs them."""

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        chance: Chance,
        *,
        informers: Informers | None = None,
        profiles: Sequence[Profile] = (Profile(),),
        events_rest_s: float = 0.0,
        stopwatch: Callable[[], float] = loop_time,
    ) -> None:
        self.synced = asyncio.Event()
        self.counters = SchedulingCounters()
        self.scheduler = Scheduler(profiles)
        self.queue = SchedulingQueue()
        self._client = client
        self._clock = clock
        self._chance = chance
        self._stopwatch = stopwatch
        self._informers = informers or Informers(client, chance)
        self._owns_informers = informers is None
        self._binder = Binder(
            client, clock, self._informers, self.scheduler, events_rest_s=events_rest_s
        )
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._assumed: dict[Key, PodInfo] = {}
        self._work: deque[Attempt] = deque()
        self._slow: list[Attempt] = []
        self._workers = 0
        for resource in _WATCHED:
            self._informers.informer(resource)

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._owns_informers:
                group.create_task(self._informers.run(), name="informers")
            for name, recorder in self._binder.recorders.items():
                group.create_task(recorder.run(), name=f"events of {name}")
            await self._fill()
            self.synced.set()
            try:
                await self._rounds(group)
            finally:
                if self._timer is not None:
                    self._timer.cancel()

    async def _fill(self) -> None:
        """Wait for all caches, take over what they hold, and then follow them."""
        for resource in _WATCHED:
            await self._informers.informer(resource).synced.wait()
        listeners = {
            NODES: self._nodes_changed,
            **schedulingfacts.listeners(self.scheduler, self._happened, self._binder.claims_moved),
            PODS: self._pods_changed,
        }
        for resource, listener in listeners.items():
            listener([Delta(None, obj) for obj in self._informers[resource].all()])
            self._informers.informer(resource).listen(listener)
        self._woken.set()

    def assumed(self) -> int:
        """Return how many pods have a node of which the server has not told yet."""
        return len(self._assumed)

    # Facts.

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _happened(self, what: Happening) -> None:
        self.queue.happened(what, self._now())
        self._woken.set()

    def _pods_changed(self, deltas: Sequence[Delta]) -> None:
        gone = placed = False
        for old, new in deltas:
            if new is not None and not finished(new):
                if node_of(new):
                    placed = self._placed(new) or placed
                else:
                    self._pending(new)
                continue
            pod = new if new is not None else old
            if pod is None:
                continue
            key = Key(namespace_of(pod), name_of(pod))
            counted = self.scheduler.snapshot.where(key) is not None
            self._forget(key)
            gone = gone or counted
        if gone:
            self._happened(Happening.POD_GONE)
        if placed:
            self._happened(Happening.POD_PLACED)
        if len(self.queue) or self.queue.next_due() is not None:
            self._woken.set()

    def _placed(self, pod: Object) -> bool:
        """Count a bound pod; say whether that is news."""
        info = self.scheduler.shapes.info(pod)
        snapshot, node = self.scheduler.snapshot, node_of(pod)
        self.queue.remove(info.key)
        self.scheduler.nominated.pop(info.key, None)
        assumed = self._assumed.pop(info.key, None)
        if snapshot.where(info.key) == node:
            known = snapshot.nodes[node].pods[info.key]
            if known.shape is info.shape and known.uid == info.uid and known.counts == info.counts:
                known.pod = pod
                return assumed is not None
        snapshot.add_pod(info, node)
        return True

    def _pending(self, pod: Object) -> None:
        if pod["spec"].get("schedulerName", DEFAULT_NAME) not in self.scheduler.profiles:
            return
        info = self.scheduler.shapes.info(pod)
        if not info.counts:
            self._forget(info.key)
            return
        if info.key in self._assumed:
            return
        known = self.queue.get(info.key)
        nominated = _nominated(pod)
        if nominated:
            self.scheduler.nominated[info.key] = (info, nominated)
        elif known is not None and _nominated(known.pod):
            self.scheduler.nominated.pop(info.key, None)
        self.queue.add(info, self._now())

    def _forget(self, key: Key) -> None:
        self.scheduler.snapshot.remove_pod(key)
        self.scheduler.nominated.pop(key, None)
        self._assumed.pop(key, None)
        self.queue.remove(key)

    def _nodes_changed(self, deltas: Sequence[Delta]) -> None:
        changed = False
        for old, new in deltas:
            if new is not None:
                changed = self.scheduler.snapshot.set_node(new) or changed
            elif old is not None:
                self.scheduler.snapshot.remove_node(name_of(old))
        if changed:
            self._happened(Happening.NODE_CHANGED)

    # Decisions.

    async def _rounds(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await asyncio.sleep(0)  # let every informer that has something deliver it first
            self.queue.release(self._now())
            while len(self.queue):
                for _ in range(min(PODS_PER_SLICE, len(self.queue))):
                    self._decide(self.queue.take())
                self._send(group)
                await asyncio.sleep(0)
                self.queue.release(self._now())
            self._arm()

    def _decide(self, info: PodInfo) -> None:
        scheduler, counters = self.scheduler, self.counters
        if info.shape.devices and scheduler.devices.awaits_claims(info):
            self.queue.park(info.key, (DEVICES,), self._now())
            return  # nothing was tried, so there is nothing to tell
        begun = self._stopwatch()
        count, since = self.queue.history(info.key)
        decision: Bind | Preempt | Unschedulable | Rejections
        decision = scheduler.schedule(info, self._chance.uniform())
        counters.algorithm.observe(self._stopwatch() - begun)
        if isinstance(decision, Rejections):
            counters.preemptions += 1
            decision = preempt(scheduler, info, decision, self._budgets())
        if isinstance(decision, Bind):
            scheduler.snapshot.add_pod(info, decision.node)
            scheduler.devices.assume(decision.devices)
            scheduler.nominated.pop(info.key, None)
            self._assumed[info.key] = info
            self.queue.remove(info.key)
        else:
            counters.attempted(info, UNSCHEDULABLE, self._stopwatch() - begun)
            self.queue.park(info.key, decision.plugins, self._now())
            if isinstance(decision, Preempt):
                counters.victims.observe(len(decision.victims))
                scheduler.nominated[info.key] = (info, decision.node)
            elif not decision.keeps_node:
                scheduler.nominated.pop(info.key, None)
        slow = isinstance(decision, Bind) and bool(info.shape.claims or info.shape.devices)
        (self._slow if slow else self._work).append(Attempt(info, decision, begun, count, since))

    def _budgets(self) -> list[Budget]:
        return [
            Budget(
                namespace_of(budget),
                label_selector(budget["spec"].get("selector")),
                (budget.get("status") or {}).get("disruptionsAllowed", 0),
                frozenset((budget.get("status") or {}).get("disruptedPods") or ()),
            )
            for budget in self._informers[POD_DISRUPTION_BUDGETS].all()
        ]

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.queue.next_due()
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(due, loop.time() + 0.001), self._woken.set)

    # What is sent.

    def _send(self, group: asyncio.TaskGroup) -> None:
        for attempt in self._slow:  # these may wait for long: not in a worker's way
            group.create_task(self._carry_out(attempt))
        self._slow.clear()
        while self._workers < min(BINDINGS_AT_ONCE, len(self._work)):
            self._workers += 1
            group.create_task(self._work_off())

    async def _work_off(self) -> None:
        try:
            while self._work:
                await self._carry_out(self._work.popleft())
        finally:
            self._workers -= 1

    async def _carry_out(self, attempt: Attempt) -> None:
        info, decision = attempt.info, attempt.decision
        try:
            if isinstance(decision, Bind):
                await self._bind(attempt, decision)
            else:
                await self._refuse(info, decision)
        except (StatusError, OSError, TimeoutError) as error:
            log.debug("scheduling %s/%s: %s", *info.key, error)

    async def _refuse(self, info: PodInfo, decision: Preempt | Unschedulable) -> None:
        self._binder.tell(info, "Warning", "FailedScheduling", decision.message)
        _, nominated = self.scheduler.nominated.get(info.key, (info, ""))
        await self._binder.report(info, "Unschedulable", decision.message, nominated)
        if isinstance(decision, Preempt):
            await self._binder.evict(info, decision)
            for other in self._displaced(info, decision.node):
                await self._binder.clear_nomination(other)
        elif decision.deallocate is not None:
            await self._binder.deallocate(decision.deallocate)

    def _displaced(self, info: PodInfo, node: str) -> list[PodInfo]:
        """Take the node from pods of lower priority that wait for room there; they try again."""
        nominated = self.scheduler.nominated
        lower = [
            other
            for other, where in list(nominated.values())
            if where == node and other.shape.priority < info.shape.priority
        ]
        for other in lower:
            nominated.pop(other.key, None)
        return lower

    async def _bind(self, attempt: Attempt, decision: Bind) -> None:
        info, counters = attempt.info, self.counters
        try:
            await self._binder.bind(info, decision)
        except (StatusError, OSError, TimeoutError) as error:
            self.scheduler.devices.forget(decision.devices)
            counters.attempted(info, ERROR, self._stopwatch() - attempt.begun)
            await self._take_back(info, decision.node, error)
        else:
            counters.attempted(info, SCHEDULED, self._stopwatch() - attempt.begun)
            counters.placed(attempt.count, self._now() - attempt.since)

    async def _take_back(self, info: PodInfo, node: str, error: Exception) -> None:
        if self._assumed.get(info.key) is not info:
            return  # the cache knows better by now
        del self._assumed[info.key]
        if self.scheduler.snapshot.where(info.key) == node:
            self.scheduler.snapshot.remove_pod(info.key)
        live = self._informers[PODS].get(*info.key)
        if isinstance(error, NotFound) or live is None or uid_of(live) != info.uid:
            return
        self.queue.retry(self.scheduler.shapes.info(live), self._now())
        self._woken.set()
        if isinstance(error, Conflict):
            return
        message = f"running Bind plugin: {error}"
        self._binder.tell(info, "Warning", "FailedScheduling", message)
        await self._binder.report(info, "SchedulerError", message, "")
