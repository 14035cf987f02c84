"""What one does with the containers of a cluster: how they behave, what they print, commands in them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roost.api.errors import NotFound
from roost.api.values import Object
from roost.apiserver.streams import chosen_container
from roost.node.logs import LogOptions, Selection
from roost.node.streaming.port import FoundContainer
from roost.runtimes.port import ContainerSpec, Exec
from roost.runtimes.simulated import Behaviour
from roost.simulation.nodes import SimulatedNode


@dataclass(frozen=True, slots=True)
class Result:
    """What a command in a container answered."""

    code: int
    stdout: str
    stderr: str


class Behaviours:
    """Which behaviour was set for which containers; the last that fits counts."""

    def __init__(self) -> None:
        self._set: list[tuple[str, Behaviour]] = []

    def add(self, pattern: str, behaviour: Behaviour) -> None:
        """Set one for container names or images, by a pattern as of file names."""
        self._set.append((pattern, behaviour))

    def find(self, spec: ContainerSpec, image: str) -> Behaviour | None:
        """Return what was set for a container of an image: machine.Behave."""
        for pattern, behaviour in reversed(self._set):
            for name in (spec.name, image):
                if fnmatch.fnmatchcase(name, pattern):
                    return behaviour
        return None


class Containers:
    """Finds containers by the names that people use: "name", "pod/name" or "namespace/name".

    `get_pod` takes namespace ("": default) and name.
    """

    def __init__(
        self, nodes: Mapping[str, SimulatedNode], get_pod: Callable[[str, str], Object]
    ) -> None:
        self._nodes = nodes
        self._get_pod = get_pod

    def logs(self, pod: str, container: str, *, previous: bool) -> str:
        """Return what a container printed; raises NotFound."""
        node, found, name, container = self._find(pod, container)
        paths = found.previous_log_paths if previous else found.log_paths
        if previous and not paths:
            raise NotFound(f'previous terminated container "{container}" in pod "{name}" not found')
        reader = Selection(LogOptions())
        lines = b"".join(node.files.read(path) or b"" for path in paths).splitlines(keepends=True)
        return reader.feed(lines).decode(errors="replace")

    async def run(self, pod: FoundContainer, argv: list[str]) -> Result:
        """Run a command to its end in a container that `running` found."""
        runtime = pod.runtime
        if not isinstance(runtime, Exec):
            raise TypeError("this runtime cannot run further processes")
        process = await runtime.exec(pod.container_id, tuple(argv), tty=False, stdin=False)
        streams = {1: b"", 2: b""}
        async for stream, data in process.output():
            streams[stream] += data
        code = await process.wait()
        return Result(code, streams[1].decode(), streams[2].decode())

    def running(self, pod: str, container: str) -> FoundContainer:
        """Return a container that runs; raises NotFound."""
        _, found, name, _ = self._find(pod, container)
        if not found.running:
            raise NotFound(f"container not found or not running in pod {name}")
        return found

    def _find(self, pod: str, container: str) -> tuple[SimulatedNode, FoundContainer, str, str]:
        namespace, _, name = pod.removeprefix("pod/").removeprefix("pods/").rpartition("/")
        shown = self._get_pod(namespace, name)
        node = self._nodes.get(shown["spec"].get("nodeName", ""))
        if node is None or node.agent is None:
            raise NotFound(f'pod "{name}" is on no node that answers')
        container = chosen_container(shown, container)
        found = node.agent.find_container(namespace or "default", name, container)
        if found is None or not found.container_id:
            raise NotFound(f'container "{container}" in pod "{name}" is waiting to start')
        return node, found, name, container
