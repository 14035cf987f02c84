"""Takes up what runs already: facts from records, runtimes and the API, at the agent's start. Pure.

Rule: adopting changes nothing. An attempt that a runtime shows is the truth; one that only the record
or the API knows was lost; a number of restarts is never counted back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from roost.api.values import Object
from roost.node import podspec
from roost.node.facts import (
    BackOff,
    ContainerFacts,
    Hook,
    PodFacts,
    PodState,
    Probes,
    SandboxFacts,
    Seen,
)
from roost.node.folding import lost, took_up
from roost.node.podspec import LISTS, Role
from roost.runtimes.port import ContainerStatus, SandboxStatus, State

_ATTEMPTS_TRIED = 1000


def attempt_of(sandbox: SandboxStatus) -> int:
    """Return the attempt that gave the sandbox its id; 0 if it has a foreign one."""
    for attempt in range(_ATTEMPTS_TRIED):
        if podspec.sandbox_id(sandbox.pod_uid, attempt) == sandbox.id:
            return attempt
    return 0


def newest(sandboxes: Iterable[SandboxStatus]) -> SandboxStatus | None:
    """Return the newest of a pod's sandboxes."""
    return max(sandboxes, key=lambda one: (attempt_of(one), one.created_at), default=None)


def adopt(
    pod: Object, facts: PodFacts | None, sandboxes: Sequence[SandboxStatus], ip: str, now: float
) -> PodFacts:
    """Return the facts of a pod from all that is known of it; `ip` is its attached address."""
    known = facts if facts is not None else _from_api(pod, now)
    sandbox = newest(sandboxes)
    if sandbox is not None:
        attempt = attempt_of(sandbox)
        known = replace(
            known,
            state=PodState.SYNCING if known.state is PodState.PENDING else known.state,
            admitted=True,
            volumes_ready=True,
            sandbox=SandboxFacts(
                sandbox.id,
                attempt,
                sandbox.ready,
                sandbox.created_at,
                sandbox.network_namespace,
                ip or (known.sandbox.ip if known.sandbox else ""),
            ),
            sandbox_attempt=max(known.sandbox_attempt, attempt + 1),
        )
    elif known.sandbox is not None:
        known = replace(known, sandbox=None, sandbox_attempt=known.sandbox.attempt + 1)
    statuses = sorted(
        (status for one in sandboxes for status in one.containers), key=lambda one: one.attempt
    )
    containers = {
        container["name"]: _adopt_container(
            container,
            known.container(container["name"]),
            [status for status in statuses if status.name == container["name"]],
            now,
        )
        for _, container in podspec.containers(pod)
    }
    return replace(known, containers={n: c for n, c in containers.items() if c != ContainerFacts()})


def _adopt_container(
    container: Object, known: ContainerFacts, statuses: Sequence[ContainerStatus], now: float
) -> ContainerFacts:
    shown = {status.id for status in statuses}
    before = known
    for status in statuses:
        known = took_up(container, known, status)
    seen = known.seen
    if seen is not None and seen.live and seen.id not in shown:
        known = replace(known, seen=lost(seen, now))
    known = _resumed_container(known)
    probes = known.probes
    if before.seen is not None and seen is not None and before.seen.id != seen.id:
        probes = Probes()
    return replace(known, probes=probes)


def resumed(facts: PodFacts) -> PodFacts:
    """Return the facts of a pod whose worker ended with steps under way."""
    containers = {name: _resumed_container(known) for name, known in facts.containers.items()}
    return replace(facts, containers=containers)


def _resumed_container(known: ContainerFacts) -> ContainerFacts:
    """A hook that was under way is not run twice; a stop is ordered again."""
    hook = Hook.DONE if known.hook is Hook.RUNNING else known.hook
    return replace(known, hook=hook, stopping=None)


def _from_api(pod: Object, now: float) -> PodFacts:
    """Return what the Pod's own status says, for a pod of which the node has no record."""
    status = pod.get("status") or {}
    started = status.get("startTime")
    containers = {}
    for role, container in podspec.containers(pod):
        entry = _entry(status, role, container["name"])
        if entry is not None:
            facts = _container_from_api(container, entry, now)
            if facts is not None:
                containers[container["name"]] = facts
    return PodFacts(
        started_at=podspec.seconds_of(started) if started else now, containers=containers
    )


def _entry(status: Object, role: Role, name: str) -> Object | None:
    entries = status.get(LISTS[role][1]) or ()
    return next((entry for entry in entries if entry["name"] == name), None)


def _container_from_api(container: Object, entry: Object, now: float) -> ContainerFacts | None:
    if not entry.get("containerID"):
        return None
    state = entry.get("state") or {}
    ended = state.get("terminated") or (entry.get("lastState") or {}).get("terminated")
    running = state.get("running")
    body = running or ended or {}
    seen = Seen(
        id=entry["containerID"].rpartition("/")[2],
        sandbox_id="",
        attempt=int(entry.get("restartCount") or 0),
        state=State.RUNNING if running else State.EXITED,
        image=container.get("image") or "",
        image_id=entry.get("imageID") or "",
        started_at=_time(body.get("startedAt"), now),
        finished_at=0.0 if running else _time(body.get("finishedAt"), now),
        exit_code=int(body.get("exitCode") or 0),
        reason=body.get("reason") or "",
        message=body.get("message") or "",
    )
    # Without a record the delay is unknown: one that has restarted keeps at least the first.
    back_off = BackOff(10.0, seen.started_at) if seen.attempt else None
    ready = bool(entry.get("ready"))
    probes = Probes(
        startup=True if entry.get("started") else None, readiness=True if ready else None
    )
    return ContainerFacts(seen=seen, back_off=back_off, probes=probes)


def _time(text: str | None, now: float) -> float:
    return podspec.seconds_of(text) if text else now
