"""OciRuntime: containers in Linux namespaces, through conmon and runc or crun.

It implements Runtime and every optional capability of roost.runtimes.port. It owns no task: exits arrive
as pidfd events of the loop. Killing its process ends nothing; a new OciRuntime on the same folder finds
all containers, and how those ended that ended meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from roost.ports.port import WallClock
from roost.runtimes.images.config import Platform
from roost.runtimes.images.machine import this_machine
from roost.runtimes.images.registry import Registry
from roost.runtimes.images.service import ImageService
from roost.runtimes.images.store import ImageStore
from roost.runtimes.keyed_lock import KeyedLock
from roost.runtimes.oci import monitor, namespaces, sessions
from roost.runtimes.oci.bundle import Order
from roost.runtimes.oci.cgroups import Cgroups
from roost.runtimes.oci.containers import Container, Containers
from roost.runtimes.oci.decide import Probe
from roost.runtimes.oci.host import Host
from roost.runtimes.oci.probe import find_programs
from roost.runtimes.oci.records import SandboxRecord
from roost.runtimes.oci.sandboxes import Sandboxes
from roost.runtimes.oci.spec import exec_process
from roost.runtimes.port import (
    ContainerSpec,
    ContainerStatus,
    Credentials,
    Image,
    Process,
    RuntimeFault,
    RuntimeInfo,
    SandboxSpec,
    SandboxStatus,
    State,
    Usage,
)

_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class OciSettings:
    """Where and how. `root` must be on a file system that can be an overlay's upper layer (not an

    overlay itself). `cgroup_root` keeps several agents of one machine apart.
    """

    root: Path
    cgroup_root: str = "/roost"
    runtimes: Sequence[str] = ("runc", "crun")
    registry_certificates: str = ""
    insecure_registries: tuple[str, ...] = ()


class OciRuntime:
    """The OCI containers, sandboxes and images of one agent. Make it with `open`."""

    def __init__(self, host: Host, probe: Probe, images: ImageService, platform: Platform) -> None:
        self._host = host
        self._probe = probe
        self._images = images
        self._platform = platform
        self._subscribers: set[_Events] = set()
        self._sandboxes = Sandboxes(host)
        self._containers = Containers(host, self._changed)
        self._starting: dict[str, str] = {}  # container: its sandbox
        self._stopping: set[str] = set()
        self._container_locks = KeyedLock()
        self._sandbox_locks = KeyedLock()
        images.in_use = self._images_in_use

    @classmethod
    async def open(cls, settings: OciSettings, clock: WallClock) -> Self:
        """Find what works here and re-adopt what runs.

        Raises RuntimeFault (RuntimeUnavailable) if this machine cannot run containers, in one line.
        """
        root = settings.root / "oci"
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        cgroups = Cgroups.of_this_machine(settings.cgroup_root)
        programs, probe = await find_programs(root, settings.runtimes, cgroups)
        platform = this_machine()
        registry = Registry(
            certificates=settings.registry_certificates, insecure=settings.insecure_registries
        )
        images = ImageService(ImageStore(settings.root / "images", platform), registry)
        host = Host(root, programs, cgroups, clock, platform.architecture)
        runtime = cls(host, probe, images, platform)
        await images.open()
        runtime._sandboxes.load()
        runtime._containers.load()
        return runtime

    async def close(self) -> None:
        """Let go of everything; containers run on."""
        self._containers.close()
        for subscriber in list(self._subscribers):
            subscriber.end()
        await self._images.close()
        self._host.close()

    # ------------------------------------------------------------------ Runtime

    def describe(self) -> RuntimeInfo:
        """Return which OCI runtime is used, with its version."""
        name = f"{self._platform.os}/{self._platform.architecture}"
        return RuntimeInfo(
            name=self._probe.runtime,
            version=self._probe.version,
            handlers=("", self._probe.runtime),
            platforms=(name,),
        )

    async def start_sandbox(self, spec: SandboxSpec) -> SandboxStatus:
        """Make a pod's surroundings. Raises RuntimeFault, leaving nothing."""
        async with self._sandbox_locks.hold(spec.id):
            record = await self._sandboxes.start(spec)
        return self._sandbox_status(record)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what still runs in it and remove every trace of it, logs excepted."""
        async with self._sandbox_locks.hold(sandbox_id):
            self._stopping.add(sandbox_id)  # from here on nothing is started in it
            try:
                inside = {container.record.spec.id for container in self._inside(sandbox_id)}
                inside |= {one for one, place in self._starting.items() if place == sandbox_id}
                async with asyncio.TaskGroup() as group:
                    for container_id in sorted(inside):
                        group.create_task(self.remove_container(container_id))
                await self._sandboxes.remove(sandbox_id)
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            finally:
                self._stopping.discard(sandbox_id)

    async def start_container(self, spec: ContainerSpec) -> ContainerStatus:
        """Create and start; its record is on disk before it runs. Raises RuntimeFault."""
        async with self._container_locks.hold(spec.id):
            self._starting[spec.id] = spec.sandbox_id
            try:
                return (await self._containers.start(self._order(spec))).status()
            finally:
                del self._starting[spec.id]

    def _order(self, spec: ContainerSpec) -> Order:
        sandbox = self._sandboxes.records.get(spec.sandbox_id)
        if sandbox is None or spec.sandbox_id in self._stopping:
            raise RuntimeFault("CreateContainerError", f"no sandbox {spec.sandbox_id!r}")
        image = self._images.store.find(spec.image)
        if image is None:
            raise RuntimeFault("CreateContainerError", f"no image {spec.image!r}")
        shared = self._sandboxes.shared(sandbox.spec)
        if spec.processes_of and not shared.pid and not sandbox.spec.host_pid:
            shared = replace(shared, pid=self._containers.process_namespace(spec.processes_of))
        return Order(
            spec,
            sandbox.spec,
            shared,
            self._images.config(image.id),
            tuple(self._images.store.lower_folders(image.id)),
        )

    async def stop_container(self, container_id: str, grace_s: float) -> None:
        """Send the stop signal, wait up to `grace_s`, then kill. Returns when it has ended.

        Not held off by other work on the container: a second call with less grace counts.
        """
        await self._containers.stop(container_id, grace_s)

    async def remove_container(self, container_id: str) -> None:
        """End a container if it still runs, and remove it; its log stays."""
        async with self._container_locks.hold(container_id):
            await self._containers.remove(container_id)

    async def recover(self) -> list[SandboxStatus]:
        """Return all that runs or has ended and was not removed; ends nothing."""
        return [
            self._sandbox_status(record) for _, record in sorted(self._sandboxes.records.items())
        ]

    def events(self) -> AsyncIterator[list[ContainerStatus]]:
        """Yield batches of containers whose state changed since this call."""
        subscriber = _Events(self._subscribers.discard)
        self._subscribers.add(subscriber)
        return subscriber

    def _changed(self, container: Container) -> None:
        for subscriber in self._subscribers:
            subscriber.put(container.status())

    def _inside(self, sandbox_id: str) -> list[Container]:
        known = self._containers.known.values()
        return [container for container in known if container.record.spec.sandbox_id == sandbox_id]

    def _sandbox_status(self, record: SandboxRecord) -> SandboxStatus:
        spec = record.spec
        inside = sorted(self._inside(spec.id), key=lambda item: item.record.created_at)
        return SandboxStatus(
            id=spec.id,
            pod_uid=spec.pod_uid,
            pod_name=spec.pod_name,
            pod_namespace=spec.pod_namespace,
            ready=self._sandboxes.is_ready(spec.id),
            network_namespace=spec.network_namespace,
            created_at=record.created_at,
            containers=tuple(container.status() for container in inside),
        )

    # ------------------------------------------------------------------ Images

    async def find_image(self, reference: str) -> Image | None:
        """Return an image by tag, digest, id or the start of an id."""
        return await self._images.find_image(reference)

    async def pull_image(self, reference: str, credentials: Mapping[str, Credentials]) -> Image:
        """Fetch an image. Raises RuntimeFault."""
        return await self._images.pull_image(reference, credentials)

    async def list_images(self) -> list[Image]:
        """Return all images."""
        return await self._images.list_images()

    async def remove_image(self, image_id: str) -> None:
        """Remove an image that no container has. Raises RuntimeFault (ImageInUse)."""
        await self._images.remove_image(image_id)

    async def load_image(self, path: str) -> list[Image]:
        """Take in a docker-archive or OCI layout. Raises RuntimeFault."""
        return await self._images.load_image(path)

    def _images_in_use(self) -> set[str]:
        names = {container.record.spec.image for container in self._containers.known.values()}
        found = (self._images.store.find(name) for name in names)
        return {image.id for image in found if image is not None}

    # ------------------------------------------------------------------ logs

    async def rotate_log(self, container_id: str, to: str) -> bool:
        """Move a running container's log to `to` and let its monitor begin a new one.

        Return False if there is no log, or no monitor that could begin another.
        """
        container = self._running(container_id)
        return monitor.rotate(container.folder, container.record.spec.log_path, to)

    # ------------------------------------------------------------------ Exec, Attach, PortForward

    async def exec(
        self, container_id: str, argv: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Process:
        """Run a further process in a running container. Raises RuntimeFault."""
        container = self._running(container_id)
        if not argv:
            raise RuntimeFault("ExecError", "you must specify at least one command")
        try:
            process = exec_process(container.folder.read_spec(), argv, tty=tty)
            command = self._host.programs.command(
                *("--log", sessions.LOG_FILE, "--log-format", "json"),
                *("exec", "--process", sessions.PROCESS_FILE, *(["--tty"] if tty else [])),
                container.record.spec.id,
            )
            return sessions.ExecSession(command, process, tty=tty, stdin=stdin)
        except OSError as error:
            raise RuntimeFault("ExecError", str(error)) from error

    async def attach(self, container_id: str, *, stdin: bool) -> Process:
        """Join the main process of a running container. Raises RuntimeFault."""
        container = self._running(container_id)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Through a descriptor: a socket's name has 107 bytes, which a deep folder would exceed.
        folder = os.open(container.folder.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{folder}/attach")
        except OSError as error:
            connection.close()
            raise RuntimeFault("AttachError", f"no monitor to attach to: {error}") from error
        finally:
            os.close(folder)

        def resize(width: int, height: int) -> None:
            monitor.tell(container.folder, "winsz", f"{height} {width}\n")

        wants_stdin = stdin and container.record.spec.stdin
        return sessions.AttachSession(connection, stdin=wants_stdin, resize=resize)

    async def open_port(self, sandbox_id: str, port: int) -> Process:
        """Connect to a port inside a sandbox, over IPv4, then IPv6. Raises RuntimeFault."""
        record = self._sandboxes.records.get(sandbox_id)
        if record is None:
            raise RuntimeFault("PortForwardError", f"no sandbox {sandbox_id!r}")
        network = record.spec.network_namespace
        fault = "nobody listens"
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                connection = await namespaces.in_own_thread(
                    namespaces.socket_inside(network, family)
                )
            except OSError as error:
                fault = str(error)
                continue
            try:
                async with asyncio.timeout(_CONNECT_S):
                    await asyncio.get_running_loop().sock_connect(connection, (address, port))
            except (OSError, TimeoutError) as error:
                connection.close()
                if family is socket.AF_INET:
                    fault = os.strerror(error.errno).lower() if error.errno else "timed out"
                continue
            except BaseException:
                connection.close()
                raise
            return sessions.PortSession(connection)
        raise RuntimeFault(
            "PortForwardError",
            f"failed to connect to localhost:{port} inside namespace {network!r}, IPv4: "
            f"dial tcp4 127.0.0.1:{port}: connect: {fault}",
        )

    def _running(self, container_id: str) -> Container:
        container = self._containers.known.get(container_id)
        if container is None:
            raise RuntimeFault("NotFound", f'container not found ("{container_id}")')
        if container.verdict.state is not State.RUNNING:
            raise RuntimeFault("NotRunning", f"container {container_id} is not running")
        return container

    # ------------------------------------------------------------------ Layers, Stats

    def layer_of(self, container_id: str) -> str:
        """Return the folder of what a container has written into its root; "" if it is not known."""
        container = self._containers.known.get(container_id)
        return "" if container is None else str(container.folder.path / "upper")

    async def usage(self) -> list[Usage]:
        """Return what every running container uses."""
        cgroups = self._host.cgroups
        places = [
            (identity, cgroups.path(container.record.spec.sandbox_id, identity))
            for identity, container in self._containers.known.items()
            if container.verdict.state is State.RUNNING
        ]

        def read() -> list[Usage]:
            found = (cgroups.usage(identity, path) for identity, path in places)
            return [usage for usage in found if usage is not None]

        return await self._host.in_thread(read)


class _Events(AsyncIterator[list[ContainerStatus]]):
    """One subscriber's changes; several of one container become the last, so it is bounded."""

    def __init__(self, gone: Callable[[_Events], None]) -> None:
        self._pending: dict[str, ContainerStatus] = {}
        self._wake = asyncio.Event()
        self._over = False
        self._gone = gone

    def put(self, status: ContainerStatus) -> None:
        self._pending.pop(status.id, None)
        self._pending[status.id] = status
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[ContainerStatus]:
        while not self._pending:
            if self._over:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        batch = list(self._pending.values())
        self._pending.clear()
        return batch

    async def aclose(self) -> None:
        """Be told of nothing any more."""
        self._gone(self)
        self.end()
