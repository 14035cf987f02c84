"""The desk all workers of a node share, and the memory each of them has of its pod."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from roost.api.values import Object
from roost.node import podspec
from roost.node.facts import ContainerFacts, PodFacts, Verdict
from roost.node.folding import took_up
from roost.node.operations import Operations
from roost.node.prober import Prober
from roost.node.pulling import Puller, reference_to
from roost.node.references import References
from roost.node.reporter import StatusReporter
from roost.node.sources import Sources
from roost.node.tokens import Tokens
from roost.node.tools import NodeSettings, Tools
from roost.runtimes.port import ContainerStatus, Runtime


@dataclass(frozen=True, slots=True)
class Desk:
    """What all workers of a node share."""

    settings: NodeSettings
    tools: Tools
    operations: Operations
    puller: Puller
    prober: Prober
    references: References
    tokens: Tokens
    reporter: StatusReporter
    admit: Callable[[Object], Awaitable[Verdict | None]]
    #: Says why a pod cannot have the size that it names now.
    judge_size: Callable[[Object], Verdict | None]
    #: Says which pod a sandbox belongs to, before it exists.
    claim: Callable[[str, str], None]


class PodMemory:
    """What a worker knows now: the Pod, the facts, and the runtime the pod is in."""

    def __init__(self, desk: Desk, pod: Object, facts: PodFacts, runtime: Runtime | None) -> None:
        self.pod = pod
        self.facts = facts
        self.runtime = runtime
        self.uid = podspec.uid(pod)
        self._desk = desk

    def now(self) -> float:
        """Return the time of day."""
        return self._desk.tools.clock.now()

    def set(self, name: str, known: ContainerFacts) -> None:
        """Remember a container's new facts."""
        self.facts = replace(self.facts, containers={**self.facts.containers, name: known})

    def event(self, type: str, reason: str, message: str, container: str = "") -> None:
        """Record an event about the pod, or about one of its containers."""
        about = reference_to(self.pod, container)
        self._desk.tools.recorder.record(about, type, reason, message)

    def sources(self) -> Sources:
        """Return what is known of the objects that the pod names."""
        return Sources(self._desk.references.objects, self._desk.tokens.of(self.uid))

    def take_up(self, container: Object, status: ContainerStatus) -> None:
        """Remember what the runtime says of a container; at its end, read its last words."""
        known = self.facts.container(status.name)
        new = took_up(container, known, status)
        if new is known:
            return
        seen, before = new.seen, known.seen
        # (A short attempt may have ended before anything else was heard of it.)
        fresh = seen is not None and (before is None or before.live or before.id != seen.id)
        if seen is not None and seen.ended and fresh:
            words = self._desk.operations.last_words(self.pod, container, status)
            new = replace(new, seen=replace(seen, message=words or seen.message))
        self.set(status.name, new)


def newer(pod: Object, than: Object) -> bool:
    """Tell whether `pod` is a later state of the same object; what cannot be compared counts as
    later (a foreign server's versions need not be numbers)."""
    mine = str(pod["metadata"].get("resourceVersion", ""))
    known = str(than["metadata"].get("resourceVersion", ""))
    if mine == known:
        return pod != than
    if mine.isdigit() and known.isdigit():
        return int(mine) > int(known)
    return True
