"""What the kubelet API needs of an agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from roost.api.values import Object
from roost.runtimes.port import Runtime


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that the API names: where it runs, and its log files.

    `container_id` is "" when the container has not been created yet. `log_paths` are the files of its
    present log, oldest first (rotation leaves several); `previous_log_paths` those of its last run.
    """

    runtime: Runtime
    container_id: str
    sandbox_id: str
    running: bool
    log_paths: tuple[str, ...] = ()
    previous_log_paths: tuple[str, ...] = ()
    tty: bool = False
    stdin: bool = False


class Agent(Protocol):
    """The agent, as seen from its API."""

    def find_container(self, namespace: str, pod: str, container: str) -> FoundContainer | None:
        """Return a container by name (with an empty name: the pod's first, for its sandbox)."""
        ...

    def pods(self) -> Sequence[Object]:
        """Return the pods of this node with their present status."""
        ...

    async def summary(self) -> Object:
        """Return the stats/v1alpha1 Summary of the node and its pods."""
        ...
