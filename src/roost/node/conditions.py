"""The conditions and the phase in a pod's status, as the kubelet computes them. Pure."""

from __future__ import annotations

from roost.api.values import Object
from roost.decisions.meta import stamp
from roost.node import podspec, resizing, restarts
from roost.node.facts import ContainerFacts, PodFacts, PodState, Seen
from roost.node.podspec import Role
from roost.node.progress import has_started, initialized

#: Conditions that the agent takes away again when they are over.
PASSING = (resizing.PENDING, resizing.IN_PROGRESS)


def is_ready(role: Role, container: Object, facts: ContainerFacts) -> bool:
    """Tell whether one container counts as ready."""
    if role is Role.INIT:
        return facts.seen is not None and facts.seen.succeeded
    if role is Role.EPHEMERAL or not has_started(container, facts):
        return False
    return "readinessProbe" not in container or facts.probes.readiness is True


def _ended(facts: ContainerFacts) -> Seen | None:
    seen = facts.seen
    return seen if seen is not None and seen.ended else None


def phase(pod: Object, facts: PodFacts) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    over = facts.state in {PodState.TERMINATED, PodState.GONE}
    if over and facts.verdict is not None:
        return "Failed"
    if _init_failed(pod, facts):
        return "Failed"
    if not initialized(pod, facts) and not over:
        return "Pending"
    running = waiting = ended = succeeded = restarting = 0
    for container in podspec.main_containers(pod):
        known = facts.container(container["name"])
        seen = known.seen
        if seen is None:
            waiting += 1
        elif seen.live:
            running += 1
        else:
            ended += 1
            succeeded += seen.succeeded
            restarting += restarts.restarts(pod, Role.MAIN, container, seen)
    if over:
        return "Succeeded" if ended and ended == succeeded and not waiting else "Failed"
    if waiting:
        return "Pending"
    if running or restarting:
        return "Running"
    return "Succeeded" if ended == succeeded else "Failed"


def _init_failed(pod: Object, facts: PodFacts) -> bool:
    for container in podspec.init_containers(pod):
        if podspec.init_role(container) is Role.SIDECAR:
            continue
        seen = _ended(facts.container(container["name"]))
        if seen is None or seen.succeeded:
            continue
        if not restarts.restarts(pod, Role.INIT, container, seen):
            return True
    return False


def _condition(kind: str, *, met: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True" if met else "False"}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def _unready(pod: Object, facts: PodFacts, phase_now: str) -> tuple[str, str]:
    """Return (reason, message) why ContainersReady is not true; ("", "") when it is."""
    if phase_now == "Succeeded":
        return "PodCompleted", ""
    if phase_now == "Failed":
        return "PodFailed", ""
    unready = [
        container["name"]
        for role, container in podspec.containers(pod)
        if role in {Role.MAIN, Role.SIDECAR}
        and not is_ready(role, container, facts.container(container["name"]))
    ]
    if not unready:
        return "", ""
    return "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _gates(pod: Object) -> str:
    """Return what the readiness gates still want; "" when they are content."""
    present = {one.get("type"): one for one in (pod.get("status") or {}).get("conditions") or ()}
    wanted = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in present:
            wanted.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif present[kind].get("status") != "True":
            wanted.append(
                f'the status of pod readiness gate "{kind}" is not "True", '
                f"but {present[kind].get('status')}"
            )
    if len(wanted) == 1:
        return wanted[0]
    return f"[{', '.join(wanted)}]" if wanted else ""


def _init_condition(pod: Object, facts: PodFacts, phase_now: str) -> Object:
    if phase_now == "Succeeded":
        return _condition("Initialized", met=True, reason="PodCompleted")
    early = facts.state in {PodState.PENDING, PodState.SYNCING}
    if initialized(pod, facts) or not (early or _init_failed(pod, facts)):
        incomplete = []
    else:
        incomplete = [
            container["name"]
            for container in podspec.init_containers(pod)
            if not _init_done(container, facts.container(container["name"]))
        ]
    if not incomplete:
        return _condition("Initialized", met=True)
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return _condition("Initialized", met=False, reason="ContainersNotInitialized", message=message)


def _init_done(container: Object, facts: ContainerFacts) -> bool:
    if podspec.init_role(container) is Role.SIDECAR:
        return has_started(container, facts)
    return facts.seen is not None and facts.seen.succeeded


def conditions(pod: Object, facts: PodFacts, now: float) -> list[Object]:
    """Return the conditions that the agent owns, with times kept where the status did not change."""
    phase_now = phase(pod, facts)
    reason, message = _unready(pod, facts, phase_now)
    gates = _gates(pod)
    if not reason and gates:
        ready = _condition("Ready", met=False, reason="ReadinessGatesNotReady", message=gates)
    else:
        ready = _condition("Ready", met=not reason, reason=reason, message=message)
    sandboxed = facts.sandbox is not None and facts.sandbox.ready
    found = [
        _condition("PodReadyToStartContainers", met=sandboxed),
        _init_condition(pod, facts, phase_now),
        ready,
        _condition("ContainersReady", met=not reason, reason=reason, message=message),
        _condition("PodScheduled", met=True),
        *resizing.conditions(pod, facts),
    ]
    if facts.verdict is not None and facts.verdict.disruption:
        words = facts.verdict.message
        found.append(
            _condition("DisruptionTarget", met=True, reason="TerminationByKubelet", message=words)
        )
    before = {one.get("type"): one for one in (pod.get("status") or {}).get("conditions") or ()}
    at = stamp(now)
    generation = pod["metadata"].get("generation")
    for one in found:
        old = before.get(one["type"])
        same = old is not None and old.get("status") == one["status"]
        one["lastProbeTime"] = None
        one["lastTransitionTime"] = (
            old.get("lastTransitionTime") or at if same and old is not None else at
        )
        if generation:
            one["observedGeneration"] = generation
    return found
