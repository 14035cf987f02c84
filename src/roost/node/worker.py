"""Looks after one pod: asks decide.plan_pod what to do, has it done, and remembers.

One task per pod that waits for news or for the plan's wake time; steps that take long are tasks of
their own under it. Nothing here waits for the API server: reports and events are handed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from roost.api.errors import Conflict, NotFound, StatusError
from roost.api.values import Object
from roost.client.port import DeleteOptions
from roost.decisions.resources import PODS
from roost.node import podspec
from roost.node.actions import (
    Action,
    Announce,
    CleanUp,
    FinishDeletion,
    PrepareVolumes,
    PullImage,
    StartContainer,
    StartSandbox,
    StopContainer,
    StopSandbox,
)
from roost.node.checks import Answer
from roost.node.decide import plan_pod
from roost.node.facts import ContainerFacts, Fault, Hook, PodFacts, PodState, PodView, Verdict
from roost.node.folding import after_sandbox_stop, faulted, retried, took_up, turned
from roost.node.operations import Operations
from roost.node.prober import Prober
from roost.node.probing import Target, targets
from roost.node.pulling import Puller, reference_to
from roost.node.references import References
from roost.node.reporter import Report, StatusReporter
from roost.node.restarts import next_fault
from roost.node.sources import NotYetKnown, Refused, Sources, references_of
from roost.node.status import NodeAddress, pod_status
from roost.node.tokens import Tokens
from roost.node.tools import NodeSettings, Tools
from roost.node.volumes import Planned
from roost.runtimes.port import ContainerStatus, Runtime, RuntimeFault, State

log = logging.getLogger(__name__)

_RETRY_S = 10.0
#: A start that failed for good, with a container that never ran, ends with this code.
_START_ERROR_CODE = 128
_START_ERRORS = frozenset({"StartError", "RunContainerError", "ContainerCannotRun"})


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept on disk of a pod."""

    pod: Object
    facts: PodFacts


@dataclass(frozen=True, slots=True)
class Desk:
    """What all workers of a node share."""

    settings: NodeSettings
    tools: Tools
    operations: Operations
    puller: Puller
    prober: Prober
    references: References
    tokens: Tokens
    reporter: StatusReporter
    admit: Callable[[Object], Verdict | None]
    #: Says which pod a sandbox belongs to, before it exists.
    claim: Callable[[str, str], None]


