"""What the agent knows about a pod, as frozen values.

`PodFacts` is everything a decision may remember between two looks at a pod; it is kept on disk, so it
holds only plain data. `PodView` adds what is read afresh: the Pod as the API last showed it, the time,
what is under way. Decisions take a view and return new facts; shells only fill facts in.
Times are epoch seconds throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from roost.api.values import Object
from roost.runtimes.port import State


class PodState(StrEnum):
    """Where a pod is on this node. See decide.TRANSITIONS."""

    PENDING = "Pending"  # not admitted yet
    SYNCING = "Syncing"  # its containers are being started and kept
    TERMINATING = "Terminating"  # its containers are being stopped, for good
    TERMINATED = "Terminated"  # nothing of it runs; the sandbox goes, the status stays
    GONE = "Gone"  # every trace is removed


class Hook(StrEnum):
    """Where the postStart hook of the newest attempt is."""

    NONE = ""
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One attempt at a container, as the runtime told (or, if it never ran, as the agent noted)."""

    id: str
    sandbox_id: str
    attempt: int
    state: State
    image: str = ""  # as the Pod named it when this attempt started
    image_id: str = ""
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""

    @property
    def live(self) -> bool:
        return self.state in {State.CREATED, State.RUNNING}

    @property
    def ended(self) -> bool:
        return not self.live

    @property
    def succeeded(self) -> bool:
        return self.state is State.EXITED and self.exit_code == 0


@dataclass(frozen=True, slots=True)
class BackOff:
    """The delay before the next restart; `at` is when it was last raised."""

    delay_s: float
    at: float
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a step did not work, and when to try it again."""

    reason: str
    message: str
    at: float
    retry_at: float
    delay_s: float = 0.0
    announced: bool = False


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image for one attempt: found (`id`) or not (`fault`)."""

    attempt: int
    id: str = ""
    reference: str = ""  # what the status shows as imageID
    user: str = ""  # as whom the image wants to run
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop that was ordered: when it will be over at the latest, and why."""

    container_id: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Probes:
    """Outcomes for the newest attempt; None: not known yet."""

    startup: bool | None = None
    liveness: bool | None = None
    readiness: bool | None = None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What is known of one container of the pod."""

    seen: Seen | None = None  # the newest attempt
    last: Seen | None = None  # the one before it, ended
    image: ImageFacts | None = None
    fault: Fault | None = None  # why the next attempt cannot be started
    back_off: BackOff | None = None
    probes: Probes = field(default_factory=Probes)
    hook: Hook = Hook.NONE
    stopping: Stopping | None = None
    #: The `resources` that the newest attempt has; the Pod's may have changed since.
    applied: Object | None = None
    resize_fault: Fault | None = None

    @property
    def next_attempt(self) -> int:
        return 0 if self.seen is None else self.seen.attempt + 1

    @property
    def running(self) -> bool:
        return self.seen is not None and self.seen.live


NO_CONTAINER = ContainerFacts()


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """The pod's newest sandbox."""

    id: str
    attempt: int
    ready: bool
    created_at: float = 0.0
    network_namespace: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the pod failed as a whole: it was rejected, evicted, or over its deadline."""

    reason: str
    message: str
    #: Through no fault of its own: the status has the condition DisruptionTarget.
    disruption: bool = False


@dataclass(frozen=True, slots=True)
class PodFacts:
    """All that is remembered of a pod."""

    state: PodState = PodState.PENDING
    admitted: bool = False
    verdict: Verdict | None = None
    started_at: float = 0.0  # status.startTime: when the agent first saw it
    sandbox: SandboxFacts | None = None
    last_ip: str = ""  # of the sandbox that is gone
    sandbox_fault: Fault | None = None
    sandbox_attempt: int = 0  # the next one's
    volumes_ready: bool = False
    volumes_fault: Fault | None = None
    containers: Mapping[str, ContainerFacts] = field(default_factory=dict)
    resize: Verdict | None = None  # why the Pod's new size must wait: Infeasible or Deferred
    stop_by: float = 0.0  # while TERMINATING: when grace is over
    removed: bool = False  # a complete list or a watch said that the API has it no more
    cleaned: bool = False
    reported_end: bool = False  # the API has the final status
    deletion_sent: bool = False  # the API was told that nothing is left

    def container(self, name: str) -> ContainerFacts:
        return self.containers.get(name, NO_CONTAINER)


@dataclass(frozen=True, slots=True)
class PodView:
    """Everything a decision about a pod may look at."""

    pod: Object
    facts: PodFacts
    now: float
    #: What is under way, as (verb, container name): ("pull", "web"), ("sandbox", "").
    busy: frozenset[tuple[str, str]] = frozenset()
