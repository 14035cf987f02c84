"""The runtime port: what runs containers, container-grained, in pod sandboxes.

The node agent decides (restart policy, back-off, probes, init order, volumes, status); a runtime only
does. Every call may be made twice with the same effect (idempotent by id), and a runtime survives its
user: after a crash `recover` returns everything that runs or has ended and was not removed.
Optional capabilities are separate small protocols; `isinstance` tells who offers them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path (file or folder) seen in the container."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = "rprivate"  # rprivate, rslave or rshared
    tmpfs_size_bytes: int | None = None  # not None: a tmpfs, source is ignored (0: no limit)


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of a container or a pod; None means none."""

    cpu_millis: int | None = None
    cpu_request_millis: int | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True)
class Security:
    """Who the process is and what it may do; the merge of pod and container securityContext."""

    user: int | None = None
    group: int | None = None
    user_name: str = ""  # from the image when `user` is None: "name", "uid", "uid:gid", ...
    supplemental_groups: tuple[int, ...] = ()
    run_as_non_root: bool = False
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    seccomp: str = "Unconfined"  # Unconfined or RuntimeDefault


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A pod's shared surroundings. `id` is chosen by the agent (pod uid and attempt)."""

    id: str
    pod_name: str
    pod_namespace: str
    pod_uid: str
    hostname: str
    log_dir: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_processes: bool = False
    network_namespace: str = ""  # path, prepared by the agent's network; "" with host_network
    sysctls: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)  # of the whole pod
    qos: str = "BestEffort"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to run. `id` is chosen by the agent; `command` empty means the image's own.

    `command` replaces the image's entrypoint and `args` its command, as in the Pod API; `env` is
    complete but for the image's own environment, which it overrides.
    """

    id: str
    sandbox_id: str
    name: str
    attempt: int  # restart count, part of the log's name
    image: str  # image id as `Images.pull` returned it
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)
    security: Security = field(default_factory=Security)
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    log_path: str = ""  # absolute; the kubelet's log format
    stop_signal: str = ""  # "" is the image's, else SIGTERM
    #: The id of a running container whose processes this one sees and may signal; "" for none.
    processes_of: str = ""


class State(StrEnum):
    """Where a container is. UNKNOWN: it ran, and nobody can say how it ended."""

    CREATED = "Created"
    RUNNING = "Running"
    EXITED = "Exited"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """What the runtime knows of a container. Times are epoch seconds."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    state: State
    pid: int = 0
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""  # Completed, Error, OOMKilled, ContainerCannotRun, StartError
    message: str = ""


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """A sandbox with its containers, as `recover` finds it."""

    id: str
    pod_uid: str
    pod_name: str
    pod_namespace: str
    ready: bool
    network_namespace: str = ""
    created_at: float = 0.0
    containers: tuple[ContainerStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """Who the runtime is: handlers are RuntimeClass handler names, "" is the default one."""

    name: str
    version: str
    handlers: tuple[str, ...] = ("",)
    platforms: tuple[str, ...] = ("linux/amd64",)


class RuntimeFault(Exception):
    """A runtime could not do something. `reason` is what the container's status shows
    (ErrImagePull, CreateContainerError, RunContainerError, CreateContainerConfigError ...)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Runtime(Protocol):
    """The port."""

    def describe(self) -> RuntimeInfo: ...

    async def start_sandbox(self, spec: SandboxSpec) -> SandboxStatus: ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what still runs in it and remove every trace of it, logs excepted."""
        ...

    async def start_container(self, spec: ContainerSpec) -> ContainerStatus:
        """Create and start; its record is on disk before it runs. Raises RuntimeFault."""
        ...

    async def stop_container(self, container_id: str, grace_s: float) -> None:
        """Send the stop signal, wait up to `grace_s`, then kill. Returns when it has ended."""
        ...

    async def remove_container(self, container_id: str) -> None:
        """Forget an ended container; its log stays."""
        ...

    async def recover(self) -> list[SandboxStatus]:
        """Re-adopt all that was started by this or an earlier process; ends nothing."""
        ...

    def events(self) -> AsyncIterator[list[ContainerStatus]]:
        """Yield batches of containers whose state changed."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the runtime's store."""

    id: str  # "sha256:..." of its config
    tags: tuple[str, ...]
    digests: tuple[str, ...]  # repository@sha256:... of its manifest
    size_bytes: int
    user: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an image pull secret gives for one registry."""

    username: str = ""
    password: str = ""
    token: str = ""  # a bearer token used as is


@runtime_checkable
class Images(Protocol):
    """Optional: images from registries."""

    async def find_image(self, reference: str) -> Image | None: ...

    async def pull_image(self, reference: str, credentials: Mapping[str, Credentials]) -> Image:
        """Fetch an image; `credentials` by registry host. Concurrent pulls of one image are one.

        Raises RuntimeFault with ErrImagePull, InvalidImageName or ImageInspectError.
        """
        ...

    async def list_images(self) -> list[Image]: ...

    async def remove_image(self, image_id: str) -> None: ...

    async def load_image(self, path: str) -> list[Image]:
        """Take in a docker-archive or OCI layout (a folder, a tar or a compressed tar)."""
        ...


class Process(Protocol):
    """A running exec or attach session."""

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1 or 2, bytes): stdout and stderr."""
        ...

    async def wait(self) -> int:
        """Return the exit code (for attach: 0 when the session ends)."""
        ...

    async def close(self) -> None:
        """End the session. An exec's process gets a hang-up; an attached container goes on."""
        ...


@runtime_checkable
class Exec(Protocol):
    """Optional: run a further process in a container."""

    async def exec(
        self, container_id: str, argv: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Process: ...


@runtime_checkable
class Attach(Protocol):
    """Optional: join the main process of a container."""

    async def attach(self, container_id: str, *, stdin: bool) -> Process: ...


@runtime_checkable
class PortForward(Protocol):
    """Optional: reach a port inside a sandbox."""

    async def open_port(self, sandbox_id: str, port: int) -> Process:
        """Return a session whose output is stream 1 only; raises RuntimeFault if nobody listens."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Resource use of one container: cpu since its start, memory now."""

    container_id: str
    cpu_seconds: float
    memory_working_set_bytes: int
    memory_rss_bytes: int
    pids: int


@runtime_checkable
class Layers(Protocol):
    """Optional: what containers write into their roots lies in folders of the node."""

    def layer_of(self, container_id: str) -> str:
        """Return the folder of what a container has written; "" for a container that is not known."""
        ...


@runtime_checkable
class Stats(Protocol):
    """Optional: resource use."""

    async def usage(self) -> list[Usage]: ...


@runtime_checkable
class Resizing(Protocol):
    """Optional: change the limits of what runs."""

    async def resize_container(self, container_id: str, limits: Limits, pod: Limits) -> None:
        """Give a running container new limits, and its whole pod. Raises RuntimeFault."""
        ...


@runtime_checkable
class LogRotation(Protocol):
    """Optional: begin a new log file for a running container."""

    async def rotate_log(self, container_id: str, to: str) -> bool:
        """Move the log to `to` and begin a new one at the old path; False where there is none."""
        ...
