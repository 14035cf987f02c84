"""Looks after one pod: asks decide.plan_pod what to do, has it done, and remembers.

One task per pod that waits for news or for the plan's wake time; steps that take long are tasks of
their own under it. Nothing here waits for the API server: reports and events are handed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, replace

import msgspec

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.node import podspec, resizing, resources
from roost.node.actions import PrepareVolumes
from roost.node.admission import PREFIX, Requests
from roost.node.checks import Answer
from roost.node.decide import plan_pod
from roost.node.facts import PodFacts, PodState, PodView, Verdict
from roost.node.folding import retried, turned
from roost.node.memory import Desk, PodMemory, newer
from roost.node.probing import Target, targets
from roost.node.reporter import Report
from roost.node.sources import Refused, references_of
from roost.node.status import NodeAddress, pod_status
from roost.node.steps import RETRY_S, Key, Step, Steps
from roost.runtimes.port import ContainerStatus, Resizing, Runtime, RuntimeFault

_encode = msgspec.json.Encoder().encode
log = logging.getLogger(__name__)

_CANNOT_RESIZE = Verdict(
    "Infeasible", "In-place resize of containers is not supported by this pod's runtime"
)

#: Volumes that could not be brought up to date, on a full disk say, are tried again so late.
_REFRESH_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept on disk of a pod: without its managed fields, half of it, which no agent reads."""

    pod: Object
    facts: PodFacts


