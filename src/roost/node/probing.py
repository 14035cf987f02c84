"""Probes as values: when one is due, and what a row of successes and failures means. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from roost.api.values import Object
from roost.node import podspec
from roost.node.facts import PodFacts, PodState, Probes
from roost.node.podspec import Role


class ProbeKind(StrEnum):
    """The three probes; the value is the word in events."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"

    @property
    def field(self) -> str:
        return f"{self.value.lower()}Probe"


@dataclass(frozen=True, slots=True)
class Streak:
    """How often in a row a probe gave its last answer, and the outcome in force."""

    last: bool | None = None
    count: int = 0
    outcome: bool | None = None


def after(streak: Streak, ok: bool, probe: Object) -> Streak:
    """Return the streak after one more answer; the outcome turns when a threshold is reached."""
    count = streak.count + 1 if streak.last is ok else 1
    threshold = int(probe.get("successThreshold" if ok else "failureThreshold") or (1 if ok else 3))
    return Streak(ok, count, ok if count >= threshold else streak.outcome)


def period_s(probe: Object) -> float:
    return float(probe.get("periodSeconds") or 10)


def timeout_s(probe: Object) -> float:
    return float(probe.get("timeoutSeconds") or 1)


def first_due(probe: Object, started_at: float) -> float:
    return started_at + float(probe.get("initialDelaySeconds") or 0)


@dataclass(frozen=True, slots=True)
class Target:
    """A probe that is to run now and then."""

    container: str
    container_id: str
    kind: ProbeKind
    started_at: float
    probe: Object


def targets(pod: Object, facts: PodFacts) -> tuple[Target, ...]:
    """Return the probes that are in force: startup until it passed, then liveness and readiness;
    a pod that is being stopped is asked for its readiness only."""
    if facts.state not in {PodState.SYNCING, PodState.TERMINATING}:
        return ()
    found: list[Target] = []
    for role, container in podspec.containers(pod):
        if role not in {Role.MAIN, Role.SIDECAR}:
            continue
        known = facts.container(container["name"])
        if known.seen is None or not known.running:
            continue
        stopping = facts.state is PodState.TERMINATING
        found.extend(
            Target(container["name"], known.seen.id, kind, known.seen.started_at, probe)
            for kind, probe in _in_force(container, known.probes, stopping=stopping)
        )
    return tuple(found)


def _in_force(
    container: Object, probes: Probes, *, stopping: bool
) -> Iterable[tuple[ProbeKind, Object]]:
    startup = container.get(ProbeKind.STARTUP.field)
    if startup and probes.startup is not True:
        if not stopping and probes.startup is None:
            yield ProbeKind.STARTUP, startup
        return
    liveness = container.get(ProbeKind.LIVENESS.field)
    if liveness and not stopping and probes.liveness is not False:
        yield ProbeKind.LIVENESS, liveness
    readiness = container.get(ProbeKind.READINESS.field)
    if readiness:
        yield ProbeKind.READINESS, readiness
