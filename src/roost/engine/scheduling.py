"""The scheduler at work: caches in, bindings out.

All pods that wait are decided in one go per wake (in slices, so that the loop gets its turn); a pod that
was decided counts on its node at once (it is assumed), and the binding is sent meanwhile, many at a
time. A binding that fails is taken back. Deciding itself is in roost.scheduler and pure.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from roost.api.errors import Conflict, NotFound, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.client.informer import Delta, Informers
from roost.client.port import Client, DeleteOptions, PatchType
from roost.client.recorder import EventRecorder
from roost.decisions import conditions
from roost.decisions.controller import Key
from roost.decisions.meta import (
    labels_of,
    name_of,
    namespace_of,
    object_reference,
    stamp,
    uid_of,
)
from roost.decisions.pods import finished, node_of
from roost.decisions.resources import (
    NAMESPACES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    SERVICES,
    STATEFUL_SETS,
)
from roost.ports.port import Chance, WallClock
from roost.scheduler.decide import Bind, Preempt, Rejections, Scheduler, Unschedulable
from roost.scheduler.preemption import Budget, preempt
from roost.scheduler.queue import Happening, SchedulingQueue
from roost.scheduler.shape import PodInfo

NAME = "default-scheduler"
BINDINGS_AT_ONCE = 64
PODS_PER_SLICE = 32

_OWNERS = (REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS)
_WATCHED = (PODS, NODES, NAMESPACES, SERVICES, POD_DISRUPTION_BUDGETS, *_OWNERS)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SchedulingCounters:
    """What the scheduler did since it started."""

    attempts: int = 0
    bound: int = 0
    unschedulable: int = 0
    preemptions: int = 0
    failures: int = 0  # bindings that the server refused


class Scheduling:
    """Runs the scheduler over one client; `informers` may be those of an Engine, which runs them."""

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        chance: Chance,
        *,
        informers: Informers | None = None,
        name: str = NAME,
    ) -> None:
        self.name = name
        self.synced = asyncio.Event()
        self.counters = SchedulingCounters()
        self.scheduler = Scheduler()
        self.queue = SchedulingQueue()
        self._client = client
        self._clock = clock
        self._chance = chance
        self._informers = informers or Informers(client, chance)
        self._owns_informers = informers is None
        self._recorder = EventRecorder(client, clock, name)
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._assumed: dict[Key, PodInfo] = {}
        self._work: deque[tuple[PodInfo, Bind | Preempt | Unschedulable]] = deque()
        self._workers = 0
        for resource in _WATCHED:
            self._informers.informer(resource)

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._owns_informers:
                group.create_task(self._informers.run(), name="informers")
            group.create_task(self._recorder.run(), name="scheduler events")
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
            PODS: self._pods_changed,
            NODES: self._nodes_changed,
            NAMESPACES: self._namespaces_changed,
            SERVICES: self._services_changed,
            **dict.fromkeys(_OWNERS, self._owners_changed),
        }
        for resource in (NODES, NAMESPACES, SERVICES, *_OWNERS, PODS):
            listener = listeners[resource]
            listener([Delta(None, obj) for obj in self._informers[resource].all()])
            self._informers.informer(resource).listen(listener)
        self._woken.set()

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
        if pod["spec"].get("schedulerName", NAME) != self.name:
            return
        info = self.scheduler.shapes.info(pod)
        if not info.counts:
            self._forget(info.key)
        elif info.key not in self._assumed:
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

    def _namespaces_changed(self, deltas: Sequence[Delta]) -> None:
        known = self.scheduler.snapshot.namespaces
        for old, new in deltas:
            if new is not None:
                known[name_of(new)] = labels_of(new)
            elif old is not None:
                known.pop(name_of(old), None)
        self._happened(Happening.NAMESPACE_CHANGED)

    def _services_changed(self, deltas: Sequence[Delta]) -> None:
        for old, new in deltas:
            service = new if new is not None else old
            if service is not None:
                key = Key(namespace_of(service), name_of(service))
                selector = (new.get("spec") or {}).get("selector") if new is not None else None
                self.scheduler.selectors.set_service(key, selector)

    def _owners_changed(self, deltas: Sequence[Delta]) -> None:
        for old, new in deltas:
            owner = new if new is not None else old
            if owner is not None:
                selector = owner["spec"].get("selector") if new is not None else None
                if selector is not None and owner.get("kind") == "ReplicationController":
                    selector = {"matchLabels": selector}
                self.scheduler.selectors.set_owner(uid_of(owner), selector)

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
        counters.attempts += 1
        decision: Bind | Preempt | Unschedulable | Rejections
        decision = scheduler.schedule(info, self._chance.uniform())
        if isinstance(decision, Rejections):
            decision = preempt(scheduler, info, decision, self._budgets())
        if isinstance(decision, Bind):
            scheduler.snapshot.add_pod(info, decision.node)
            scheduler.nominated.pop(info.key, None)
            self._assumed[info.key] = info
            self.queue.remove(info.key)
        else:
            counters.unschedulable += 1
            self.queue.park(info.key, decision.plugins, self._now())
            if isinstance(decision, Preempt):
                counters.preemptions += 1
                scheduler.nominated[info.key] = (info, decision.node)
        self._work.append((info, decision))

    def _budgets(self) -> list[Budget]:
        return [
            Budget(
                namespace_of(budget),
                label_selector(budget["spec"].get("selector")),
                (budget.get("status") or {}).get("disruptionsAllowed", 0),
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
        while self._workers < min(BINDINGS_AT_ONCE, len(self._work)):
            self._workers += 1
            group.create_task(self._work_off())

    async def _work_off(self) -> None:
        try:
            while self._work:
                info, decision = self._work.popleft()
                try:
                    await self._carry_out(info, decision)
                except (StatusError, OSError, TimeoutError) as error:
                    log.debug("scheduling %s/%s: %s", *info.key, error)
        finally:
            self._workers -= 1

    async def _carry_out(self, info: PodInfo, decision: Bind | Preempt | Unschedulable) -> None:
        if isinstance(decision, Bind):
            await self._bind(info, decision.node)
            return
        regarding = object_reference(PODS, "Pod", info.pod)
        self._recorder.record(regarding, "Warning", "FailedScheduling", decision.message)
        nominated = decision.node if isinstance(decision, Preempt) else ""
        await self._report(info, "Unschedulable", decision.message, nominated)
        if isinstance(decision, Preempt):
            await self._evict(info, decision)

    async def _bind(self, info: PodInfo, node: str) -> None:
        namespace, name = info.key
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": info.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create(PODS, body, namespace, name=name, subresource="binding")
        except (StatusError, OSError, TimeoutError) as error:
            await self._take_back(info, node, error)
            return
        self.counters.bound += 1
        regarding = object_reference(PODS, "Pod", info.pod)
        message = f"Successfully assigned {namespace}/{name} to {node}"
        self._recorder.record(regarding, "Normal", "Scheduled", message)

    async def _take_back(self, info: PodInfo, node: str, error: Exception) -> None:
        self.counters.failures += 1
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
        regarding = object_reference(PODS, "Pod", info.pod)
        self._recorder.record(regarding, "Warning", "FailedScheduling", message)
        await self._report(info, "SchedulerError", message, "")

    async def _report(self, info: PodInfo, reason: str, message: str, nominated: str) -> None:
        """Set the PodScheduled condition and the nominated node, where they differ."""
        pod = self._informers[PODS].get(*info.key)
        if pod is None or uid_of(pod) != info.uid or node_of(pod):
            return
        status = pod.get("status") or {}
        old = conditions.find(status.get("conditions"), "PodScheduled") or {}
        same = (old.get("status"), old.get("reason"), old.get("message"))
        if same == ("False", reason, message) and status.get("nominatedNodeName", "") == nominated:
            return
        condition = conditions.make(
            "PodScheduled", "False", reason, message, stamp(self._clock.now())
        )
        if old.get("status") == "False" and "lastTransitionTime" in old:
            condition["lastTransitionTime"] = old["lastTransitionTime"]
        generation = pod["metadata"].get("generation")
        if generation:
            condition["observedGeneration"] = generation
        body: Object = {
            "metadata": {"uid": info.uid},
            "status": {"conditions": [condition], "nominatedNodeName": nominated or None},
        }
        namespace, name = info.key
        await self._client.patch(
            PODS, name, body, namespace, type=PatchType.STRATEGIC, subresource="status"
        )

    async def _evict(self, info: PodInfo, decision: Preempt) -> None:
        """Delete the victims, after telling in their status why."""
        for key in decision.victims:
            victim = self._informers[PODS].get(*key)
            if victim is None or "deletionTimestamp" in victim["metadata"]:
                continue
            message = f"{self.name}: preempting to accommodate a higher priority pod"
            condition = conditions.make(
                "DisruptionTarget", "True", "PreemptionByScheduler", message,
                stamp(self._clock.now()),
            )  # fmt: skip
            body = {"metadata": {"uid": uid_of(victim)}, "status": {"conditions": [condition]}}
            try:
                await self._client.patch(
                    PODS, key.name, body, key.namespace,
                    type=PatchType.STRATEGIC, subresource="status",
                )  # fmt: skip
                options = DeleteOptions(uid=uid_of(victim))
                await self._client.delete(PODS, key.name, key.namespace, options)
            except NotFound:
                continue
            regarding = object_reference(PODS, "Pod", victim)
            text = f"Preempted by pod {info.uid} on node {decision.node}"
            self._recorder.record(regarding, "Normal", "Preempted", text)
