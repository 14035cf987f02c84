"""Preemption: which pods of lower priority must go so that this one fits, and on which node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.selectors import LabelSelector
from roost.decisions.controller import Key
from roost.decisions.meta import created_at, deleting, seconds_of
from roost.scheduler.decide import (
    Decision,
    Hard,
    Preempt,
    Rejections,
    Scheduler,
    Unschedulable,
    histogram,
)
from roost.scheduler.filters import Rejection, check
from roost.scheduler.shape import PodInfo
from roost.scheduler.snapshot import NodeInfo

_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_NEVER = "not eligible due to preemptionPolicy=Never."
_TERMINATING = "not eligible due to a terminating pod on the nominated node."


@dataclass(frozen=True, slots=True)
class Budget:
    """What a PodDisruptionBudget allows."""

    namespace: str
    selector: LabelSelector
    allowed: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that would have room without `victims`, of which `violating` break a budget."""

    node: str
    victims: tuple[PodInfo, ...]
    violating: int


def started_at(info: PodInfo) -> float:
    status = info.pod.get("status") or {}
    return seconds_of(status.get("startTime")) or created_at(info.pod)


def _importance(info: PodInfo) -> tuple[int, float, Key]:
    return (-info.shape.priority, started_at(info), info.key)


def preempt(
    scheduler: Scheduler, info: PodInfo, rejections: Rejections, budgets: Sequence[Budget]
) -> Decision:
    """Decide what to do for a pod that no node will take as it is."""
    message, plugins = rejections.message, rejections.plugins
    if not rejections.total:
        return Unschedulable(message, plugins)
    why_not = _not_eligible(scheduler, info)
    if why_not:
        return Unschedulable(f"{message} preemption: {why_not}", plugins)
    candidates: list[Candidate] = []
    reasons = [_NOT_HELPFUL] * (rejections.total - len(rejections.by_node))
    for name, rejection in rejections.by_node.items():
        if rejection.final:
            reasons.append(_NOT_HELPFUL)
            continue
        found = _dry_run(scheduler, info, scheduler.snapshot.nodes[name], budgets)
        if isinstance(found, Candidate):
            candidates.append(found)
        else:
            reasons.extend(found)
    if not candidates:
        suffix = histogram(rejections.total, reasons)
        return Unschedulable(f"{message} preemption: {suffix}", plugins)
    best = min(candidates, key=_cost)
    return Preempt(best.node, tuple(v.key for v in best.victims), message, plugins)


def _not_eligible(scheduler: Scheduler, info: PodInfo) -> str:
    if info.shape.never_preempts:
        return _NEVER
    nominated = scheduler.nominated.get(info.key)
    node = scheduler.snapshot.nodes.get(nominated[1]) if nominated else None
    if node is not None and any(
        deleting(other.pod) and other.shape.priority < info.shape.priority
        for other in node.pods.values()
    ):
        return _TERMINATING
    return ""


def _fits(
    scheduler: Scheduler, info: PodInfo, trial: NodeInfo, gone: frozenset[Key]
) -> Rejection | None:
    hard = Hard(info.shape, scheduler.snapshot, scheduler.volumes, gone)
    return check(info.shape, trial) or hard.check(trial)


def _dry_run(
    scheduler: Scheduler, info: PodInfo, node: NodeInfo, budgets: Sequence[Budget]
) -> Candidate | tuple[str, ...]:
    """Take all pods of lower priority away, then let as many as possible stay."""
    lower = [p for p in node.pods.values() if p.shape.priority < info.shape.priority]
    if not lower:
        return (_NO_VICTIMS,)
    trial = node.copy()
    for other in lower:
        trial.remove(other.key)
    gone = frozenset(other.key for other in lower)
    rejection = _fits(scheduler, info, trial, gone)
    if rejection is not None:
        return rejection.reasons
    violating, harmless = _by_budget(sorted(lower, key=_importance), budgets)
    victims: list[PodInfo] = []
    broken = 0
    for group, breaks in ((violating, 1), (harmless, 0)):
        for other in group:
            trial.add(other)
            stays = gone - {other.key}
            if _fits(scheduler, info, trial, stays) is None:
                gone = stays
            else:
                trial.remove(other.key)
                victims.append(other)
                broken += breaks
    return Candidate(node.name, tuple(victims), broken)


def _by_budget(
    pods: Iterable[PodInfo], budgets: Sequence[Budget]
) -> tuple[list[PodInfo], list[PodInfo]]:
    """Return (those whose removal would break a budget, the others)."""
    left = [budget.allowed for budget in budgets]
    violating: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for info in pods:
        breaks = False
        for at, budget in enumerate(budgets):
            same = budget.namespace == info.key.namespace
            if same and info.shape.labels and budget.selector.matches(info.shape.labels):
                left[at] -= 1
                breaks = breaks or left[at] < 0
        (violating if breaks else harmless).append(info)
    return violating, harmless


def _cost(candidate: Candidate) -> tuple[int, int, int, int, float]:
    """Fewest broken budgets, then lowest highest priority, lowest sum, fewest, youngest."""
    priorities = [victim.shape.priority for victim in candidate.victims]
    highest = max(priorities, default=-(2**31))
    earliest = min(
        (started_at(v) for v in candidate.victims if v.shape.priority == highest), default=0.0
    )
    offset = 2**31
    total = sum(priority + offset for priority in priorities)
    return (candidate.violating, highest, total, len(priorities), -earliest)
