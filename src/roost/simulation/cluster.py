"""A whole cluster in one object: `with Cluster(nodes=3) as cluster`.

The same API server, controllers, scheduler and node agents as in a real cluster, in virtual time: it
passes only in `advance`, `run_until` and what else says so. Same seed, same commands: same history.
"""

from __future__ import annotations

import atexit
import math
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from roost.adapters.virtual.clock import NEW_YEAR_2025
from roost.api.values import Object
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User
from roost.apiserver.inprocess import Manner
from roost.decisions.resources import NODES
from roost.runtimes.behaviour import Behaviour
from roost.simulation.applying import apply_object
from roost.simulation.client import SyncClient
from roost.simulation.containers import Behaviours, Containers, Result
from roost.simulation.controlplane import Choice, ControlPlane, Process
from roost.simulation.faults import Crash, Injector, World
from roost.simulation.invariants import Checker
from roost.simulation.journal import JournalStore
from roost.simulation.kubelets import Kubelets
from roost.simulation.loop import VirtualLoop
from roost.simulation.machine import Machines
from roost.simulation.manifests import Manifest, read_manifests
from roost.simulation.network.fabric import Latency
from roost.simulation.network.messages import Exchange, Response
from roost.simulation.nodes import NodeSpec, SimulatedNode
from roost.simulation.outgoing import Outgoing
from roost.simulation.pace import Pace
from roost.simulation.replay import Recording, recorded
from roost.simulation.trials import Trials
from roost.simulation.workloads.context import Respond
from roost.simulation.workloads.image import Image

ResultT = TypeVar("ResultT")
_ADMIN: Final = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
_APPLY: Final = Manner(manager="kubectl-client-side-apply", validation="Strict", trusted=True)
_ASK: Final = Manner(manager="simulation", validation="Strict", trusted=True)


_NO_OPTIONS: Final = ("self", "options", "__class__")
#: Those that nobody closed yet: what is collected while tasks of it wait complains of each.
_open: Final[dict[Cluster, None]] = {}


@atexit.register
def _close_all() -> None:
    """End what nobody closed, so that the interpreter need not complain of its tasks."""
    for cluster in list(_open):
        cluster.close()


