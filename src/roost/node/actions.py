"""What a plan for a pod may ask the agent to do: plain values, compared with ==."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from roost.node.facts import PodFacts


@dataclass(frozen=True, slots=True)
class PrepareVolumes:
    """Write the pod's folders and volumes."""


@dataclass(frozen=True, slots=True)
class StartSandbox:
    """Attach the network and start the sandbox of this attempt."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """End the sandbox with all in it and detach the network."""

    id: str


@dataclass(frozen=True, slots=True)
class PullImage:
    """Find or fetch the image for an attempt at a container."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start this attempt at a container."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Run the preStop hook, then stop the container; `message` is the Killing event."""

    container: str
    id: str
    grace_s: float
    message: str


@dataclass(frozen=True, slots=True)
class ResizeContainer:
    """Give a running container the limits that the Pod names now."""

    container: str
    id: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Record an event about the pod, or about one of its containers."""

    type: str
    reason: str
    message: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseVolumes:
    """Remove the volumes of a pod that is over: what it wrote there goes with it."""


@dataclass(frozen=True, slots=True)
class FinishDeletion:
    """Tell the API that nothing is left: delete the Pod with no grace."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Remove the pod's folders, volumes and records."""


Action: TypeAlias = (
    PrepareVolumes
    | StartSandbox
    | StopSandbox
    | PullImage
    | StartContainer
    | StopContainer
    | ResizeContainer
    | Announce
    | ReleaseVolumes
    | FinishDeletion
    | CleanUp
)


@dataclass(frozen=True, slots=True)
class PodPlan:
    """What to do now, what to remember, and when to look again without news."""

    facts: PodFacts
    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
