"""Plans for a pod that is to run: volumes, sandbox, init containers, containers. Pure.

Part of decide.plan_pod. Containers are kept by `_keep`: started when policy and back-off allow,
stopped when a probe or a hook failed or the Pod names another image.
"""

from __future__ import annotations

from dataclasses import replace

from roost.api.values import Object
from roost.node import podspec, resizing, restarts
from roost.node.actions import (
    Announce,
    PrepareVolumes,
    PullImage,
    ResizeContainer,
    StartContainer,
    StartSandbox,
    StopContainer,
    StopSandbox,
)
from roost.node.draft import Draft
from roost.node.facts import ContainerFacts, Hook, ImageFacts, Stopping
from roost.node.podspec import Role
from roost.node.progress import deadline_of, has_started, main_began

#: Faults of the registry, as opposed to those of the Pod (ErrImageNeverPull, InvalidImageName).
PULL_REASONS = frozenset({"ErrImagePull"})
PULL_ERROR_SHOWN_S = 2.0


def plan_syncing(draft: Draft) -> None:
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


def _volumes_ready(draft: Draft) -> bool:
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


def _sandbox_ready(draft: Draft) -> bool:
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


def _plan_init(draft: Draft) -> bool:
    """Plan init containers and sidecars; return whether main containers may run."""
    began = main_began(draft.pod, draft.facts)
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


def _keep(draft: Draft, role: Role, container: Object) -> None:
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


def _keep_running(draft: Draft, role: Role, container: Object, facts: ContainerFacts) -> None:
    message = _reason_to_stop(role, container, facts)
    seen = facts.seen
    if seen is None:
        return
    if message is None and draft.facts.resize is None and resizing.wanted(role, container, facts):
        message = _resize(draft, container, facts, seen.id)
    if message is None:
        return
    if facts.stopping is not None and facts.stopping.container_id == seen.id:
        return
    grace_s = _probe_grace_s(container, facts)
    if grace_s is None:
        grace_s = podspec.grace_s(draft.pod)
    grace_s = max(1.0, grace_s)
    draft.set(container["name"], replace(facts, stopping=Stopping(seen.id, draft.now + grace_s)))
    draft.actions.append(StopContainer(container["name"], seen.id, grace_s, message))


def _resize(
    draft: Draft, container: Object, facts: ContainerFacts, container_id: str
) -> str | None:
    """Plan the new size of a running container; return why it must be stopped for it, if so."""
    name = container["name"]
    if resizing.needs_restart(container, facts):
        return f"Container {name} resize requires restart"
    fault = facts.resize_fault
    if fault is not None and fault.retry_at > draft.now:
        draft.wake(fault.retry_at)
    elif ("resize", name) not in draft.busy:
        draft.actions.append(ResizeContainer(name, container_id))
    return None


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


def _start(draft: Draft, container: Object, facts: ContainerFacts) -> None:
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
    draft: Draft, container: Object, facts: ContainerFacts, image: ImageFacts
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


def _must_wait(draft: Draft, name: str, facts: ContainerFacts) -> bool:
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
