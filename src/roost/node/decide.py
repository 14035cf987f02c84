"""The life of a pod on a node: a table of states, and one pure function `plan_pod(view) -> PodPlan`.

    PENDING -> SYNCING -> TERMINATING -> TERMINATED -> GONE

Rule: a plan is complete for its view; the agent carries it out, fills the results into the facts and
asks again. What is under way (`view.busy`) is never asked for twice. A container is stopped only
because of something positive: a deletion, a complete list without the pod, a deadline, a verdict, a
failed probe or hook, another image. Not knowing is never a reason.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from roost.api.values import Object
from roost.node import podspec
from roost.node.actions import PodPlan
from roost.node.draft import Draft
from roost.node.ending import plan_terminated, plan_terminating
from roost.node.facts import PodState, PodView, Verdict
from roost.node.progress import deadline_of, is_complete
from roost.node.syncing import plan_syncing


class PodEvent(StrEnum):
    """What moves a pod from one state to the next."""

    ADMIT = "Admit"
    REJECT = "Reject"  # the node refuses it
    OVER = "Over"  # the API already calls it Succeeded or Failed
    DELETE = "Delete"  # somebody deleted it in the API
    REMOVE = "Remove"  # the API has it no more
    DEADLINE = "Deadline"  # activeDeadlineSeconds
    EVICT = "Evict"
    COMPLETE = "Complete"  # its containers ended and policy starts none again
    STOPPED = "Stopped"  # nothing of it runs
    CLEANED = "Cleaned"  # every trace is removed


_STOPS = {
    PodEvent.DELETE: PodState.TERMINATING,
    PodEvent.REMOVE: PodState.TERMINATING,
    PodEvent.OVER: PodState.TERMINATING,
}
TRANSITIONS: dict[PodState, dict[PodEvent, PodState]] = {
    PodState.PENDING: {
        **_STOPS,
        PodEvent.ADMIT: PodState.SYNCING,
        PodEvent.REJECT: PodState.TERMINATED,
    },
    PodState.SYNCING: {
        **_STOPS,
        PodEvent.DEADLINE: PodState.TERMINATING,
        PodEvent.EVICT: PodState.TERMINATING,
        PodEvent.COMPLETE: PodState.TERMINATING,
    },
    PodState.TERMINATING: {PodEvent.STOPPED: PodState.TERMINATED},
    PodState.TERMINATED: {PodEvent.CLEANED: PodState.GONE},
    PodState.GONE: {},
}

#: The node wants back what the pod takes, at once: as the kubelet for hard thresholds.
EVICTION_GRACE_S = 1.0
DEADLINE_EXCEEDED = Verdict(
    "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)


def plan_pod(view: PodView) -> PodPlan:
    """Return what to do for the pod now."""
    view = _advanced(view)
    draft = Draft(view)
    _PLANNERS[view.facts.state](draft)
    return PodPlan(draft.facts, tuple(draft.actions), draft.wake_at)


def _advanced(view: PodView) -> PodView:
    """Return the view after every transition that is due."""
    while (event := event_of(view)) is not None:
        state = TRANSITIONS[view.facts.state][event]
        facts = replace(view.facts, state=state)
        if state is PodState.TERMINATING:
            facts = replace(facts, stop_by=view.now + _stop_grace_s(view.pod, event))
        if event is PodEvent.DEADLINE:
            facts = replace(facts, verdict=DEADLINE_EXCEEDED)
        view = replace(view, facts=facts)
    return view


def _stop_grace_s(pod: Object, event: PodEvent) -> float:
    if event in {PodEvent.DELETE, PodEvent.REMOVE}:
        return podspec.deletion_grace_s(pod)
    if event is PodEvent.EVICT:
        return EVICTION_GRACE_S
    return max(1.0, podspec.grace_s(pod))


def event_of(view: PodView) -> PodEvent | None:
    """Return what happened that the pod's state has not taken in yet."""
    facts, pod = view.facts, view.pod
    if facts.state in {PodState.PENDING, PodState.SYNCING}:
        if facts.removed:
            return PodEvent.REMOVE
        if podspec.deleting(pod):
            return PodEvent.DELETE
        if (pod.get("status") or {}).get("phase") in podspec.TERMINAL_PHASES:
            return PodEvent.OVER
    if facts.state is PodState.PENDING:
        if facts.verdict is not None:
            return PodEvent.REJECT
        return PodEvent.ADMIT if facts.admitted else None
    if facts.state is PodState.SYNCING:
        return _syncing_event(view)
    if facts.state is PodState.TERMINATING:
        return None if _anything_runs(view) else PodEvent.STOPPED
    if facts.state is PodState.TERMINATED and facts.cleaned:
        return PodEvent.CLEANED
    return None


def _syncing_event(view: PodView) -> PodEvent | None:
    if view.facts.verdict is not None:
        return PodEvent.EVICT
    due = deadline_of(view.pod, view.facts)
    if due is not None and view.now >= due:
        return PodEvent.DEADLINE
    return PodEvent.COMPLETE if is_complete(view.pod, view.facts) else None


def _anything_runs(view: PodView) -> bool:
    starting = {("start", name) for name in _names(view.pod)} | {("sandbox", "")}
    if view.busy & starting:
        return True
    return any(facts.running for facts in view.facts.containers.values())


def _names(pod: Object) -> list[str]:
    return [container["name"] for _, container in podspec.containers(pod)]


def _plan_pending(_draft: Draft) -> None:
    """Wait for the node's word."""


def _plan_gone(_draft: Draft) -> None:
    """Nothing is left to do."""


_PLANNERS = {
    PodState.PENDING: _plan_pending,
    PodState.SYNCING: plan_syncing,
    PodState.TERMINATING: plan_terminating,
    PodState.TERMINATED: plan_terminated,
    PodState.GONE: _plan_gone,
}
