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
from roost.node import podspec, restarts
from roost.node.actions import (
    Action,
    Announce,
    CleanUp,
    FinishDeletion,
    PodPlan,
    PrepareVolumes,
    PullImage,
    StartContainer,
    StartSandbox,
    StopContainer,
    StopSandbox,
)
from roost.node.facts import (
    ContainerFacts,
    Hook,
    ImageFacts,
    PodFacts,
    PodState,
    PodView,
    Stopping,
    Verdict,
)
from roost.node.podspec import Role


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

DEADLINE_EXCEEDED = Verdict(
    "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)

#: Faults of the registry, as opposed to those of the Pod (ErrImageNeverPull, InvalidImageName).
PULL_REASONS = frozenset({"ErrImagePull", "RegistryUnavailable"})
PULL_ERROR_SHOWN_S = 2.0


def plan_pod(view: PodView) -> PodPlan:
    """Return what to do for the pod now."""
    view = _advanced(view)
    draft = _Draft(view)
    _PLANNERS[view.facts.state](draft)
    return PodPlan(draft.facts, tuple(draft.actions), draft.wake_at)


class _Draft:
    """A plan being written; it lives for one call of plan_pod."""

    def __init__(self, view: PodView) -> None:
        self.pod = view.pod
        self.now = view.now
        self.busy = view.busy
        self.facts = view.facts
        self.actions: list[Action] = []
        self.wake_at: float | None = None

    def wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def set(self, name: str, facts: ContainerFacts) -> None:
        containers = {**self.facts.containers, name: facts}
        self.facts = replace(self.facts, containers=containers)


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


def deadline_of(pod: Object, facts: PodFacts) -> float | None:
    """Return when activeDeadlineSeconds is over."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return None if seconds is None else facts.started_at + float(seconds)


def is_complete(pod: Object, facts: PodFacts) -> bool:
    """Tell whether nothing of the pod is to run any more by its own policy."""
    for container in podspec.init_containers(pod):
        role = podspec.init_role(container)
        seen = facts.container(container["name"]).seen
        if (
            role is Role.INIT
            and seen is not None
            and seen.ended
            and not seen.succeeded
            and not restarts.restarts(pod, role, container, seen)
        ):
            return True
    for container in podspec.main_containers(pod):
        seen = facts.container(container["name"]).seen
        if seen is None or seen.live or restarts.restarts(pod, Role.MAIN, container, seen):
            return False
    return True


def _anything_runs(view: PodView) -> bool:
    starting = {("start", name) for name in _names(view.pod)} | {("sandbox", "")}
    if view.busy & starting:
        return True
    return any(facts.running for facts in view.facts.containers.values())


def _names(pod: Object) -> list[str]:
    return [container["name"] for _, container in podspec.containers(pod)]


# -- SYNCING ------------------------------------------------------------------------------------


def _plan_pending(_draft: _Draft) -> None:
    """Wait for the node's word."""


def _plan_syncing(draft: _Draft) -> None:
    due = deadline_of(draft.pod, draft.facts)
    if due is not None:
        draft.wake(due)
    if not _volumes_ready(draft) or not _sandbox_ready(draft):
        return
    if _plan_init(draft):
        for container in podspec.main_containers(draft.pod):
            _keep(draft, Role.MAIN, container)
    for container in podspec.ephemeral_containers(draft.pod):
        _keep(draft, Role.EPHEMERAL, container)


def _volumes_ready(draft: _Draft) -> bool:
    facts = draft.facts
    if facts.volumes_ready:
        return True
    if ("volumes", "") in draft.busy:
        return False
    fault = facts.volumes_fault
    if fault is not None and fault.retry_at > draft.now:
        draft.wake(fault.retry_at)
    else:
        draft.actions.append(PrepareVolumes())
    return False


def _sandbox_ready(draft: _Draft) -> bool:
    sandbox = draft.facts.sandbox
    if sandbox is not None and sandbox.ready:
        return True
    if ("sandbox", "") in draft.busy:
        return False
    if sandbox is not None:
        draft.actions.append(
            Announce(
                "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
        )
        draft.actions.append(StopSandbox(sandbox.id))
        return False
    fault = draft.facts.sandbox_fault
    if fault is not None and fault.retry_at > draft.now:
        draft.wake(fault.retry_at)
    else:
        draft.actions.append(StartSandbox(draft.facts.sandbox_attempt))
    return False


def initialized(pod: Object, facts: PodFacts) -> bool:
    """Tell whether init is over: every init container succeeded, every sidecar has started."""
    if _main_began(pod, facts):
        return True
    sandbox = facts.sandbox.id if facts.sandbox else ""
    for container in podspec.init_containers(pod):
        known = facts.container(container["name"])
        seen = known.seen
        if seen is None or seen.sandbox_id != sandbox:
            return False
        done = (
            seen.succeeded
            if podspec.init_role(container) is Role.INIT
            else has_started(container, known)
        )
        if not done:
            return False
    return True


def _main_began(pod: Object, facts: PodFacts) -> bool:
    """Tell whether a main container was started in this sandbox, hence init was over once."""
    if facts.sandbox is None:
        return False
    seen = (facts.container(main["name"]).seen for main in podspec.main_containers(pod))
    return any(one is not None and one.sandbox_id == facts.sandbox.id for one in seen)


def has_started(container: Object, facts: ContainerFacts) -> bool:
    """Tell whether the container runs, its postStart hook is done and its startup probe passed."""
    if not facts.running or facts.hook in {Hook.RUNNING, Hook.FAILED}:
        return False
    return "startupProbe" not in container or facts.probes.startup is True


def _plan_init(draft: _Draft) -> bool:
    """Plan init containers and sidecars; return whether main containers may run."""
    began = _main_began(draft.pod, draft.facts)
    for container in podspec.init_containers(draft.pod):
        role = podspec.init_role(container)
        if role is Role.SIDECAR:
            _keep(draft, role, container)
            if not began and not has_started(container, draft.facts.container(container["name"])):
                return False
        elif not began:
            seen = draft.facts.container(container["name"]).seen
            here = draft.facts.sandbox is not None and (
                seen is not None and seen.sandbox_id == draft.facts.sandbox.id
            )
            if not (here and seen is not None and seen.succeeded):
                _keep(draft, role, container)
                return False
    return True


def _keep(draft: _Draft, role: Role, container: Object) -> None:
    """Plan for one container that ought to run, or ought to have run."""
    facts = draft.facts.container(container["name"])
    seen = facts.seen
    if seen is not None and seen.live:
        _keep_running(draft, role, container, facts)
        return
    if seen is not None:
        sandbox = draft.facts.sandbox
        again = sandbox is not None and seen.sandbox_id != sandbox.id and role is Role.INIT
        if not again and not restarts.restarts(draft.pod, role, container, seen):
            return
    _start(draft, container, facts)


def _keep_running(draft: _Draft, role: Role, container: Object, facts: ContainerFacts) -> None:
    message = _reason_to_stop(role, container, facts)
    seen = facts.seen
    if message is None or seen is None:
        return
    if facts.stopping is not None and facts.stopping.container_id == seen.id:
        return
    grace_s = _probe_grace_s(container, facts)
    if grace_s is None:
        grace_s = podspec.grace_s(draft.pod)
    grace_s = max(1.0, grace_s)
    draft.set(container["name"], replace(facts, stopping=Stopping(seen.id, draft.now + grace_s)))
    draft.actions.append(StopContainer(container["name"], seen.id, grace_s, message))


def _reason_to_stop(role: Role, container: Object, facts: ContainerFacts) -> str | None:
    name, seen = container["name"], facts.seen
    if facts.hook is Hook.FAILED:
        return "FailedPostStartHook"
    if facts.probes.startup is False:
        return f"Container {name} failed startup probe, will be restarted"
    if facts.probes.liveness is False:
        return f"Container {name} failed liveness probe, will be restarted"
    if role is Role.EPHEMERAL or seen is None or not seen.image:
        return None
    if seen.image != container.get("image"):
        return f"Container {name} definition changed, will be restarted"
    return None


def _probe_grace_s(container: Object, facts: ContainerFacts) -> float | None:
    for failed, field in (
        (facts.probes.startup is False, "startupProbe"),
        (facts.probes.liveness is False, "livenessProbe"),
    ):
        grace = (container.get(field) or {}).get("terminationGracePeriodSeconds")
        if failed and grace is not None:
            return float(grace)
    return None


def _start(draft: _Draft, container: Object, facts: ContainerFacts) -> None:
    name = container["name"]
    if {("start", name), ("pull", name)} & draft.busy:
        return
    if _must_wait(draft, name, facts):
        return
    attempt = facts.next_attempt
    image = facts.image if facts.image and facts.image.attempt == attempt else None
    if image is None or (image.fault is not None and image.fault.retry_at <= draft.now):
        draft.actions.append(PullImage(name, attempt))
    elif image.fault is not None:
        _wait_for_image(draft, container, facts, image)
    else:
        draft.set(name, replace(facts, back_off=restarts.raised(facts, draft.now), stopping=None))
        draft.actions.append(StartContainer(name, attempt))


def _wait_for_image(
    draft: _Draft, container: Object, facts: ContainerFacts, image: ImageFacts
) -> None:
    """Wait for the next pull; from ErrImagePull the status turns to ImagePullBackOff."""
    fault = image.fault
    if fault is None:
        return
    draft.wake(fault.retry_at)
    if fault.announced or fault.reason not in PULL_REASONS:
        return
    if draft.now < fault.at + PULL_ERROR_SHOWN_S:
        draft.wake(fault.at + PULL_ERROR_SHOWN_S)
        return
    name = container["name"]
    image = replace(image, fault=replace(fault, announced=True))
    draft.set(name, replace(facts, image=image))
    message = f'Back-off pulling image "{container.get("image")}"'
    draft.actions.append(Announce("Normal", "BackOff", message, name))
    draft.actions.append(Announce("Warning", "Failed", "Error: ImagePullBackOff", name))


def _must_wait(draft: _Draft, name: str, facts: ContainerFacts) -> bool:
    """Tell whether back-off holds the start up, and announce that once."""
    at = restarts.restart_at(facts)
    if at > draft.now and facts.back_off is not None:
        draft.wake(at)
        if not facts.back_off.announced:
            draft.set(name, replace(facts, back_off=replace(facts.back_off, announced=True)))
            message = (
                f"Back-off restarting failed container {name} in pod {podspec.full_name(draft.pod)}"
            )
            draft.actions.append(Announce("Warning", "BackOff", message, name))
        return True
    if facts.fault is not None and facts.fault.retry_at > draft.now:
        draft.wake(facts.fault.retry_at)
        return True
    return False


# -- TERMINATING and after ----------------------------------------------------------------------


def _plan_terminating(draft: _Draft) -> None:
    if podspec.deleting(draft.pod) or draft.facts.removed:
        shorter = draft.now + podspec.deletion_grace_s(draft.pod)
        draft.facts = replace(draft.facts, stop_by=min(draft.facts.stop_by, shorter))
    sidecars = []
    others_run = False
    for role, container in podspec.containers(draft.pod):
        name = container["name"]
        if role is Role.SIDECAR:
            sidecars.append(name)
        elif draft.facts.container(name).running:
            others_run = True
            _stop(draft, name)
    for name in reversed(sidecars):
        if others_run:
            return  # sidecars outlive what they serve
        if draft.facts.container(name).running:
            _stop(draft, name)
            others_run = True


def _stop(draft: _Draft, name: str) -> None:
    facts = draft.facts.container(name)
    seen = facts.seen
    if seen is None:
        return
    stop_by = max(draft.facts.stop_by, draft.now + 1.0)
    stopping = facts.stopping
    ordered = stopping is not None and stopping.container_id == seen.id
    if ordered and stopping is not None and stopping.deadline <= stop_by + 1.0:
        return
    draft.set(name, replace(facts, stopping=Stopping(seen.id, stop_by)))
    draft.actions.append(
        StopContainer(name, seen.id, stop_by - draft.now, f"Stopping container {name}")
    )


def _plan_terminated(draft: _Draft) -> None:
    facts = draft.facts
    if facts.sandbox is not None:
        if ("sandbox", "") not in draft.busy:
            draft.actions.append(StopSandbox(facts.sandbox.id))
        return
    if facts.removed:
        if ("clean", "") not in draft.busy:
            draft.actions.append(CleanUp())
    elif (
        podspec.deleting(draft.pod)
        and facts.reported_end
        and not facts.deletion_sent
        and ("finish", "") not in draft.busy
    ):
        draft.actions.append(FinishDeletion())


def _plan_gone(_draft: _Draft) -> None:
    """Nothing is left to do."""


_PLANNERS = {
    PodState.PENDING: _plan_pending,
    PodState.SYNCING: _plan_syncing,
    PodState.TERMINATING: _plan_terminating,
    PodState.TERMINATED: _plan_terminated,
    PodState.GONE: _plan_gone,
}
