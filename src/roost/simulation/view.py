"""The world as invariants see it: what the API has, and what really runs. Nothing here changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from roost.api.values import Object
from roost.runtimes.port import SandboxStatus, State
from roost.runtimes.simulated import SimulatedRuntime
from roost.simulation.faults import World

#: Where objects lie, e.g. "core/pods".
_ROOT: Final = "/registry/"


class Violation(NamedTuple):
    """A promise that was broken: by which name it is known, and the facts."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


def name_in(obj: Object) -> str:
    """Return namespace/name, or the name of what has no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


@dataclass(frozen=True, slots=True)
class View:
    """See the module. Objects are shared: never change them."""

    world: World

    def all(self, place: str, namespace: str = "") -> Iterator[Object]:
        """Yield the objects of a resource, e.g. "apps/deployments", in the order of their keys."""
        prefix = f"{_ROOT}{place}/{namespace}/" if namespace else f"{_ROOT}{place}/"
        return (record.object for record in self.world.store.all(prefix))

    def everything(self) -> Iterator[tuple[str, Object]]:
        """Yield all objects that carry an identity, with where they lie ("core/pods")."""
        for record in self.world.store.all(_ROOT):
            obj = record.object
            if isinstance(obj.get("metadata"), dict) and obj["metadata"].get("uid"):
                yield "/".join(record.key.removeprefix(_ROOT).split("/")[:2]), obj

    def find(self, place: str, name: str) -> Object | None:
        """Return an object by where it lies and its namespace/name."""
        record = self.world.store.peek(f"{_ROOT}{place}/{name}")
        return None if record is None else record.object

    def now(self) -> float:
        """Return the right time, in seconds since the epoch."""
        return self.world.plane.clock.now()

    def sandboxes(self, node: str) -> Iterable[SandboxStatus]:
        """Return what runs on a node, or has run and is still there."""
        runtime = self.world.nodes[node].runtime
        return runtime.sandboxes() if isinstance(runtime, SimulatedRuntime) else ()

    def running(self) -> Iterator[tuple[str, SandboxStatus]]:
        """Yield each sandbox in which a container runs, with its node."""
        for node in self.world.nodes:
            for sandbox in self.sandboxes(node):
                if any(one.state is State.RUNNING for one in sandbox.containers):
                    yield node, sandbox
