"""The one loop that runs all controllers.

Facts come in batches from informers and become keys; a round takes the keys that are ready, in turn
from every controller, decides synchronously (view, then reconcile), and hands plans with requests to
tasks of a bounded number. A controller starts once the caches of all that it watches are filled. When
nothing happens nothing runs: one task waits for an event, and one timer for the next delayed key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from roost.api.errors import (
    NAMESPACE_ENDS,
    Conflict,
    NotFound,
    StatusError,
    TooManyRequests,
)
from roost.api.kind import Resource
from roost.client.informer import Delta, Informers
from roost.client.port import Client
from roost.client.recorder import EventRecorder
from roost.decisions.controller import AnyController, Key, Watch
from roost.decisions.plan import EmitEvent, Plan
from roost.engine.barrier import Barrier, Mark
from roost.engine.changes import Changes
from roost.engine.counters import Counters, loop_time
from roost.engine.execution import Executor
from roost.engine.inquiring import Inquirer, Reader
from roost.engine.workqueue import WorkQueue
from roost.ports.heartbeats import watch_over
from roost.ports.port import Chance, Signer, WallClock

#: Plans that are carried out at the same time, and requests in flight over all of them.
PLANS_AT_ONCE = 16
REQUESTS_AT_ONCE = 16
#: Keys decided before the loop gets its turn again.
KEYS_PER_ROUND = 128
#: A loser of a race tries again soon: the cache is about to show what won.
CONFLICT_DELAY_S = 0.5

log = logging.getLogger(__name__)


class _Running:
    """A controller with its queue."""

    def __init__(self, controller: AnyController, stopwatch: Callable[[], float]) -> None:
        self.controller = controller
        self.queue: WorkQueue[Key] = WorkQueue(stopwatch)
        self.counters = Counters()
        self.ready = False
        self.changes = Changes(controller.name)
        self.listeners: list[tuple[Resource, Callable[[Sequence[Delta]], None]]] = []


class Engine:
    """Runs controllers over one client. `synced` is set once every controller has started."""

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        chance: Chance,
        controllers: Iterable[AnyController],
        *,
        informers: Informers | None = None,
        signer: Signer | None = None,
        reader: Reader | None = None,
        tells_causes: bool = False,
        clients: Callable[[str], Client] | None = None,
        events_rest_s: float = 0.0,
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        self._stopwatch = stopwatch or loop_time
        #: Gives each controller the client with which it writes, by its name.
        self._clients = clients or (lambda _name: client)
        self._tells_causes = tells_causes  # of each write, for those who keep a journal
        self.informers = informers or Informers(client, chance)
        self.synced = asyncio.Event()
        self._owns_informers = informers is None
        self._signer = signer
        self._inquirer = Inquirer(reader)
        self._clock = clock
        self._chance = chance
        self._recorders: dict[str, EventRecorder] = {}
        self._events_rest_s = events_rest_s
        self._executors: dict[str, Executor] = {}
        self._barrier = Barrier(self.informers)
        self._woken = asyncio.Event()
        self._timer: asyncio.Handle | None = None
        self._armed_at = 0.0  # uvloop runs very short timers at once, by handles that know no time
        self._dogs: dict[Mark, asyncio.Handle] = {}
        self._in_flight = 0
        self._turn = 0
        #: Controllers that have not begun: a cache of theirs is not filled yet.
        self._starting: list[_Running] = []
        self._running: dict[str, _Running] = {}
        self._group: asyncio.TaskGroup | None = None
        self._watched: set[Resource] = set()
        for controller in controllers:
            self.put(controller)

    def put(self, controller: AnyController) -> None:
        """Add a controller, or replace the one of the same name (its queue starts afresh).

        For controllers whose declaration depends on what the server serves, e.g. the collector.
        """
        self.remove(controller.name)
        running = _Running(controller, self._stopwatch)
        self._running[controller.name] = running
        self._starting.append(running)
        for watch in controller.watches:
            informer = self.informers.informer(watch.resource)
            for name, function in watch.indexes.items():
                informer.cache.add_index(name, function)
            listener = self._listener(running, watch)
            running.listeners.append((watch.resource, listener))
            informer.listen(listener)
            if watch.resource not in self._watched:
                self._watched.add(watch.resource)
                informer.listen(partial(self._moved, watch.resource))
        self._woken.set()

    def remove(self, name: str) -> None:
        """Stop a controller; what it has begun is finished."""
        running = self._running.pop(name, None)
        if running in self._starting:
            self._starting.remove(running)
        for resource, listener in running.listeners if running else ():
            informer = self.informers.find(resource)
            if informer is not None:
                informer.unlisten(listener)

    def drop(self, resource: Resource) -> None:
        """Stop following a resource that no controller watches (any more)."""
        if any(
            w.resource == resource for r in self._running.values() for w in r.controller.watches
        ):
            return
        self._watched.discard(resource)
        self.informers.drop(resource)

    def counters(self) -> dict[str, Counters]:
        """Return the counters of every controller by name."""
        return {name: running.counters for name, running in self._running.items()}

    def queues(self) -> dict[str, WorkQueue[Key]]:
        """Return the queue of every controller by name, to be looked at."""
        return {name: running.queue for name, running in self._running.items()}

    def idle(self) -> bool:
        """Say whether nothing is queued, decided or being written (delayed keys do not count)."""
        return self._in_flight == 0 and not any(len(r.queue) for r in self._running.values())

    async def run(self) -> None:
        """Run until cancelled, or until a bug of the engine itself breaks it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                if self._owns_informers:
                    group.create_task(self.informers.run(), name="informers")
                for name, recorder in self._recorders.items():
                    group.create_task(recorder.run(), name=f"events {name}")
                await self._rounds(group)
        finally:
            self._group = None
            if self._timer is not None:
                self._timer.cancel()
            for dog in self._dogs.values():
                dog.cancel()

    async def _rounds(self, group: asyncio.TaskGroup) -> None:
        now = asyncio.get_running_loop().time
        self._woken.set()
        while True:
            await self._woken.wait()
            self._woken.clear()
            await asyncio.sleep(0)  # let every informer that has something deliver it first
            if self._starting or not self.synced.is_set():
                self._start_controllers()
            time = now()
            for running in self._running.values():
                running.queue.release(time)
            self._round(group)
            self._arm()

    def _start_controllers(self) -> None:
        starting, self._starting = self._starting, []
        for running in starting:
            watches = running.controller.watches
            if not all(self.informers.informer(w.resource).synced.is_set() for w in watches):
                self._starting.append(running)
                continue
            running.ready = True
            for key in running.controller.start_keys:
                running.queue.add(key)
            for watch in watches:
                keys = watch.at_start or watch.keys
                for obj in self.informers[watch.resource].all():
                    for key in keys(obj, self.informers):
                        running.queue.add(key)
        if not self._starting:
            self.synced.set()

    def _listener(self, running: _Running, watch: Watch) -> Callable[[Sequence[Delta]], None]:
        def listen(deltas: Sequence[Delta]) -> None:
            if not running.ready:
                return  # the first round looks at everything
            add = running.queue.add
            for delta in deltas:
                for obj in delta:  # as it was, and as it is
                    if obj is None:
                        continue
                    changed, keys = obj, tuple(watch.keys(obj, self.informers))
                    for key in keys:
                        add(key)
                if keys and self._tells_causes:
                    running.changes.note(keys, changed)

        return listen

    def _moved(self, resource: Resource, _deltas: Sequence[Delta]) -> None:
        for name, key in self._barrier.opened(resource):
            running = self._running.get(name)
            if running is not None:
                running.queue.add(key)
        self._woken.set()

    def _round(self, group: asyncio.TaskGroup) -> None:
        """Decide up to KEYS_PER_ROUND keys, one of each controller in turn."""
        order = [r for r in self._running.values() if r.ready and len(r.queue)]
        taken = 0
        while order and self._in_flight < PLANS_AT_ONCE:
            if taken >= KEYS_PER_ROUND:
                self._woken.set()
                return
            taken += 1
            self._turn += 1
            running = order[self._turn % len(order)]
            self._decide(running, running.queue.take(), group)
            if not len(running.queue):
                order.remove(running)

    def _decide(self, running: _Running, key: Key, group: asyncio.TaskGroup) -> None:
        controller, queue, counters = running.controller, running.queue, running.counters
        now = asyncio.get_running_loop().time()
        until = self._barrier.closed_until((controller.name, key), now)
        if until is not None:
            counters.barred += 1
            queue.done(key)
            queue.postpone(key, until - now, now)
            return
        counters.reconciled += 1
        wall = self._clock.now()
        try:
            view = controller.view(self.informers, key, wall)
            if controller.inquiry is not None:
                if view is not None:
                    self._in_flight += 1
                    group.create_task(self._ask_first(running, key, view, group))
                    return
                self._inquirer.forget(controller.name, key)
            plan = Plan() if view is None else controller.reconcile(view)
        except Exception:
            log.exception("%s cannot decide on %s", controller.name, key)
            self._cannot_decide(running, key)
            return
        self._adopt(running, key, view, plan, group)

    def _cannot_decide(self, running: _Running, key: Key) -> None:
        """A bug in one decision must not stop the other controllers."""
        running.counters.faults += 1
        running.queue.retry(key, asyncio.get_running_loop().time())
        running.queue.done(key)

    async def _ask_first(
        self, running: _Running, key: Key, view: object, group: asyncio.TaskGroup
    ) -> None:
        """Get the answers that a decision needs, and decide."""
        controller = running.controller
        try:
            view = await self._inquirer.answered(controller, key, view)
            plan = controller.reconcile(view)
        except Exception:
            log.exception("%s cannot decide on %s", controller.name, key)
            self._cannot_decide(running, key)
        else:
            self._adopt(running, key, view, plan, group)
        finally:
            self._in_flight -= 1
            self._woken.set()

    def _adopt(
        self, running: _Running, key: Key, view: object, plan: Plan, group: asyncio.TaskGroup
    ) -> None:
        """Do what a plan says."""
        queue, counters = running.queue, running.counters
        if plan.wake_at is not None:
            self._look_again(running, key, plan, max(plan.wake_at - self._clock.now(), 0.001))
        if not plan.actions:
            self._inquirer.remember(running.controller.name, key, plan.remember)
            queue.forget(key)
            queue.done(key)
            return
        counters.actions += len(plan.actions)
        self._in_flight += 1
        group.create_task(self._carry_out(running, key, view, plan))

    def _look_again(self, running: _Running, key: Key, plan: Plan, delay_s: float) -> None:
        now = asyncio.get_running_loop().time()
        dog = None
        if plan.heart:
            mark = (running.controller.name, key)

            def bark() -> None:
                running.queue.add(key)
                self._woken.set()

            dog = watch_over(plan.heart, now + delay_s, bark)
            before = self._dogs.pop(mark, None)
            if before is not None:
                before.cancel()
            if dog is not None:
                self._dogs[mark] = dog
        if dog is None:
            running.queue.add_after(key, delay_s, now)

    async def _carry_out(self, running: _Running, key: Key, view: object, plan: Plan) -> None:
        controller, queue = running.controller, running.queue
        now = asyncio.get_running_loop().time
        executor = self._executor(controller)
        mark = (controller.name, key)
        if self._tells_causes:
            running.changes.act_on(key)
        try:
            outcome = await executor.carry_out(plan.actions)
            self._barrier.note(mark, outcome.writes, now())
            if outcome.error is None or outcome.failed is None:
                self._inquirer.remember(controller.name, key, plan.remember)
                queue.forget(key)
                return
            if controller.refused is not None and isinstance(outcome.error, StatusError):
                told = controller.refused(view, outcome.failed, outcome.error)
                after = await executor.carry_out(told.actions)
                self._barrier.note(mark, after.writes, now())
            self._try_again(running, key, outcome.error)
        finally:
            queue.done(key)
            self._in_flight -= 1
            self._woken.set()

    def _try_again(self, running: _Running, key: Key, error: Exception) -> None:
        queue, counters = running.queue, running.counters
        now = asyncio.get_running_loop().time()
        reason = error.reason if isinstance(error, StatusError) else type(error).__name__
        counters.errors[reason] = counters.errors.get(reason, 0) + 1
        counters.retries += 1
        if _namespace_ends(error):
            queue.forget(key)  # nothing can be made there any more
        elif isinstance(error, Conflict | NotFound):
            counters.conflicts += 1
            queue.retry(key, now, at_most_s=CONFLICT_DELAY_S)
        elif isinstance(error, TooManyRequests):
            delay_s = float((error.details or {}).get("retryAfterSeconds", 1))
            queue.postpone(key, max(delay_s, queue.retry(key, now)), now)
        else:
            counters.refused += 1
            log.debug("%s: %s/%s: %s", running.controller.name, *key, error)
            queue.retry(key, now)

    def _executor(self, controller: AnyController) -> Executor:
        executor = self._executors.get(controller.name)
        if executor is None:
            client = self._clients(controller.name)
            recorder = self._recorder(controller.component or controller.name, client)

            def record(event: EmitEvent) -> None:
                recorder.record(event.regarding, event.type, event.reason, event.message)

            executor = Executor(client, record, REQUESTS_AT_ONCE, self._signer)
            self._executors[controller.name] = executor
        return executor

    def _recorder(self, component: str, client: Client) -> EventRecorder:
        recorder = self._recorders.get(component)
        if recorder is None:
            recorder = EventRecorder(client, self._clock, component, rest_s=self._events_rest_s)
            self._recorders[component] = recorder
            if self._group is not None:
                self._group.create_task(recorder.run(), name=f"events {component}")
        return recorder

    def _arm(self) -> None:
        """Set the one timer to the next delayed key."""
        loop = asyncio.get_running_loop()
        dues = [r.queue.next_due() for r in self._running.values() if r.ready]
        due = min((d for d in dues if d is not None), default=None)
        if self._timer is not None:
            if due is not None and self._armed_at == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._armed_at = max(due, loop.time() + 0.001)
            self._timer = loop.call_at(self._armed_at, self._ring)

    def _ring(self) -> None:
        # Timers may go off a little early: what is not due yet must find no timer, and set another.
        self._timer = None
        self._woken.set()


def _namespace_ends(error: Exception) -> bool:
    return isinstance(error, StatusError) and error.has_cause(NAMESPACE_ENDS)