class PodWorker:
    """One pod. `run` returns when the pod is gone; until then the worker may be told news."""

    def __init__(
        self, desk: Desk, pod: Object, facts: PodFacts, runtime: Runtime | None = None
    ) -> None:
        self.memory = PodMemory(desk, pod, facts, runtime)
        self._desk = desk
        self._steps = Steps(desk, self.memory, self._spawn)
        self._busy: Counter[Key] = Counter()
        self._wake = asyncio.Event()
        self._requests: tuple[Object, Requests] | None = None
        self._saved: tuple[Object, PodFacts] | None = None
        self._volumes_stale = True
        #: When to try again what could not be brought up to date.
        self._refresh_at: float | None = None
        self._offered: Object | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def pod(self) -> Object:
        """The Pod as the API last showed it."""
        return self.memory.pod

    @property
    def facts(self) -> PodFacts:
        """What is known of it."""
        return self.memory.facts

    @property
    def runtime(self) -> Runtime | None:
        """The runtime that it is in; None before its first sandbox."""
        return self.memory.runtime

    def requests(self) -> Requests:
        """Return what the pod requests; reckoned once for each of its specs."""
        if self._requests is None or self._requests[0] is not self.pod["spec"]:
            self._requests = (self.pod["spec"], resources.of_pod(self.pod))
        return self._requests[1]

    # -- news -----------------------------------------------------------------------------------

    def on_pod(self, pod: Object) -> None:
        """Take in the Pod as the API shows it now."""
        before = self.memory.pod
        if newer(pod, before):
            self.memory.pod = pod
            if podspec.desired(pod) != podspec.desired(before):
                self._volumes_stale = True
            self._offered = None  # somebody may have changed the status
            self._wake.set()

    def on_removed(self) -> None:
        """Take in that the API has the pod no more."""
        self.memory.facts = replace(self.memory.facts, removed=True)
        self._wake.set()

    def evict(self, verdict: Verdict) -> None:
        """End the pod because the node says so."""
        if self.memory.facts.verdict is None:
            self.memory.facts = replace(self.memory.facts, verdict=verdict)
            self.memory.event("Warning", verdict.reason, verdict.message)
            self._wake.set()

    def on_references(self) -> None:
        """Take in that an object the pod names has changed."""
        self._volumes_stale = True
        self.memory.facts = retried(self.memory.facts, self.memory.now())
        self._wake.set()

    def on_services(self) -> None:
        """Take in that the cluster's services are known."""
        self.memory.facts = retried(self.memory.facts, self.memory.now())
        self._wake.set()

    def on_container(self, status: ContainerStatus) -> None:
        """Take in what the runtime says of one of the pod's containers."""
        found = podspec.find_container(self.memory.pod, status.name)
        if found is None:
            return
        self.memory.take_up(found[1], status)
        self._wake.set()

    def _on_probe(self, target: Target, outcome: bool | None, answer: Answer) -> None:
        if not answer.ok:
            self.memory.event(
                "Warning", "Unhealthy", _probe_failed(target, answer), target.container
            )
        if outcome is None:
            return
        known = self.memory.facts.container(target.container)
        new = turned(known, target, outcome)
        if new is not known:
            self.memory.set(target.container, new)
            self._wake.set()

    # -- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after the pod until it is gone."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                self._wake.clear()
                await self._judge()
                wake_at = self._step()
                if self.memory.facts.state is PodState.GONE:
                    break
                await self._rest(wake_at)
            for task in tuple(self._running):
                task.cancel()
        self._desk.prober.watch(self.memory.uid, {}, self._on_probe)
        self._desk.references.want(self.memory.uid, ())
        self._desk.tokens.forget(self.memory.uid)
        self._desk.reporter.forget(self.memory.uid)

    def _step(self) -> float | None:
        """Plan, begin what is planned, report; return when to wake."""
        self._judge_size()
        known = self._desk.references.objects
        self._desk.references.want(self.memory.uid, references_of(self.memory.pod, known))
        plan = plan_pod(
            PodView(self.memory.pod, self.memory.facts, self.memory.now(), frozenset(self._busy))
        )
        self.memory.facts = plan.facts
        for action in plan.actions:
            if isinstance(action, PrepareVolumes):
                self._volumes_stale = False  # until something changes that they show
            self._steps.begin(action)
        self._follow_probes()
        wake_at = earliest(plan.wake_at, self._refresh_volumes())
        if self.facts.resize is not None:
            wake_at = earliest(wake_at, self.memory.now() + RETRY_S)
        self._save()
        self._report()
        return wake_at

    async def _judge(self) -> None:
        """Find out whether the node takes the pod."""
        if self.memory.facts.state is not PodState.PENDING or self._judged():
            return
        verdict = await self._desk.admit(self.memory.pod)
        self.memory.facts = replace(self.memory.facts, admitted=verdict is None, verdict=verdict)
        if verdict is not None:
            words = verdict.message.removeprefix(PREFIX)
            self.memory.event("Warning", verdict.reason, words)

    def _judge_size(self) -> None:
        """Find out whether the node can give running containers the size that the Pod names now."""
        verdict = None
        if resizing.pending(self.pod, self.facts):
            runtime = self.memory.runtime
            if runtime is not None and isinstance(runtime, Resizing):
                verdict = self._desk.judge_size(self.pod)
            else:
                verdict = _CANNOT_RESIZE
        if verdict != self.facts.resize:
            self.memory.facts = replace(self.facts, resize=verdict)
            if verdict is not None:
                self.memory.event("Warning", f"Resize{verdict.reason}", verdict.message)

    def _judged(self) -> bool:
        return self.memory.facts.admitted or self.memory.facts.verdict is not None

    async def _rest(self, wake_at: float | None) -> None:
        if wake_at is None:
            await self._wake.wait()
            return
        rest_s = max(0.0, wake_at - self.memory.now())
        alarm = asyncio.get_running_loop().call_later(rest_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    def _follow_probes(self) -> None:
        wanted = {}
        for target in targets(self.memory.pod, self.memory.facts):
            found = podspec.find_container(self.memory.pod, target.container)
            if found is None or self.memory.runtime is None:
                continue
            patient = self._desk.operations.patient(
                self.memory.pod,
                self.memory.facts,
                found[1],
                target.container_id,
                self.memory.runtime,
            )
            wanted[target.container_id, target.kind] = (target, patient)
        self._desk.prober.watch(self.memory.uid, wanted, self._on_probe)

    def _refresh_volumes(self) -> float | None:
        """Bring volumes up to date whose sources changed; return when a token is due."""
        if self.memory.facts.state is not PodState.SYNCING or not self.memory.facts.volumes_ready:
            return None
        due = earliest(self._desk.tokens.due_at(self.memory.pod), self._refresh_at)
        if due is not None and due <= self.memory.now():
            self._volumes_stale = True
        if self._volumes_stale and not self._busy["refresh", ""]:
            self._volumes_stale, self._refresh_at = False, None
            self._spawn(("refresh", ""), self._refresh)
        return due if due is None or due > self.memory.now() else self.memory.now() + RETRY_S

    async def _refresh(self) -> None:
        if not await self._steps.refresh():
            self._refresh_at = self.memory.now() + _REFRESH_AGAIN_S

    def _save(self) -> None:
        """Keep the record on disk; a full disk must not end the supervision."""
        saved = self._saved
        if saved is not None and saved[0] is self.pod and saved[1] == self.facts:
            return
        path = self._desk.settings.layout.record(self.memory.uid)
        try:
            if self.memory.facts.state is PodState.GONE:
                self._desk.tools.files.remove(path)
            else:
                record = Record(podspec.unmanaged(self.memory.pod), self.memory.facts)
                self._desk.tools.files.write(path, _encode(record))
        except OSError as error:
            log.warning("keeping the record of %s: %s", podspec.full_name(self.memory.pod), error)
        else:
            self._saved = (self.memory.pod, self.memory.facts)

    # -- reporting ------------------------------------------------------------------------------

    def _report(self) -> None:
        if self.memory.facts.removed or self.memory.facts.state is PodState.GONE:
            return
        terminated = self.memory.facts.state is PodState.TERMINATED
        phase = (self.memory.pod.get("status") or {}).get("phase")
        if phase in podspec.TERMINAL_PHASES and not self.memory.facts.containers:
            self._reported_end(self.memory.facts.state)  # it ended before this agent knew it
            return
        settings = self._desk.settings
        runtime = self.memory.runtime or self._desk.tools.runtimes.all[0]
        address = NodeAddress(settings.host_ips, runtime.describe().name)
        status = pod_status(self.memory.pod, self.memory.facts, self.memory.now(), address)
        if phase in podspec.TERMINAL_PHASES:
            status["phase"] = phase  # an end is never taken back
        if status == self._offered and (self.memory.facts.reported_end or not terminated):
            return
        self._offered = status
        state = self.memory.facts.state
        self._desk.reporter.offer(
            Report(self.memory.pod, status, lambda pod: self._done(pod, state))
        )

    def _done(self, pod: Object | None, state: PodState) -> None:
        if pod is not None and newer(pod, self.memory.pod):
            self.memory.pod = pod
        self._reported_end(state)
        self._wake.set()

    def _reported_end(self, state: PodState) -> None:
        if state is PodState.TERMINATED and not self.memory.facts.reported_end:
            self.memory.facts = replace(self.memory.facts, reported_end=True)
            self._wake.set()

    # -- carrying out ---------------------------------------------------------------------------

    def _spawn(self, key: Key, step: Step) -> None:
        if self._tasks is None:
            return
        self._busy[key] += 1
        task = self._tasks.create_task(self._carry_out(key, step))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _carry_out(self, key: Key, step: Step) -> None:
        try:
            await step()
        except (RuntimeFault, Refused, StatusError, OSError) as error:
            # What a step can foresee it folds into the facts itself; this is the rest.
            log.warning("%s %s of %s: %s", *key, podspec.full_name(self.memory.pod), error)
            await asyncio.sleep(RETRY_S)
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
            self._wake.set()


def earliest(*times: float | None) -> float | None:
    """Return the earliest of the times that are given."""
    return min((at for at in times if at is not None), default=None)


def _probe_failed(target: Target, answer: Answer) -> str:
    what = "errored and resulted in unknown state" if answer.unknown else "failed"
    return f"{target.kind.value} probe {what}: {answer.message}"
