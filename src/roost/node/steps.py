"""Carries out the actions of a plan for one pod, and folds what comes of them into its memory.

Each step is one task of the pod's worker. What a step can foresee to fail becomes a fault in the facts,
with a time to try again; what it cannot is raised to the worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

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
    ReleaseVolumes,
    ResizeContainer,
    StartContainer,
    StartSandbox,
    StopContainer,
    StopSandbox,
)
from roost.node.facts import Hook
from roost.node.folding import after_sandbox_stop, faulted, took_up
from roost.node.memory import Desk, PodMemory
from roost.node.restarts import next_fault
from roost.node.sources import NotYetKnown, Refused
from roost.node.volumes import Planned
from roost.runtimes.port import ContainerStatus, Resizing, RuntimeFault, State

log = logging.getLogger(__name__)

RETRY_S = 10.0
#: A container that could not be started, and hence never ran, ends with this code.
_START_ERROR_CODE = 128
_START_ERRORS = frozenset({"StartError", "RunContainerError", "ContainerCannotRun"})

#: What is under way: (verb, container name or "").
Key = tuple[str, str]
Step = Callable[[], Awaitable[None]]


class Steps:
    """The steps of one pod. `spawn` runs a step as a task that `busy` shows."""

    def __init__(self, desk: Desk, memory: PodMemory, spawn: Callable[[Key, Step], None]) -> None:
        self._desk = desk
        self._memory = memory
        self._spawn = spawn
        self._placed: tuple[Planned, ...] | None = None
        self._ordered: dict[str, str] = {}  # container -> id of the attempt ordered to stop

    def begin(self, action: Action) -> None:
        """Begin to carry out one action."""
        match action:
            case Announce():
                self._memory.event(action.type, action.reason, action.message, action.container)
            case PrepareVolumes():
                self._spawn(("volumes", ""), self._prepare_volumes)
            case StartSandbox():
                self._spawn(("sandbox", ""), partial(self._start_sandbox, action))
            case StopSandbox():
                self._spawn(("sandbox", ""), partial(self._stop_sandbox, action))
            case PullImage():
                self._spawn(("pull", action.container), partial(self._pull, action))
            case StartContainer():
                self._spawn(("start", action.container), partial(self._start, action))
            case StopContainer():
                self._memory.event("Normal", "Killing", action.message, action.container)
                self._spawn(("stop", action.container), partial(self._stop, action))
            case ResizeContainer():
                self._spawn(("resize", action.container), partial(self._resize, action))
            case ReleaseVolumes():
                self._spawn(("release", ""), self._release_volumes)
            case FinishDeletion():
                self._spawn(("finish", ""), self._finish_deletion)
            case CleanUp():
                self._spawn(("clean", ""), self._clean_up)

    async def _prepare_volumes(self) -> None:
        try:
            await self._desk.tokens.renew(self._memory.pod)
            await self._place()
        except Refused as error:
            self._volumes_fault(error.reason, error.message, quiet=isinstance(error, NotYetKnown))
        except (StatusError, OSError) as error:
            self._volumes_fault("FailedMount", str(error))
        else:
            self._memory.facts = replace(self._memory.facts, volumes_ready=True, volumes_fault=None)

    def _volumes_fault(self, reason: str, message: str, *, quiet: bool = False) -> None:
        if not quiet:
            self._memory.event("Warning", "FailedMount", message)
        fault = next_fault(
            self._memory.facts.volumes_fault, reason, message, self._memory.now(), steady=True
        )
        self._memory.facts = replace(self._memory.facts, volumes_fault=fault)

    async def _place(self) -> None:
        planned = self._desk.operations.planned_volumes(
            self._memory.pod, self._memory.facts, self._memory.sources()
        )
        if planned != self._placed:
            await self._desk.operations.place_volumes(self._memory.pod, planned)
            self._placed = planned

    async def refresh(self) -> bool:
        """Update volumes of a running pod, and tell whether they are; what cannot be read or written
        now stays as it is."""
        name = podspec.full_name(self._memory.pod)
        try:
            await self._desk.tokens.renew(self._memory.pod)
        except (StatusError, OSError) as error:
            log.info("tokens of %s: %s", name, error)
        try:
            await self._place()
        except NotYetKnown:
            pass
        except (Refused, OSError) as error:
            log.info("volumes of %s: %s", name, error)
        else:
            return True
        return False

    async def _start_sandbox(self, action: StartSandbox) -> None:
        try:
            self._memory.runtime = self._desk.operations.runtime_of(
                self._memory.pod, self._memory.sources()
            )
            self._desk.claim(podspec.sandbox_id(self._memory.uid, action.attempt), self._memory.uid)
            sandbox = await self._desk.operations.start_sandbox(
                self._memory.pod, action.attempt, self._memory.runtime
            )
        except (Refused, OSError) as error:
            reason = error.reason if isinstance(error, Refused) else "FailedCreatePodSandBox"
            if not isinstance(error, NotYetKnown):
                self._memory.event("Warning", "FailedCreatePodSandBox", str(error))
            fault = next_fault(
                self._memory.facts.sandbox_fault,
                reason,
                str(error),
                self._memory.now(),
                steady=True,
            )
            self._memory.facts = replace(self._memory.facts, sandbox_fault=fault)
            return
        self._memory.facts = replace(
            self._memory.facts,
            sandbox=sandbox,
            sandbox_fault=None,
            sandbox_attempt=action.attempt + 1,
        )

    async def _stop_sandbox(self, action: StopSandbox) -> None:
        await self._desk.operations.stop_sandbox(self._memory.pod, action.id, self._memory.runtime)
        self._memory.facts = after_sandbox_stop(self._memory.facts, self._memory.now())

    async def _pull(self, action: PullImage) -> None:
        found = podspec.find_container(self._memory.pod, action.container)
        if found is None or self._memory.runtime is None:
            return
        known = self._memory.facts.container(action.container)
        image = await self._desk.puller.provide(
            self._memory.pod, found[1], known, self._memory.runtime, self._memory.sources()
        )
        known = self._memory.facts.container(action.container)
        self._memory.set(action.container, replace(known, image=image))

    async def _start(self, action: StartContainer) -> None:
        name = action.container
        found = podspec.find_container(self._memory.pod, name)
        known = self._memory.facts.container(name)
        if found is None or self._memory.runtime is None or known.image is None:
            return
        container, image = found[1], known.image
        try:
            status = await self._desk.operations.start_container(
                self._memory.pod,
                self._memory.facts,
                container,
                image,
                self._memory.runtime,
                self._memory.sources(),
            )
        except (Refused, RuntimeFault, OSError) as error:
            self._start_failed(container, action.attempt, error)
            return
        self._memory.take_up(container, status)
        known = self._memory.facts.container(name)
        if known.hook is Hook.RUNNING and known.seen is not None:
            self._spawn(("hook", name), partial(self._after_start, container, known.seen.id))
        await self._desk.operations.forget_attempt(
            self._memory.pod, name, known, self._memory.runtime
        )

    def _start_failed(self, container: Object, attempt: int, error: Exception) -> None:
        name = container["name"]
        known = self._memory.facts.container(name)
        reason = getattr(error, "reason", "CreateContainerError")
        if not isinstance(error, NotYetKnown):
            self._memory.event("Warning", "Failed", f"Error: {error}", name)
        if reason in _START_ERRORS and self._memory.facts.sandbox is not None:
            now = self._memory.now()
            status = ContainerStatus(
                podspec.container_id(self._memory.uid, name, attempt),
                self._memory.facts.sandbox.id,
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
            self._memory.set(name, took_up(container, known, status))
            return
        fault = next_fault(known.fault, reason, str(error), self._memory.now(), steady=True)
        self._memory.set(name, faulted(known, fault))

    async def _after_start(self, container: Object, container_id: str) -> None:
        if self._memory.runtime is None:
            return
        ok = await self._desk.operations.after_start(
            self._memory.pod, self._memory.facts, container, container_id, self._memory.runtime
        )
        known = self._memory.facts.container(container["name"])
        if known.seen is not None and known.seen.id == container_id:
            hook = Hook.DONE if ok else Hook.FAILED
            self._memory.set(container["name"], replace(known, hook=hook))

    async def _stop(self, action: StopContainer) -> None:
        found = podspec.find_container(self._memory.pod, action.container)
        if found is None or self._memory.runtime is None:
            return
        # A second order, with less grace, must not run the hook again.
        first = self._ordered.get(action.container) != action.id
        self._ordered[action.container] = action.id
        try:
            await self._desk.operations.stop_container(
                self._memory.pod,
                self._memory.facts,
                found[1],
                action.id,
                action.grace_s,
                self._memory.runtime,
                hook=first,
            )
        except (RuntimeFault, OSError) as error:
            log.warning("stopping %s of %s: %s", action.container, self._memory.uid, error)
            await asyncio.sleep(RETRY_S)
            known = self._memory.facts.container(action.container)
            self._memory.set(action.container, replace(known, stopping=None))  # order it again

    async def _resize(self, action: ResizeContainer) -> None:
        name = action.container
        found = podspec.find_container(self._memory.pod, name)
        runtime = self._memory.runtime
        if found is None or runtime is None or not isinstance(runtime, Resizing):
            return
        container = found[1]
        fault = None
        try:
            await self._desk.operations.resize_container(
                self._memory.pod, container, action.id, runtime
            )
        except (RuntimeFault, OSError) as error:
            fault = next_fault(None, "ResizeError", str(error), self._memory.now(), steady=True)
            self._memory.event("Warning", "ResizeError", str(error), name)
        known = self._memory.facts.container(name)
        if known.seen is None or known.seen.id != action.id:
            return
        if fault is None:
            self._memory.event("Normal", "ResizeCompleted", "Pod resize completed", name)
            known = replace(known, applied=container.get("resources") or {})
        self._memory.set(name, replace(known, resize_fault=fault))

    async def _release_volumes(self) -> None:
        await self._desk.tools.pod_files.release(self._memory.uid)
        self._memory.facts = replace(self._memory.facts, volumes_ready=False)

    async def _finish_deletion(self) -> None:
        namespace, name = podspec.name_of(self._memory.pod)
        options = DeleteOptions(grace_period_s=0, uid=self._memory.uid)
        try:
            await self._desk.tools.client.delete(PODS, name, namespace, options)
        except (NotFound, Conflict):
            # Nothing of this uid is left (a Conflict: the name is another pod's now).
            self._memory.facts = replace(self._memory.facts, removed=True)
        self._memory.facts = replace(self._memory.facts, deletion_sent=True)

    async def _clean_up(self) -> None:
        await self._desk.operations.clean_up(self._memory.pod)
        self._memory.facts = replace(self._memory.facts, cleaned=True)
