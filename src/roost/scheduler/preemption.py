"""Preemption: which pods of lower priority must go so that this one fits, and on which node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.selectors import LabelSelector
from roost.decisions import conditions
from roost.decisions.controller import Key
from roost.decisions.meta import created_at, deleting, seconds_of
from roost.scheduler.decide import (
    Decision,
    Preempt,
    Rejections,
    Scheduler,
    Unschedulable,
    histogram,
)
from roost.scheduler.filters import Rejection, check
from roost.scheduler.profile import PREEMPTION
from roost.scheduler.shape import PodInfo
from roost.scheduler.snapshot import NodeInfo

_NOT_HELPFUL = "Preemption is not helpful for scheduling"
_NO_VICTIMS = "No preemption victims found for incoming pod"
_NEVER = "not eligible due to preemptionPolicy=Never."
_TERMINATING = "not eligible due to a terminating pod on the nominated node."
#: The reason in the DisruptionTarget condition of victims.
PREEMPTED = "PreemptionByScheduler"
#: How many candidates are enough: a share of all nodes, but at least so many.
_SHARE_PERCENT = 10
_CANDIDATES_LEAST = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """What a PodDisruptionBudget allows; it has counted the `disrupted` pods already."""

    namespace: str
    selector: LabelSelector
    allowed: int
    disrupted: frozenset[str] = frozenset()

    def protects(self, info: PodInfo) -> bool:
        """Say whether removing a pod costs one of what is allowed."""
        return (
            self.namespace == info.key.namespace
            and bool(info.shape.labels)
            and info.key.name not in self.disrupted
            and self.selector.matches(info.shape.labels)
        )


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
    if not rejections.total or PREEMPTION in scheduler.profile(info.shape).without:
        return Unschedulable(message, plugins)
    said, idle = _deallocation(info, rejections)
    why_not = _not_eligible(scheduler, info, rejections)
    if why_not:
        keeps = why_not == _TERMINATING
        return Unschedulable(f"{message} {said}preemption: {why_not}", plugins, idle, keeps)
    candidates, reasons = _candidates(scheduler, info, rejections, budgets)
    if not candidates:
        suffix = histogram(rejections.total, reasons)
        return Unschedulable(f"{message} {said}preemption: {suffix}", plugins, idle)
    best = min(candidates, key=_cost)
    return Preempt(best.node, tuple(v.key for v in best.victims), message, plugins)


def _deallocation(info: PodInfo, rejections: Rejections) -> tuple[str, Key | None]:
    """Return what is said of the pod's resource claims, and the one to take devices back from."""
    if not info.pod["spec"].get("resourceClaims"):
        return "", None
    devices = rejections.hard.devices if rejections.hard is not None else None
    if devices is None:
        return "no new claims to deallocate, ", None
    idle = devices.idle()
    said = "still not schedulable" if idle is None else "deallocation of ResourceClaim completed"
    return f"{said}, ", idle


def _candidates(
    scheduler: Scheduler, info: PodInfo, rejections: Rejections, budgets: Sequence[Budget]
) -> tuple[list[Candidate], list[str]]:
    """Return nodes that could be made to fit, and why the others could not.

    In large clusters a share of the nodes is enough, if one of them breaks no budget.
    """
    candidates: list[Candidate] = []
    harmless = False
    enough = max(rejections.total * _SHARE_PERCENT // 100, _CANDIDATES_LEAST)
    reasons = [_NOT_HELPFUL] * (rejections.total - len(rejections.by_node))
    for name, rejection in rejections.by_node.items():
        if rejection.final:
            reasons.append(_NOT_HELPFUL)
            continue
        found = _dry_run(scheduler, info, scheduler.snapshot.nodes[name], budgets)
        if not isinstance(found, Candidate):
            reasons.extend(found)
            continue
        candidates.append(found)
        harmless = harmless or not found.violating
        if harmless and len(candidates) >= enough:
            break
    return candidates, reasons


def _not_eligible(scheduler: Scheduler, info: PodInfo, rejections: Rejections) -> str:
    if info.shape.never_preempts:
        return _NEVER
    nominated = scheduler.nominated.get(info.key)
    node = scheduler.snapshot.nodes.get(nominated[1]) if nominated else None
    if node is None:
        return ""
    rejection = rejections.by_node.get(node.name)
    if rejection is not None and rejection.final:
        return ""  # waiting for the pods that go there would not help
    if any(
        _preempted(other) and other.shape.priority < info.shape.priority
        for other in node.pods.values()
    ):
        return _TERMINATING
    return ""


def _preempted(info: PodInfo) -> bool:
    """Say whether a pod is going because the scheduler deleted it."""
    if not deleting(info.pod):
        return False
    found = (info.pod.get("status") or {}).get("conditions")
    condition = conditions.find(found, "DisruptionTarget") or {}
    return (condition.get("status"), condition.get("reason")) == ("True", PREEMPTED)


def _fits(
    scheduler: Scheduler, info: PodInfo, trial: NodeInfo, gone: frozenset[Key]
) -> Rejection | None:
    profile = scheduler.profile(info.shape)
    return check(info.shape, trial, profile) or scheduler.hard(info, gone).check(trial)


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
            if budget.protects(info):
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
