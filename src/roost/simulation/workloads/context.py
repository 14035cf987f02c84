"""What a simulated program works with: its process, its pod, files, clock, network and signals."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import urlsplit

from roost.network.dns.zone import Record
from roost.ports.port import Chance, WallClock
from roost.simulation.network.fabric import Fabric, Handler, Host, Listener
from roost.simulation.network.messages import (
    HEALTH_PATH,
    Fault,
    Headers,
    Reply,
    Request,
    Response,
    Url,
    response_of,
)
from roost.simulation.network.names import Names, Resolv, parse_hosts, parse_resolv
from roost.simulation.workloads.api import Api
from roost.simulation.workloads.files import ContainerFiles
from roost.simulation.workloads.guarding import Tasks

Respond = Callable[[Request], Reply | Awaitable[Reply]]
OnSignal = Callable[[], Awaitable[None] | None]

TIMEOUT_S: Final = 30.0


class Exited(BaseException):
    """Raised by `Context.exit`; programs let it pass."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class OutOfMemory(BaseException):
    """More memory than the container may use."""


@dataclass(frozen=True, slots=True)
class PodInfo:
    """The pod that a program runs in."""

    name: str
    namespace: str
    uid: str
    address: str
    node: str


class Output(Protocol):
    """Where a program prints: stream 1 or 2."""

    def __call__(self, stream: int, text: str) -> None: ...


@dataclass(slots=True)
class World:
    """What all programs of one container share."""

    pod: PodInfo
    container: str
    host: Host
    fabric: Fabric
    names: Names
    clock: WallClock
    chance: Chance
    files: ContainerFiles
    tasks: Tasks
    env: Mapping[str, str]
    memory_limit_bytes: int | None = None
    cpu_limit: float | None = None
    hostname: str = ""
    user: tuple[int, int] = (0, 0)
    allocated_bytes: int = 0
    cores: float = 0.0
    cpu_since: tuple[float, float] = (0.0, 0.0)  # so many seconds of cpu until that time of day
    signals: dict[str, OnSignal] = field(default_factory=dict)
    api: Api | None = None

    def cpu_seconds(self) -> float:
        """Return how much processor time was used."""
        used, since = self.cpu_since
        return used + self.cores * (self.clock.now() - since if since else 0.0)

    def signal(self, name: str) -> bool:
        """Send a signal to the first process; return whether it handles it."""
        handler = self.signals.get(name)
        if handler is None:
            return False
        self.tasks.spawn(_handled(handler))
        return True


async def _handled(handler: OnSignal) -> None:
    called = handler()
    if inspect.isawaitable(called):
        await called


