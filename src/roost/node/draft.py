"""A plan being written: what the parts of decide.plan_pod pass along. It lives for one call."""

from __future__ import annotations

from dataclasses import replace

from roost.node.actions import Action
from roost.node.facts import ContainerFacts, PodView


class Draft:
    """The facts as they will be, the actions so far, and the earliest time to look again."""

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
