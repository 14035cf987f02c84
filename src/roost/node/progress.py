"""How far a pod is: has it begun, is init over, is it done. Pure readings of Pod and facts."""

from __future__ import annotations

from roost.api.values import Object
from roost.node import podspec, restarts
from roost.node.facts import ContainerFacts, Hook, PodFacts
from roost.node.podspec import Role


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


def initialized(pod: Object, facts: PodFacts) -> bool:
    """Tell whether init is over: every init container succeeded, every sidecar has started."""
    if main_began(pod, facts):
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


def main_began(pod: Object, facts: PodFacts) -> bool:
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