class PodWorker:
    """One pod. `run` returns when the pod is gone; until then the worker may be told news."""

    def __init__(
        self, desk: Desk, pod: Object, facts: PodFacts, runtime: Runtime | None = None
    ) -> None:
        self.pod = pod
        self.facts = facts
        self.runtime = runtime
        self._desk = desk
        self._uid = podspec.uid(pod)
        self._busy: Counter[tuple[str, str]] = Counter()
        self._wake = asyncio.Event()
        self._saved: tuple[Object, PodFacts] | None = None
        self._placed: tuple[Planned, ...] | None = None
        self._volumes_stale = True
        self._offered: Object | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()

    # -- news -----------------------------------------------------------------------------------

    def on_pod(self, pod: Object) -> None:
        """Take in the Pod as the API shows it now."""
        if newer(pod, self.pod):
            self.pod = pod
            self._volumes_stale = True
            self._offered = None  # somebody may have changed the status
            self._wake.set()

    def on_removed(self) -> None:
        """Take in that the API has the pod no more."""
        self.facts = replace(self.facts, removed=True)
        self._wake.set()

    def evict(self, verdict: Verdict) -> None:
        """End the pod because the node says so."""
        if self.facts.verdict is None:
            self.facts = replace(self.facts, verdict=verdict)
            self._wake.set()

    def on_references(self) -> None:
        """Take in that an object the pod names has changed."""
        self._volumes_stale = True
        self.facts = retried(self.facts, self._now())
        self._wake.set()

    def on_services(self) -> None:
        """Take in that the cluster's services are known."""
        self.facts = retried(self.facts, self._now())
        self._wake.set()

    def on_container(self, status: ContainerStatus) -> None:
        """Take in what the runtime says of one of the pod's containers."""
        found = podspec.find_container(self.pod, status.name)
        if found is None:
            return
        self._take_up(found[1], status)
        self._wake.set()

    def _take_up(self, container: Object, status: ContainerStatus) -> None:
        known = self.facts.container(status.name)
        new = took_up(container, known, status)
        if new is known:
            return
        ended = new.seen is not None and new.seen.ended
        if ended and (known.seen is None or known.seen.live) and new.seen is not None:
            words = self._desk.operations.last_words(self.pod, container, status)
            new = replace(new, seen=replace(new.seen, message=words or new.seen.message))
        self._set(status.name, new)

    def _on_probe(self, target: Target, outcome: bool | None, answer: Answer) -> None:
        if not answer.ok:
            self._event("Warning", "Unhealthy", _probe_failed(target, answer), target.container)
        if outcome is None:
            return
        known = self.facts.container(target.container)
        new = turned(known, target, outcome)
        if new is not known:
            self._set(target.container, new)
            self._wake.set()

    def _set(self, name: str, known: ContainerFacts) -> None:
        self.facts = replace(self.facts, containers={**self.facts.containers, name: known})

    def _now(self) -> float:
        return self._desk.tools.clock.now()

    def _event(self, type: str, reason: str, message: str, container: str = "") -> None:
        about = reference_to(self.pod, container)
        self._desk.tools.recorder.record(about, type, reason, message)

    # -- the loop -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after the pod until it is gone."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                self._wake.clear()
                wake_at = self._step()
                if self.facts.state is PodState.GONE:
                    break
                await self._rest(wake_at)
            for task in tuple(self._running):
                task.cancel()
        self._desk.prober.watch(self._uid, {}, self._on_probe)
        self._desk.references.want(self._uid, ())
        self._desk.tokens.forget(self._uid)
        self._desk.reporter.forget(self._uid)

    def _step(self) -> float | None:
        """Plan, begin what is planned, report; return when to wake."""
        if self.facts.state is PodState.PENDING and not self._judged():
            verdict = self._desk.admit(self.pod)
            self.facts = replace(self.facts, admitted=verdict is None, verdict=verdict)
            if verdict is not None:
                self._event("Warning", verdict.reason, verdict.message)
        known = self._desk.references.objects
        self._desk.references.want(self._uid, references_of(self.pod, known))
        plan = plan_pod(PodView(self.pod, self.facts, self._now(), frozenset(self._busy)))
        self.facts = plan.facts
        for action in plan.actions:
            self._begin(action)
        self._follow_probes()
        wake_at = earliest(plan.wake_at, self._refresh_volumes())
        self._save()
        self._report()
        return wake_at

    def _judged(self) -> bool:
        return self.facts.admitted or self.facts.verdict is not None

    async def _rest(self, wake_at: float | None) -> None:
        timeout = None if wake_at is None else max(0.0, wake_at - self._now())
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return

    def _sources(self) -> Sources:
        return Sources(self._desk.references.objects, self._desk.tokens.of(self._uid))

    def _follow_probes(self) -> None:
        wanted = {}
        for target in targets(self.pod, self.facts):
            found = podspec.find_container(self.pod, target.container)
            if found is None or self.runtime is None:
                continue
            patient = self._desk.operations.patient(
                self.pod, self.facts, found[1], target.container_id, self.runtime
            )
            wanted[target.container_id, target.kind] = (target, patient)
        self._desk.prober.watch(self._uid, wanted, self._on_probe)

    def _refresh_volumes(self) -> float | None:
        """Bring volumes up to date whose sources changed; return when a token is due."""
        if self.facts.state is not PodState.SYNCING or not self.facts.volumes_ready:
            return None
        due = self._desk.tokens.due_at(self.pod)
        if due is not None and due <= self._now():
            self._volumes_stale = True
        if self._volumes_stale and not self._busy["refresh", ""]:
            self._volumes_stale = False
            self._task(("refresh", ""), self._refresh())
        return due if due is None or due > self._now() else self._now() + _RETRY_S

    def _save(self) -> None:
        """Keep the record on disk; a full disk must not end the supervision."""
        if self._saved is not None and self._saved == (self.pod, self.facts):
            return
        path = self._desk.settings.layout.record(self._uid)
        try:
            if self.facts.state is PodState.GONE:
                self._desk.tools.files.remove(path)
            else:
                record = Record(self.pod, self.facts)
                self._desk.tools.files.write(path, msgspec.json.encode(record))
        except OSError as error:
            log.warning("keeping the record of %s: %s", podspec.full_name(self.pod), error)
        else:
            self._saved = (self.pod, self.facts)

    # -- reporting ------------------------------------------------------------------------------

    def _report(self) -> None:
        if self.facts.removed or self.facts.state is PodState.GONE:
            return
        terminated = self.facts.state is PodState.TERMINATED
        phase = (self.pod.get("status") or {}).get("phase")
        if phase in podspec.TERMINAL_PHASES and not self.facts.containers:
            self._reported_end(self.facts.state)  # it ended before this agent knew it
            return
        settings = self._desk.settings
        runtime = self.runtime or self._desk.tools.runtimes.all[0]
        address = NodeAddress(settings.host_ips, runtime.describe().name)
        status = pod_status(self.pod, self.facts, self._now(), address)
        if phase in podspec.TERMINAL_PHASES:
            status["phase"] = phase  # an end is never taken back
        if status == self._offered and (self.facts.reported_end or not terminated):
            return
        self._offered = status
        state = self.facts.state
        self._desk.reporter.offer(Report(self.pod, status, lambda pod: self._done(pod, state)))

    def _done(self, pod: Object | None, state: PodState) -> None:
        if pod is not None and newer(pod, self.pod):
            self.pod = pod
        self._reported_end(state)
        self._wake.set()

    def _reported_end(self, state: PodState) -> None:
        if state is PodState.TERMINATED and not self.facts.reported_end:
            self.facts = replace(self.facts, reported_end=True)
            self._wake.set()

    # -- carrying out ---------------------------------------------------------------------------

    def _begin(self, action: Action) -> None:
        match action:
            case Announce():
                self._event(action.type, action.reason, action.message, action.container)
            case PrepareVolumes():
                self._task(("volumes", ""), self._prepare_volumes())
            case StartSandbox():
                self._task(("sandbox", ""), self._start_sandbox(action))
            case StopSandbox():
                self._task(("sandbox", ""), self._stop_sandbox(action))
            case PullImage():
                self._task(("pull", action.container), self._pull(action))
            case StartContainer():
                self._task(("start", action.container), self._start(action))
            case StopContainer():
                self._event("Normal", "Killing", action.message, action.container)
                self._task(("stop", action.container), self._stop(action))
            case FinishDeletion():
                self._task(("finish", ""), self._finish_deletion())
            case CleanUp():
                self._task(("clean", ""), self._clean_up())

    def _task(self, key: tuple[str, str], step: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            step.close()
            return
        self._busy[key] += 1
        task = self._tasks.create_task(self._carry_out(key, step))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _carry_out(self, key: tuple[str, str], step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except (RuntimeFault, StatusError, OSError) as error:
            # What a step can foresee it folds into the facts itself; this is the rest.
            log.warning("%s %s of %s: %s", *key, podspec.full_name(self.pod), error)
            await asyncio.sleep(_RETRY_S)
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
            self._wake.set()

    async def _prepare_volumes(self) -> None:
        try:
            await self._place()
        except Refused as error:
            self._volumes_fault(error.reason, error.message, quiet=isinstance(error, NotYetKnown))
        except (StatusError, OSError) as error:
            self._volumes_fault("FailedMount", str(error))
        else:
            self.facts = replace(self.facts, volumes_ready=True, volumes_fault=None)

    def _volumes_fault(self, reason: str, message: str, *, quiet: bool = False) -> None:
        if not quiet:
            self._event("Warning", "FailedMount", message)
        fault = next_fault(self.facts.volumes_fault, reason, message, self._now(), steady=True)
        self.facts = replace(self.facts, volumes_fault=fault)

    async def _place(self) -> None:
        await self._desk.tokens.renew(self.pod)
        planned = self._desk.operations.planned_volumes(self.pod, self.facts, self._sources())
        if planned != self._placed:
            await self._desk.operations.place_volumes(self.pod, planned)
            self._placed = planned

    async def _refresh(self) -> None:
        """Update volumes of a running pod; what cannot be read now stays as it is."""
        try:
            await self._place()
        except NotYetKnown:
            return
        except (Refused, StatusError, OSError) as error:
            log.info("volumes of %s: %s", podspec.full_name(self.pod), error)

    async def _start_sandbox(self, action: StartSandbox) -> None:
        try:
            self.runtime = self._desk.operations.runtime_of(self.pod, self._sources())
            self._desk.claim(podspec.sandbox_id(self._uid, action.attempt), self._uid)
            sandbox = await self._desk.operations.start_sandbox(
                self.pod, action.attempt, self.runtime
            )
        except (Refused, OSError) as error:
            reason = error.reason if isinstance(error, Refused) else "FailedCreatePodSandBox"
            if not isinstance(error, NotYetKnown):
                self._event("Warning", "FailedCreatePodSandBox", str(error))
            fault = next_fault(
                self.facts.sandbox_fault, reason, str(error), self._now(), steady=True
            )
            self.facts = replace(self.facts, sandbox_fault=fault)
            return
        self.facts = replace(
            self.facts, sandbox=sandbox, sandbox_fault=None, sandbox_attempt=action.attempt + 1
        )

    async def _stop_sandbox(self, action: StopSandbox) -> None:
        await self._desk.operations.stop_sandbox(self.pod, action.id, self.runtime)
        self.facts = after_sandbox_stop(self.facts, self._now())

    async def _pull(self, action: PullImage) -> None:
        found = podspec.find_container(self.pod, action.container)
        if found is None or self.runtime is None:
            return
        known = self.facts.container(action.container)
        image = await self._desk.puller.provide(
            self.pod, found[1], known, self.runtime, self._sources()
        )
        known = self.facts.container(action.container)
        self._set(action.container, replace(known, image=image))

    async def _start(self, action: StartContainer) -> None:
        name = action.container
        found = podspec.find_container(self.pod, name)
        known = self.facts.container(name)
        if found is None or self.runtime is None or known.image is None:
            return
        container, image = found[1], known.image
        try:
            status = await self._desk.operations.start_container(
                self.pod, self.facts, container, image, self.runtime, self._sources()
            )
        except (Refused, RuntimeFault, OSError) as error:
            self._start_failed(container, action.attempt, error)
            return
        self._take_up(container, status)
        known = self.facts.container(name)
        if known.hook is Hook.RUNNING and known.seen is not None:
            self._task(("hook", name), self._after_start(container, known.seen.id))
        await self._desk.operations.forget_attempt(self.pod, name, known, self.runtime)

    def _start_failed(self, container: Object, attempt: int, error: Exception) -> None:
        name = container["name"]
        known = self.facts.container(name)
        reason = getattr(error, "reason", "CreateContainerError")
        if not isinstance(error, NotYetKnown):
            self._event("Warning", "Failed", f"Error: {error}", name)
        if reason in _START_ERRORS and self.facts.sandbox is not None:
            now = self._now()
            status = ContainerStatus(
                podspec.container_id(self._uid, name, attempt),
                self.facts.sandbox.id,
                name,
                attempt,
                known.image.id if known.image else "",
                State.EXITED,
                started_at=0.0,
                finished_at=now,
                exit_code=_START_ERROR_CODE,
                reason="StartError",
                message=str(error),
            )
            self._set(name, took_up(container, known, status))
            return
        fault: Fault = next_fault(known.fault, reason, str(error), self._now(), steady=True)
        self._set(name, faulted(known, fault))

    async def _after_start(self, container: Object, container_id: str) -> None:
        if self.runtime is None:
            return
        ok = await self._desk.operations.after_start(
            self.pod, self.facts, container, container_id, self.runtime
        )
        known = self.facts.container(container["name"])
        if known.seen is not None and known.seen.id == container_id:
            hook = Hook.DONE if ok else Hook.FAILED
            self._set(container["name"], replace(known, hook=hook))

    async def _stop(self, action: StopContainer) -> None:
        found = podspec.find_container(self.pod, action.container)
        if found is None or self.runtime is None:
            return
        first = self._busy["stop", action.container] == 1
        try:
            await self._desk.operations.stop_container(
                self.pod, self.facts, found[1], action.id, action.grace_s, self.runtime, hook=first
            )
        except (RuntimeFault, OSError) as error:
            log.warning("stopping %s of %s: %s", action.container, self._uid, error)
            await asyncio.sleep(_RETRY_S)
            known = self.facts.container(action.container)
            self._set(action.container, replace(known, stopping=None))  # order it again

    async def _finish_deletion(self) -> None:
        namespace, name = podspec.name_of(self.pod)
        options = DeleteOptions(grace_period_s=0, uid=self._uid)
        try:
            await self._desk.tools.client.delete(PODS, name, namespace, options)
        except (NotFound, Conflict):
            # Nothing of this uid is left (a Conflict: the name is another pod's now).
            self.facts = replace(self.facts, removed=True)
        self.facts = replace(self.facts, deletion_sent=True)

    async def _clean_up(self) -> None:
        await self._desk.operations.clean_up(self.pod)
        self.facts = replace(self.facts, cleaned=True)


def newer(pod: Object, than: Object) -> bool:
    """Tell whether `pod` is a later state of the same object; what cannot be compared counts as
    later (a foreign server's versions need not be numbers)."""
    mine = str(pod["metadata"].get("resourceVersion", ""))
    known = str(than["metadata"].get("resourceVersion", ""))
    if mine == known:
        return pod != than
    if mine.isdigit() and known.isdigit():
        return int(mine) > int(known)
    return True


def earliest(*times: float | None) -> float | None:
    """Return the earliest of the times that are given."""
    return min((at for at in times if at is not None), default=None)


def _probe_failed(target: Target, answer: Answer) -> str:
    return f"{target.kind.value} probe failed: {answer.message}"
