"""How news changes what is remembered: runtime statuses, probe outcomes, lost sandboxes. Pure."""

from __future__ import annotations

from dataclasses import replace

from roost.api.values import Object
from roost.node.facts import (
    ContainerFacts,
    Fault,
    Hook,
    ImageFacts,
    PodFacts,
    Probes,
    Seen,
)
from roost.node.probing import ProbeKind, Target
from roost.runtimes.port import ContainerStatus, State


def seen_of(status: ContainerStatus, image: str, image_id: str) -> Seen:
    """Return what the runtime says of an attempt, with the names the Pod used for its image."""
    return Seen(
        id=status.id,
        sandbox_id=status.sandbox_id,
        attempt=status.attempt,
        state=status.state,
        image=image,
        image_id=image_id,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
    )


def took_up(container: Object, known: ContainerFacts, status: ContainerStatus) -> ContainerFacts:
    """Return the facts after the runtime's word on a container; old news changes nothing."""
    seen = known.seen
    if seen is not None and status.attempt < seen.attempt:
        return known
    if seen is not None and seen.id == status.id:
        if seen.ended:
            return known  # an end is never taken back
        new = seen_of(status, seen.image, seen.image_id)
        return known if new == seen else replace(known, seen=new)
    shown = known.image.reference if known.image is not None else ""
    live = status.state in {State.CREATED, State.RUNNING}
    hooked = live and "postStart" in (container.get("lifecycle") or {})
    return replace(
        known,
        seen=seen_of(status, container.get("image") or "", shown),
        last=seen if seen is not None else known.last,
        fault=None,
        probes=Probes(),
        hook=Hook.RUNNING if hooked else Hook.NONE,
        stopping=None,
        applied=container.get("resources") or {},
        resize_fault=None,
    )


def turned(known: ContainerFacts, target: Target, outcome: bool) -> ContainerFacts:
    """Return the facts after a probe's outcome turned; that of an earlier attempt is nothing."""
    if known.seen is None or known.seen.id != target.container_id:
        return known
    field = {
        ProbeKind.STARTUP: "startup",
        ProbeKind.LIVENESS: "liveness",
        ProbeKind.READINESS: "readiness",
    }[target.kind]
    return replace(known, probes=replace(known.probes, **{field: outcome}))


def faulted(known: ContainerFacts, fault: Fault) -> ContainerFacts:
    """Return the facts after a start that could not be tried."""
    return replace(known, fault=fault)


def lost(seen: Seen, now: float) -> Seen:
    """Return an attempt of which nobody knows how it ended."""
    return replace(seen, state=State.UNKNOWN, finished_at=now, exit_code=137)


def after_sandbox_stop(facts: PodFacts, now: float) -> PodFacts:
    """Return the facts when the sandbox and all in it have ended."""
    containers = {
        name: replace(known, seen=lost(known.seen, now))
        if known.seen is not None and known.seen.live
        else known
        for name, known in facts.containers.items()
    }
    last_ip = facts.sandbox.ip if facts.sandbox is not None else facts.last_ip
    return replace(facts, sandbox=None, last_ip=last_ip, containers=containers)


def retried(facts: PodFacts, now: float) -> PodFacts:
    """Return the facts with everything to be tried again at once that broke on configuration."""

    def soon(fault: Fault | None) -> Fault | None:
        return None if fault is None else replace(fault, retry_at=min(fault.retry_at, now))

    def soon_image(image: ImageFacts | None) -> ImageFacts | None:
        if (
            image is None
            or image.fault is None
            or image.fault.reason != "CreateContainerConfigError"
        ):
            return image
        return replace(image, fault=soon(image.fault))

    containers = {
        name: replace(known, fault=soon(known.fault), image=soon_image(known.image))
        if known.fault is not None or known.image is not None
        else known
        for name, known in facts.containers.items()
    }
    return replace(
        facts,
        volumes_fault=soon(facts.volumes_fault),
        sandbox_fault=soon(facts.sandbox_fault),
        containers=containers,
    )
