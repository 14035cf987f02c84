"""A runtime without processes: containers are behaviours, played on the event loop's clock.

For tests and for the simulator. It keeps the whole contract of the port (ids are idempotent, the
runtime outlives its user, nothing ends by recovery), so it also says what every runtime must do:
tests/contracts runs the same suite over all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from roost.runtimes.behaviour import Behaviour, Finished
from roost.runtimes.port import (
    ContainerSpec,
    ContainerStatus,
    Credentials,
    Image,
    Limits,
    Process,
    RuntimeFault,
    RuntimeInfo,
    SandboxSpec,
    SandboxStatus,
    State,
    Usage,
)


def layer_folder(container_id: str) -> str:
    """Return the folder of the node's files that is a container's root."""
    return f"/run/containers/{container_id}"


class Program(Protocol):
    """A container that is played by code, in place of a Behaviour."""

    def start(self, ended: Callable[[int, str, str], None]) -> None:
        """Begin; call `ended` with exit code, reason and message when it is over."""
        ...

    def stop(self) -> None:
        """Take the stop signal."""
        ...

    def kill(self) -> None:
        """End at once, without calling `ended`; no error if it is over."""
        ...

    async def exec(self, argv: tuple[str, ...], *, tty: bool, stdin: bool) -> Process:
        """Run a further command beside it; raises RuntimeFault."""
        ...

    def memory_bytes(self) -> int:
        """Return how much memory it says it uses."""
        ...

    def cpu_seconds(self) -> float:
        """Return how much processor time it says it has used."""
        ...


@dataclass(frozen=True, slots=True)
class Registry:
    """How pulls go: `pull_s` each; images in `missing` cannot be pulled.

    `refuse(reference)` says why another one cannot, "" for those that can.
    """

    pull_s: float = 0.0
    missing: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()  # need no pull
    refuse: Callable[[str], str] | None = None


#: argv -> (exit code, stdout)
Commands = Callable[[str, tuple[str, ...]], tuple[int, bytes]]


def run_for_ever(_spec: ContainerSpec) -> Behaviour:
    """Behave like a server: start at once, end when stopped."""
    return Behaviour()


def _succeed(_container: str, _argv: tuple[str, ...]) -> tuple[int, bytes]:
    return 0, b""


class SimulatedRuntime:
    """The port in memory. `behave` chooses the behaviour of each attempt, `commands` answers exec;
    `log` gets (path, line) of what containers print, `now` is the time of day. Every container takes
    at least `stop_s` to obey the stop signal."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        behave: Callable[[ContainerSpec], Behaviour | Program] = run_for_ever,
        commands: Commands = _succeed,
        registry: Registry | None = None,
        log: Callable[[str, str], None] | None = None,
        name: str = "simulated",
        handlers: tuple[str, ...] = ("",),
        platforms: tuple[str, ...] = ("linux/amd64",),
        stop_s: float = 0.0,
    ) -> None:
        self._now = now
        self._stop_s = stop_s
        self._behave = behave
        self._commands = commands
        self._registry = registry or Registry()
        self._log = log
        self._info = RuntimeInfo(name, "1", handlers, platforms)
        self._sandboxes: dict[str, SandboxStatus] = {}
        self._containers: dict[str, _Container] = {}
        self._images: dict[str, Image] = {}
        self._feeds: list[asyncio.Queue[ContainerStatus]] = []
        for reference in sorted(self._registry.present):
            self._add_image(reference)
        #: Everything that was asked for, in order: ("start", name) and so on. For tests.
        self.calls: list[tuple[str, str]] = []
        #: The specs of all containers that were started, by id.
        self.specs: dict[str, ContainerSpec] = {}
        self.sandbox_specs: dict[str, SandboxSpec] = {}

    def describe(self) -> RuntimeInfo:
        return self._info

    # -- sandboxes --------------------------------------------------------------------------

    async def start_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
        self.calls.append(("start_sandbox", spec.pod_name))
        self.sandbox_specs[spec.id] = spec
        found = self._sandboxes.get(spec.id)
        if found is None:
            found = SandboxStatus(
                id=spec.id,
                pod_uid=spec.pod_uid,
                pod_name=spec.pod_name,
                pod_namespace=spec.pod_namespace,
                ready=True,
                network_namespace=spec.network_namespace,
                created_at=self._now(),
            )
            self._sandboxes[spec.id] = found
        return self._with_containers(found)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        found = self._sandboxes.pop(sandbox_id, None)
        self.calls.append(("stop_sandbox", found.pod_name if found else sandbox_id))
        for container in [c for c in self._containers.values() if c.in_sandbox(sandbox_id)]:
            self._end(container, 137, "Error", "")
            del self._containers[container.status.id]

    def _with_containers(self, sandbox: SandboxStatus) -> SandboxStatus:
        inside = [c.status for c in self._containers.values() if c.in_sandbox(sandbox.id)]
        return replace(sandbox, containers=tuple(inside))

    # -- containers -------------------------------------------------------------------------

    async def start_container(self, spec: ContainerSpec) -> ContainerStatus:
        self.calls.append(("start", spec.name))
        found = self._containers.get(spec.id)
        if found is not None:
            return found.status
        if spec.sandbox_id not in self._sandboxes:
            raise RuntimeFault("CreateContainerError", f"no sandbox {spec.sandbox_id}")
        chosen = self._behave(spec)
        program = None if isinstance(chosen, Behaviour) else chosen
        behaviour = chosen if isinstance(chosen, Behaviour) else Behaviour()
        if behaviour.start_s:
            await asyncio.sleep(behaviour.start_s)
        if behaviour.start_fault is not None:
            raise RuntimeFault(*behaviour.start_fault)
        now = self._now()
        status = ContainerStatus(
            spec.id, spec.sandbox_id, spec.name, spec.attempt, spec.image, State.RUNNING,
            pid=1, created_at=now, started_at=now,
        )  # fmt: skip
        container = _Container(status, behaviour, program)
        self._containers[spec.id] = container
        self.specs[spec.id] = spec
        if self._log is not None:
            for line in behaviour.output:
                self._log(spec.log_path, line)
        if behaviour.run_s is not None:
            container.timer = asyncio.get_running_loop().call_later(
                behaviour.run_s,
                self._end, container, behaviour.exit_code, behaviour.reason, behaviour.message,
            )  # fmt: skip
        self._tell(status)
        if program is not None:
            program.start(partial(self._end, container))
        return status

    async def stop_container(self, container_id: str, grace_s: float) -> None:
        container = self._containers.get(container_id)
        if container is None or container.status.state is not State.RUNNING:
            return
        self.calls.append(("stop", container.status.name))
        behaviour = container.behaviour
        loop = asyncio.get_running_loop()
        if container.program is not None:
            if self._stop_s:
                await asyncio.sleep(min(self._stop_s, grace_s))
            if container.status.state is State.RUNNING:
                container.program.stop()
            timer = loop.call_later(
                max(grace_s - self._stop_s, 0.0), self._end, container, 137, "", ""
            )
        else:
            stop_s = max(behaviour.stop_s, self._stop_s)
            obeys = stop_s <= grace_s
            timer = loop.call_later(
                min(stop_s, grace_s),
                self._end, container, behaviour.stop_code if obeys else 137, behaviour.reason, "",
            )  # fmt: skip
        try:
            await container.over.wait()
        finally:
            timer.cancel()

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        if container.status.state is State.RUNNING:
            raise RuntimeFault("RemoveContainerError", f"container {container_id} still runs")
        self.calls.append(("remove", container.status.name))
        del self._containers[container_id]

    async def recover(self) -> list[SandboxStatus]:
        return self.sandboxes()

    def sandboxes(self) -> list[SandboxStatus]:
        """Return what `recover` does, at once."""
        return [self._with_containers(sandbox) for sandbox in self._sandboxes.values()]

    async def events(self) -> AsyncIterator[list[ContainerStatus]]:
        feed: asyncio.Queue[ContainerStatus] = asyncio.Queue()
        self._feeds.append(feed)
        try:
            while True:
                batch = [await feed.get()]
                while not feed.empty():
                    batch.append(feed.get_nowait())
                yield batch
        finally:
            self._feeds.remove(feed)

    def _tell(self, status: ContainerStatus) -> None:
        for feed in self._feeds:
            feed.put_nowait(status)

    def _end(self, container: _Container, code: int, reason: str, message: str) -> None:
        if container.status.state is not State.RUNNING:
            return
        container.status = replace(
            container.status,
            state=State.EXITED,
            pid=0,
            finished_at=self._now(),
            exit_code=code,
            reason=reason or ("Completed" if code == 0 else "Error"),
            message=message,
        )
        if container.timer is not None:
            container.timer.cancel()
        if container.program is not None:
            container.program.kill()
        container.over.set()
        self._tell(container.status)

    async def resize_container(self, container_id: str, limits: Limits, pod: Limits) -> None:
        del pod
        container = self._containers.get(container_id)
        if container is None or container.status.state is not State.RUNNING:
            raise RuntimeFault("ResizeError", f"container {container_id} does not run")
        self.calls.append(("resize", container.status.name))
        self.specs[container_id] = replace(self.specs[container_id], limits=limits)

    # -- for tests and faults ---------------------------------------------------------------

    def finish(self, container_id: str, code: int, *, reason: str = "", message: str = "") -> None:
        """End a running container now, as a crash or a kill from outside would."""
        self._end(self._containers[container_id], code, reason, message)

    def lose_sandbox(self, sandbox_id: str) -> None:
        """Break a sandbox, as a reboot does: all in it has ended and nobody knows how."""
        self._sandboxes[sandbox_id] = replace(self._sandboxes[sandbox_id], ready=False)
        for container in self._containers.values():
            if container.in_sandbox(sandbox_id) and container.status.state is State.RUNNING:
                self._end(container, 137, "", "")
                container.status = replace(container.status, state=State.UNKNOWN)

    def running(self) -> list[str]:
        """Return the names of the containers that run."""
        return [
            container.status.name
            for container in self._containers.values()
            if container.status.state is State.RUNNING
        ]

    def container_named(self, name: str) -> ContainerStatus | None:
        """Return the newest attempt at the container of that name."""
        named = [c.status for c in self._containers.values() if c.status.name == name]
        return max(named, key=lambda status: status.attempt, default=None)

    # -- images -----------------------------------------------------------------------------

    def _add_image(self, reference: str) -> Image:
        digest = hashlib.sha256(reference.encode()).hexdigest()
        repository = reference.partition("@")[0].rpartition(":")[0] or reference
        image = Image(f"sha256:{digest}", (reference,), (f"{repository}@sha256:{digest}",), 1 << 20)
        self._images[reference] = image
        return image

    async def find_image(self, reference: str) -> Image | None:
        return self._images.get(reference)

    async def pull_image(self, reference: str, credentials: Mapping[str, Credentials]) -> Image:
        self.calls.append(("pull", reference))
        del credentials
        if self._registry.pull_s:
            await asyncio.sleep(self._registry.pull_s)
        if reference in self._registry.missing:
            raise RuntimeFault("ErrImagePull", f"{reference}: not found")
        why = self._registry.refuse(reference) if self._registry.refuse is not None else ""
        if why:
            raise RuntimeFault("ErrImagePull", why)
        return self._add_image(reference)

    async def list_images(self) -> list[Image]:
        return list(self._images.values())

    def reference_of(self, image_id: str) -> str:
        """Return the name under which an image was pulled; "" for one that was not."""
        found = (name for name, image in self._images.items() if image.id == image_id)
        return next(found, "")

    async def remove_image(self, image_id: str) -> None:
        self.calls.append(("remove_image", image_id))
        gone = [name for name, image in self._images.items() if image.id == image_id]
        for name in gone:
            del self._images[name]

    async def load_image(self, path: str) -> list[Image]:
        return [self._add_image(path)]

    # -- layers, exec and stats ---------------------------------------------------------------------

    def layer_of(self, container_id: str) -> str:
        """Return where a program that plays a container keeps the files of its root."""
        return layer_folder(container_id) if container_id in self._containers else ""

    async def exec(
        self, container_id: str, argv: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Process:
        container = self._containers.get(container_id)
        if container is None or container.status.state is not State.RUNNING:
            raise RuntimeFault("ExecError", f"container {container_id} does not run")
        self.calls.append(("exec", " ".join(argv)))
        if container.program is not None:
            return await container.program.exec(argv, tty=tty, stdin=stdin)
        return Finished(*self._commands(container.status.name, argv))

    async def usage(self) -> list[Usage]:
        return [
            _usage(container_id, container, self._now())
            for container_id, container in self._containers.items()
            if container.status.state is State.RUNNING
        ]


class _Container:
    """One attempt, with the timer of its own end."""

    def __init__(
        self, status: ContainerStatus, behaviour: Behaviour, program: Program | None
    ) -> None:
        self.status = status
        self.behaviour = behaviour
        self.program = program
        self.over = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None

    def in_sandbox(self, sandbox_id: str) -> bool:
        return self.status.sandbox_id == sandbox_id


def _usage(container_id: str, container: _Container, now: float) -> Usage:
    program, behaviour = container.program, container.behaviour
    if program is None:
        used = behaviour.memory_bytes
        cpu_seconds = behaviour.cpu * (now - (container.status.started_at or now))
    else:
        used, cpu_seconds = max(program.memory_bytes(), 1 << 20), program.cpu_seconds()
    return Usage(container_id, cpu_seconds, used, used, 1)
