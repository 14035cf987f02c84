"""In-place changes of a running container's resources. Pure."""

from __future__ import annotations

from roost.api.values import Object
from roost.node import podspec
from roost.node.facts import ContainerFacts, PodFacts
from roost.node.podspec import Role

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"


def wanted(role: Role, container: Object, known: ContainerFacts) -> bool:
    """Tell whether the container runs with other resources than the Pod names."""
    if role not in {Role.MAIN, Role.SIDECAR} or not known.running or known.applied is None:
        return False
    return known.applied != (container.get("resources") or {})


def pending(pod: Object, facts: PodFacts) -> bool:
    """Tell whether any container waits for its new size."""
    return any(
        wanted(role, container, facts.container(container["name"]))
        for role, container in podspec.containers(pod)
    )


def needs_restart(container: Object, known: ContainerFacts) -> bool:
    """Tell whether a resource changed for which resizePolicy says RestartContainer."""
    before, after = known.applied or {}, container.get("resources") or {}
    restarting = {
        one["resourceName"]
        for one in container.get("resizePolicy") or ()
        if one.get("restartPolicy") == "RestartContainer"
    }
    return any(
        (before.get(side) or {}).get(name) != (after.get(side) or {}).get(name)
        for side in ("requests", "limits")
        for name in restarting
    )


def conditions(pod: Object, facts: PodFacts) -> list[Object]:
    """Return the conditions that tell of a resize; none when there is none."""
    if facts.resize is not None:
        return [
            {
                "type": PENDING,
                "status": "True",
                "reason": facts.resize.reason,
                "message": facts.resize.message,
            }
        ]
    if not pending(pod, facts):
        return []
    found: Object = {"type": IN_PROGRESS, "status": "True"}
    for known in facts.containers.values():
        if known.resize_fault is not None:
            found.update(reason="Error", message=known.resize_fault.message)
    return [found]