class LoopTime:
    """ports.WallClock: `start` (epoch seconds) is the loop's time zero."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> float:
        return self._start + self._loop.time()


class Cluster(Trials):
    """See the module and Trials. Close it (or use it as a context manager) to end its tasks."""

    def __init__(
        self,
        nodes: int = 3,
        seed: int = 0,
        *,
        start: float = NEW_YEAR_2025,
        controllers: str = "*",
        addons: bool = True,
        node_grace_s: float = 40.0,
        latency: Latency | None = None,
        any_image: bool = False,
        stop_s: float = 0.0,
        check: bool = False,
    ) -> None:
        """Begin a cluster.

        `latency` gives the seconds between two hops; `any_image` lets images that nobody registered
        run, as servers that answer on every port (else they cannot be pulled); containers take at
        least `stop_s` to obey the stop signal; `check` looks at the invariants after every write, and
        whenever time has passed.
        """
        options = {name: value for name, value in locals().items() if name not in _NO_OPTIONS}
        self.seed = seed
        self.start = start
        self.loop = VirtualLoop()
        self.clock = LoopTime(self.loop, start)
        self._store = JournalStore(self.clock)
        self.recording = Recording(options, self._store.note, self.loop.drain)
        choice = Choice(seed, controllers, addons, node_grace_s)
        self.plane = ControlPlane(self._store, self.clock, choice)
        self.pace = Pace(self.advance, self._step, self.loop.time)
        self.nodes: dict[str, SimulatedNode] = {}
        self._added = 0
        self._behaviours = Behaviours()
        self._containers = Containers(self.nodes, self._pod)
        self.machines = Machines(
            self.plane, self._behaviours, strict=not any_image, latency=latency, stop_s=stop_s
        )
        world = World(self.plane, self.machines, self._store, self.nodes, self.loop, seed)
        self.faults = Injector(world, self._store.note)
        self.checker: Checker | None = None
        self.kubelets = Kubelets(self.nodes, self.machines.fabric.isolated)
        self.outgoing = Outgoing(self.machines, self.kubelets, self.recording, self._store.note)
        self.plane.fetcher = self.plane.caller = self.outgoing
        self._network = Process("network")
        self._applying = self.plane.link(_ADMIN, _APPLY)
        self._asking = self.plane.link(_ADMIN, _ASK)
        try:
            self._begin(nodes)
        except BaseException:
            self.close()
            raise
        if check:
            self.checker = Checker(world, self.faults)
        _open[self] = None

    def _begin(self, nodes: int) -> None:
        self._do(self.plane.start())
        self.loop.call_soon(self._network.start, ("services", self.machines.run()))
        for number in range(1, nodes + 1):
            self._add(NodeSpec(f"node-{number}"))
        self.loop.settle()

    @property
    def client(self) -> SyncClient:
        """A client that does not await. It may do everything; unknown fields are refused."""
        return SyncClient(self.loop, self._asking, self.plane.registry, self.recording)

    @property
    def now(self) -> float:
        """The seconds since the cluster began."""
        return self.loop.time()

    @property
    def log(self) -> str:
        """Every write, command and fault so far, one line each; byte-identical for the same seed and
        commands."""
        with self.loop.gate:
            return "".join(f"{line}\n" for line in self._store.lines(self.start))

    # -- time ---------------------------------------------------------------------------------

    @recorded
    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it."""
        self.loop.advance(seconds)
        self._check()

    def settle(self) -> None:
        """Let everything happen that is due now; no time passes."""
        self.advance(0)

    def run_until(self, condition: Callable[[], object], timeout_s: float = 300.0) -> float:
        """Let time pass until a condition holds; return for how long, in seconds.

        It is looked at whenever something happened. Raises TimeoutError.
        """
        began = self.now
        self.settle()
        while not condition():
            if not self._step(began + timeout_s):
                raise TimeoutError(
                    f"it did not happen within {timeout_s:g} s of the cluster's time"
                )
        return self.now - began

    @recorded
    def _step(self, instant: float) -> bool:
        """Let the next thing happen, at most until an instant of the loop."""
        stepped = self.loop.step_to(instant)
        self._check()
        return stepped

    def pause(self) -> None:
        """Hold paced time (see `run_realtime`) until `resume`."""
        self.pace.pause()

    def resume(self) -> None:
        """Let paced time go on where it was."""
        self.pace.resume()

    @property
    def speed(self) -> float | None:
        """Virtual seconds for each real one in `run_realtime`; None: as fast as possible."""
        return self.pace.speed

    @speed.setter
    def speed(self, speed: float | None) -> None:
        self.pace.speed = speed

    def run_realtime(self, seconds: float) -> None:
        """Keep pace with the real clock, at `speed`, for so many real seconds."""
        self.pace.run(seconds)
        self._check()

    async def keep_pace(self, seconds: float = math.inf) -> None:
        """As `run_realtime`, beside whatever else the caller's own event loop has to do.

        For a page, a notebook or a server: between two slices of a few milliseconds the loop goes on.
        """
        await self.pace.keep(seconds)

    def _do(self, coro: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.loop.finish(coro)

    def _soon(self, begin: Callable[[], object]) -> None:
        with self.loop.gate:
            self.loop.call_soon(begin)

    def _check(self) -> None:
        self.plane.check()
        self._network.check()
        self.faults.check()
        for node in self.nodes.values():
            node.check()
        if self.checker is not None:
            self.checker.check()

    # -- objects ------------------------------------------------------------------------------

    def apply(self, manifests: Manifest, namespace: str = "default") -> list[Object]:
        """Create or change objects as `kubectl apply` does; return them as they are then.

        Takes YAML, a path of a file or folder, an object or a list of any. Raises the API's errors,
        and ValueError for what cannot be simulated.
        """
        return self._apply(read_manifests(manifests), namespace)

    @recorded
    def _apply(self, wanted: list[Object], namespace: str) -> list[Object]:
        client, plane = self._applying, self.plane
        return [self._do(apply_object(client, plane, one, namespace)) for one in wanted]

    def events(self, namespace: str = "") -> list[Object]:
        """Return the Events, oldest first."""
        found = self.client.list("events", namespace)
        return sorted(found, key=lambda event: str(event.get("lastTimestamp") or ""))

    # -- containers ---------------------------------------------------------------------------

    @recorded
    def behave(self, name: str, behaviour: Behaviour, *, labels: str = "") -> None:
        """Let containers behave so from their next start on.

        `name` is a pattern (as of file names) of container names or images, `labels` a selector of
        their pods ("app=web,tier!=db"); the last that fits counts.
        """
        self._behaviours.add(name, behaviour, labels)

    def _pod(self, namespace: str, name: str) -> Object:
        return self.client.get("pods", name, namespace)

    @recorded
    def register(self, image: type[Image]) -> type[Image]:
        """Let an image be pulled from now on; also a decorator. Raises ValueError if it has no name."""
        self.machines.catalogue.add(image)
        return image

    # -- the network --------------------------------------------------------------------------

    @recorded
    def fetch(
        self, url: str, source: str = "", *, method: str = "GET",
        headers: Mapping[str, str] | None = None, body: bytes | str = b"", timeout_s: float = 30.0,
    ) -> Response:  # fmt: skip
        """Send an HTTP request from a node (the first one) or from namespace/pod.

        Time passes until there is an answer. Raises network.messages.Fault, as ECONNREFUSED.
        """
        host = self.machines.host_of(source or next(iter(self.nodes)))
        data = body.encode() if isinstance(body, str) else body
        return self._do(
            self.machines.fetch(
                host, url, method=method, headers=headers or {}, body=data, timeout_s=timeout_s
            )
        )

    @property
    def requests(self) -> list[Exchange]:
        """The requests that have ended, oldest first, probes too (the last 10,000)."""
        with self.loop.gate:
            return list(self.machines.fabric.exchanges)

    def on_request(self, observer: Callable[[Exchange], None]) -> None:
        """Call `observer` with every request that ends."""
        self.machines.fabric.observers.append(observer)

    @recorded
    def outside(self, name: str, respond: Respond, port: int = 80) -> None:
        """Let a name outside of the cluster answer HTTP requests."""
        self.machines.answer_outside(name, respond, port)

    def logs(self, pod: str, container: str = "", *, previous: bool = False) -> str:
        """Return what a container printed. `pod` is "name", "pod/name" or "namespace/name"."""
        return self._containers.logs(pod, container, previous=previous)

    @recorded
    def exec(self, pod: str, argv: list[str], container: str = "") -> Result:
        """Run a command in a container; time passes until it has ended."""
        return self._do(self._containers.run(self._containers.running(pod, container), argv))

    # -- nodes --------------------------------------------------------------------------------

    @recorded
    def add_node(self, name: str, **capacity: Any) -> SimulatedNode:
        """Add a node. `capacity`: cpu, memory, storage, pods, labels, taints (see NodeSpec)."""
        node = self._add(NodeSpec(name, **capacity))
        self.settle()
        return node

    def _add(self, spec: NodeSpec) -> SimulatedNode:
        if spec.name in self.nodes:
            raise ValueError(f"there is a node {spec.name} already")
        node = SimulatedNode(self.plane, spec, self._added, self.machines)
        self._added += 1
        self.nodes[spec.name] = node
        self._soon(node.start_agent)
        return node

    def node(self, name: str) -> SimulatedNode:
        """Return a node; raises KeyError with its name."""
        return self.nodes[name]

    @recorded
    def remove_node(self, name: str) -> None:
        """Take a machine away, and its Node out of the API."""
        node = self.nodes.pop(name)
        self._do(node.stop())
        node.remove()
        self._do(self._asking.delete(NODES, name))
        self.settle()

    @recorded
    def stop_node(self, name: str) -> None:
        """Cut a node's power."""
        self._do(self.nodes[name].stop())

    @recorded
    def start_node(self, name: str) -> None:
        """Give a node its power back."""
        self._soon(self.nodes[name].start_agent)
        self.settle()

    @recorded
    def partition(self, name: str) -> None:
        """Cut a node off from the API server and from the other nodes; what runs on it goes on."""
        with self.loop.gate:
            self.nodes[name].link.cut()
            self.machines.isolate(name)
            self.loop.disturb()

    @recorded
    def heal(self, name: str) -> None:
        """End a partition."""
        with self.loop.gate:
            self.nodes[name].link.mend()
            self.machines.rejoin(name)
            self.loop.disturb()

    # -- components ---------------------------------------------------------------------------

    @recorded
    def crash(self, component: str) -> None:
        """Kill "server", "controllers", "scheduler", or the agent of "node/NAME"."""
        self._do(Crash(component).begin(self.faults.world))

    @recorded
    def restart(self, component: str) -> None:
        """Start what was crashed."""
        self._do(Crash(component).end(self.faults.world))
        self.settle()

    # -- its end ------------------------------------------------------------------------------

    def close(self) -> None:
        """End all tasks. The cluster cannot be used afterwards."""
        _open.pop(self, None)
        if self.loop.is_closed():
            return

        async def stop() -> None:
            for node in self.nodes.values():
                await node.stop()
            await self.faults.stop()
            await self._network.kill()
            await self.plane.stop()

        self._do(stop())
        self.loop.finish(self.loop.shutdown_asyncgens())
        self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