class Context:
    """One process: the container's main one, or a command in it."""

    def __init__(
        self, world: World, pid: int, argv: Sequence[str], output: Output, stdin: bytes = b""
    ) -> None:
        self._world = world
        self.output = output
        self.pid = pid
        self.argv = tuple(argv)
        self.stdin = stdin
        self.env: dict[str, str] = dict(world.env)
        self.pod = world.pod
        self.container = world.container
        self.files = world.files
        self.chance = world.chance

    # -- the process

    def print(self, *parts: object) -> None:
        """Print a line to stdout, which is the container's log."""
        self.output(1, " ".join(map(str, parts)) + "\n")

    def write(self, text: str) -> None:
        """Print text as it is."""
        self.output(1, text)

    def error(self, *parts: object) -> None:
        """Print a line to stderr."""
        self.output(2, " ".join(map(str, parts)) + "\n")

    def exit(self, code: int = 0) -> NoReturn:
        """End this process."""
        raise Exited(code)

    def on_signal(self, name: str, handler: OnSignal | None) -> None:
        """Call `handler` when the container gets a signal (SIGTERM). None: as if there had been none."""
        if handler is None:
            self._world.signals.pop(name, None)
        else:
            self._world.signals[name] = handler

    def handles(self, name: str) -> bool:
        """Whether somebody handles a signal already."""
        return name in self._world.signals

    async def signal(self, name: str) -> None:
        """Send a signal to the container's first process, which gets only those that it handles."""
        self._world.signal(name)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside this process; it ends with the container."""
        return self._world.tasks.spawn(work)

    def child(
        self, argv: Sequence[str], output: Output | None = None, stdin: bytes = b""
    ) -> Context:
        """Return the context of a command that this process runs."""
        made = Context(self._world, self.pid + 1, argv, output or self.output, stdin)
        made.env, made.files = dict(self.env), self.files
        return made

    def copy(self) -> Context:
        """Return the context of a process that this one forks: the same, and on its own from here."""
        made = self.child(self.argv, self.output, self.stdin)
        made.pid = self.pid
        return made

    # -- the machine

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        return self._world.clock.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def sleep_for_ever(self) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("for ever is over")

    @property
    def hostname(self) -> str:
        """The pod's host name."""
        return self._world.hostname or self.pod.name

    @property
    def user(self) -> tuple[int, int]:
        """The numbers of the user and the group that it runs as."""
        return self._world.user

    def allocate(self, size_bytes: int) -> None:
        """Use so much more memory (less, if negative); over the limit the container is killed."""
        world = self._world
        world.allocated_bytes = max(0, world.allocated_bytes + size_bytes)
        limit = world.memory_limit_bytes
        if limit is not None and world.allocated_bytes > limit:
            raise OutOfMemory

    def use_cpu(self, cores: float) -> None:
        """Use so many cores from now on, at most what the container may; 0: none.

        It is what metrics tell of; it makes nothing slower.
        """
        world = self._world
        world.cpu_since = (world.cpu_seconds(), world.clock.now())
        limit = world.cpu_limit
        world.cores = max(0.0, cores if limit is None else min(cores, limit))

    # -- the network

    @property
    def api(self) -> Api:
        """The API of the cluster, with the rights of the pod's service account."""
        found = self._world.api
        assert found is not None
        return found

    def listen(self, port: int, respond: Respond, *, protocol: str = "tcp") -> None:
        """Answer HTTP requests to a port from now on; raises OSError if the port is taken."""
        key = (protocol, port)
        listeners = self._world.host.listeners
        if key in listeners:
            raise OSError(98, f"Address already in use: port {port}")

        listeners[key] = Listener(answering(respond, self.error), self._world.tasks)

    def listen_health(self, port: int, status: Callable[[str], str]) -> None:
        """Answer gRPC health checks: `status` takes the name of a service ("": the whole) and returns
        SERVING, NOT_SERVING, UNKNOWN or SERVICE_UNKNOWN."""

        def respond(request: Request) -> Reply:
            return status(request.text) if request.path == HEALTH_PATH else 404

        self.listen(port, respond)

    def close(self, port: int, *, protocol: str = "tcp") -> None:
        """Answer no longer on a port."""
        self._world.host.listeners.pop((protocol, port), None)

    async def serve(self, port: int, respond: Respond) -> NoReturn:
        """Listen, and never end."""
        self.listen(port, respond)
        await self.sleep_for_ever()

    async def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None,
        body: bytes | str = b"", timeout_s: float = TIMEOUT_S,
    ) -> Response:  # fmt: skip
        """Ask a server; raises network.messages.Fault. Only http:// is simulated (ValueError)."""
        sent_headers = tuple((name.lower(), value) for name, value in (headers or {}).items())
        data = body.encode() if isinstance(body, str) else body
        world = self._world
        return await fetch(
            world.fabric, world.host, self._address, url,
            method=method, headers=sent_headers, body=data, timeout_s=timeout_s,
        )  # fmt: skip

    async def connect(self, host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> None:
        """Open and close a connection; raises network.messages.Fault."""
        world = self._world
        await world.fabric.connect(world.host, self._address(host), port, timeout_s)

    def _address(self, host: str) -> str:
        return self._world.names.address(host, self._hosts(), self._resolv())

    def _hosts(self) -> Mapping[str, str]:
        return parse_hosts(self._read("/etc/hosts"))

    def _resolv(self) -> Resolv:
        return parse_resolv(self._read("/etc/resolv.conf"))

    def _read(self, path: str) -> str:
        return self.files.text(path) if self.files.exists(path) else ""

    def resolve(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a host; raises network.messages.NotFound."""
        return self._world.names.addresses(name, self._hosts(), self._resolv())

    def lookup(self, name: str, type: str = "A") -> tuple[Record, ...]:
        """Return the records of a name: A, SRV, CNAME, PTR or TXT; raises NotFound."""
        return self._world.names.lookup(name, type, self._resolv())


def answering(respond: Respond, complain: Callable[[str], None]) -> Handler:
    """Return what answers requests with `respond`, and 500 where that fails."""

    async def handle(request: Request) -> Response:
        try:
            reply = respond(request)
            if inspect.isawaitable(reply):
                reply = await reply
            return response_of(reply)
        except Exception as error:  # noqa: BLE001 - a server answers 500 and goes on
            complain(f"{request.method} {request.path}: {type(error).__name__}: {error}")
            return Response(500, b"Internal Server Error\n")

    return handle


async def fetch(
    fabric: Fabric, source: Host, address_of: Callable[[str], str], url: str, *,
    method: str, headers: Headers, body: bytes, timeout_s: float,
) -> Response:  # fmt: skip
    """Send a request from a host; raises Fault, and ValueError for what is not simulated."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        raise ValueError(f"{parts.scheme or 'no scheme'}: only http:// is simulated, not {url}")
    host = parts.hostname or ""
    port = parts.port or 80
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = Request(method, path, parts.netloc, headers, body)
    return await fabric.request(
        source, address_of(host), Url(host, port, path, url), request, timeout_s
    )


def failure_text(error: BaseException) -> str:
    """Return what a program prints as it dies of an error."""
    if isinstance(error, Fault):
        return str(error)
    return f"{type(error).__name__}: {error}"
