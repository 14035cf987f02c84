"""What one does with the containers of a cluster: how they behave, what they print, commands in them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from roost.api.errors import BadRequest, InternalError
from roost.api.selectors import LabelSelector, parse_labels
from roost.api.values import Object
from roost.apiserver.streams import chosen_container, container_names
from roost.decisions.pods import node_of
from roost.node.logs import LogOptions, Selection, waiting
from roost.node.podspec import name_of
from roost.node.streaming.command import EXEC_FAILURE
from roost.node.streaming.port import FoundContainer
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.port import ContainerSpec, Exec, RuntimeFault
from roost.simulation.nodes import SimulatedNode

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command in a container answered."""

    code: int
    stdout: str
    stderr: str


class Behaviours:
    """Which behaviour was set for which containers; the last that fits counts."""

    def __init__(self) -> None:
        self._set: list[tuple[str, LabelSelector | None, Behaviour]] = []

    def add(self, pattern: str, behaviour: Behaviour, labels: str = "") -> None:
        """Set one for container names or images, by a pattern as of file names, in pods with labels
        that a selector chooses. Raises ValueError for what is no selector."""
        selector = parse_labels(labels) if labels else None
        self._set.append((pattern, selector, behaviour))

    def knows(self, image: str) -> bool:
        """Say whether something was set for an image, which then can be pulled."""
        return any(
            pattern != "*" and fnmatch.fnmatchcase(image, pattern) for pattern, _, _ in self._set
        )

    def find(self, spec: ContainerSpec, image: str, labels: Mapping[str, str]) -> Behaviour | None:
        """Return what was set for a container of an image in a pod: machine.Behave."""
        for pattern, selector, behaviour in reversed(self._set):
            if selector is not None and not selector.matches(labels):
                continue
            if any(fnmatch.fnmatchcase(name, pattern) for name in (spec.name, image)):
                return behaviour
        return None


class Containers:
    """Finds containers as kubectl does, by "name", "pod/name" or "namespace/name".

    `get_pod` takes namespace ("": default) and name.
    """

    def __init__(
        self, nodes: Mapping[str, SimulatedNode], get_pod: Callable[[str, str], Object]
    ) -> None:
        self._nodes = nodes
        self._get_pod = get_pod

    def logs(self, pod: str, container: str, *, previous: bool) -> str:
        """Return what a container printed; raises NotFound for the pod, and BadRequest."""
        shown = self._get_pod(*_place(pod))
        container = _container(shown, container)
        namespace, name = name_of(shown)
        node = self._nodes.get(node_of(shown))
        if node is None or node.agent is None:
            if not node_of(shown):
                return ""
            raise _unreachable(shown)
        found = node.agent.find_container(namespace, name, container)
        paths = () if found is None else found.log_paths
        if previous:
            paths = () if found is None else found.previous_log_paths
            if not paths:
                words = f'previous terminated container "{container}" in pod "{name}" not found'
                raise BadRequest(words)
        elif found is None or not found.container_id:
            raise BadRequest(waiting(node.agent.pods(), namespace, name, container))
        reader = Selection(LogOptions())
        lines = b"".join(node.files.read(path) or b"" for path in paths).splitlines(keepends=True)
        return reader.feed(lines).decode(errors="replace")

    async def run(self, pod: FoundContainer, argv: list[str]) -> Result:
        """Run a command to its end in a container that `running` found. Raises InternalError if the
        container has no such program."""
        runtime = pod.runtime
        if not isinstance(runtime, Exec):
            raise TypeError("this runtime cannot run further processes")
        try:
            process = await runtime.exec(pod.container_id, tuple(argv), tty=False, stdin=False)
        except RuntimeFault as error:
            raise InternalError.because(f"{EXEC_FAILURE}: {error.message}") from error
        streams = {1: b"", 2: b""}
        async for stream, data in process.output():
            streams[stream] += data
        code = await process.wait()
        return Result(code, streams[1].decode(), streams[2].decode())

    def running(self, pod: str, container: str) -> FoundContainer:
        """Return a container that runs; raises NotFound for the pod, BadRequest and InternalError."""
        shown = self._get_pod(*_place(pod))
        container = _container(shown, container)
        namespace, name = name_of(shown)
        if not node_of(shown):
            raise BadRequest(f"pod {name} does not have a host assigned")
        node = self._nodes.get(node_of(shown))
        if node is None or node.agent is None:
            raise _unreachable(shown)
        found = node.agent.find_container(namespace, name, container)
        if found is None or not found.running:
            raise InternalError(f'container not found ("{container}")')
        return found


def _place(pod: str) -> tuple[str, str]:
    """Return namespace ("": default) and name."""
    namespace, _, name = pod.removeprefix("pod/").removeprefix("pods/").rpartition("/")
    return namespace.removesuffix("/pods").removesuffix("/pod"), name


def _container(pod: Object, wanted: str) -> str:
    """Return the container that is meant: as kubectl chooses, the one annotated or the first."""
    annotated = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER, "")
    names = container_names(pod, "containers")
    return chosen_container(pod, wanted or (annotated if annotated in names else names[0]))


def _unreachable(pod: Object) -> InternalError:
    return InternalError(
        f"the node {node_of(pod)} of pod {pod['metadata']['name']} does not answer"
    )
