"""A simulated node: the real node agent over a simulated runtime, files in memory and a network.

Runtime, files and network are the machine: they survive the agent's crash, as containers do. A stopped
node is a machine without power: what ran on it is gone when it starts again, and so is its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.files import MemoryFiles
from roost.adapters.virtual.levels import GivenLevels
from roost.adapters.virtual.trees import MemoryTrees
from roost.api import quantity
from roost.api.values import Object
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User
from roost.apiserver.inprocess import Manner
from roost.client.recorder import EventRecorder
from roost.decisions.volumes import LOCAL_PATH_ROOT
from roost.network.plan import NetworkError
from roost.node.agent import NodeAgent
from roost.node.layout import Layout
from roost.node.podnetwork import HostPort, PodNetwork
from roost.node.thresholds import RESOURCES, Level
from roost.node.tools import Capacity, NodeSettings, Runtimes, Tools
from roost.ports.port import Network, WallClock
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.port import ContainerSpec, Runtime
from roost.runtimes.simulated import SimulatedRuntime
from roost.simulation.clocks import SkewedClock
from roost.simulation.controlplane import ControlPlane, Process
from roost.simulation.seeds import derived
from roost.simulation.volumes import VirtualPodFiles

_POD_ADDRESSES = range(2, 254)
_LAYOUT = Layout.under("/var/lib/roost")
#: How many files, and how many processes, a machine can have.
_COUNTED = 1_000_000
#: Of a longer log the older half goes.
_LOG_BYTES = 256 << 10
#: What changes in a pod within so many seconds is one write: at one instant much happens here.
REPORT_DELAY_S = 0.01
NODE_INFO: Mapping[str, str] = {
    "machineID": "simulated",
    "osImage": "Roost simulation",
    "kernelVersion": "simulated",
    "operatingSystem": "linux",
    "architecture": "amd64",
}


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a node is to be like. Quantities as in the API."""

    name: str
    cpu: str = "8"
    memory: str = "32Gi"
    storage: str = "100Gi"
    pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()

    def capacity(self) -> Capacity:
        """Return the numbers; raises ValueError for what is no quantity."""
        return Capacity(
            cpu_millis=int(quantity.parse(self.cpu) * 1000),
            memory_bytes=int(quantity.parse(self.memory)),
            ephemeral_bytes=int(quantity.parse(self.storage)),
            pods=self.pods,
        )


def pod_prefix(index: int) -> str:
    """Return the first three numbers of a node's pod addresses."""
    return f"10.{244 + index // 256}.{index % 256}"


class SubnetNetwork:
    """node.podnetwork.PodNetwork: the addresses of one node's /24, in turn, and nothing else."""

    def __init__(self, index: int) -> None:
        self._prefix = pod_prefix(index)
        self._last = _POD_ADDRESSES.start - 1
        self._attached: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self.host_ports: dict[str, tuple[HostPort, ...]] = {}

    async def attach(
        self, pod_uid: str, pod_name: str, pod_namespace: str, host_ports: Sequence[HostPort] = ()
    ) -> tuple[str, str]:
        del pod_name, pod_namespace
        if pod_uid not in self._attached:
            address = self._next()
            self._attached[pod_uid], self._taken[address] = address, pod_uid
        self.host_ports[pod_uid] = tuple(host_ports)
        return f"/run/netns/{pod_uid}", self._attached[pod_uid]

    def _next(self) -> str:
        """Return the next free address; those just given back come last."""
        for _ in _POD_ADDRESSES:
            self._last += 1
            if self._last not in _POD_ADDRESSES:
                self._last = _POD_ADDRESSES.start
            address = f"{self._prefix}.{self._last}"
            if address not in self._taken:
                return address
        raise NetworkError(f"no address is left in {self._prefix}.0/24")

    async def detach(self, pod_uid: str) -> None:
        address = self._attached.pop(pod_uid, None)
        if address is not None:
            del self._taken[address]
        self.host_ports.pop(pod_uid, None)

    async def recover(self) -> Mapping[str, str]:
        return dict(self._attached)


class EverythingAnswers:
    """ports.Network of a world without a network: every port of every pod is open, GET answers 200.

    That is what a container that only "runs" can say; programs and a network of the simulation take
    its place.
    """

    async def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        del host, port, timeout_s

    async def http_get(
        self, url: str, headers: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> tuple[int, bytes]:
        del url, headers, timeout_s
        return 200, b"ok"


class Machine(Protocol):
    """What a node needs of the world: made anew with each start of the machine."""

    def runtime(self, node: SimulatedNode) -> Runtime: ...

    def pod_network(self, node: SimulatedNode) -> PodNetwork: ...

    def reach(self, node: SimulatedNode) -> Network: ...

    def isolate(self, node: str) -> None:
        """Let nothing cross between a node and the others, until it may rejoin them."""
        ...

    def rejoin(self, node: str) -> None: ...


class PlainMachine:
    """A Machine on which containers are behaviours; `behave` chooses one for each attempt."""

    def __init__(self, clock: WallClock, behave: Callable[[ContainerSpec], Behaviour]) -> None:
        self._clock = clock
        self._behave = behave

    def runtime(self, node: SimulatedNode) -> Runtime:
        return SimulatedRuntime(self._clock.now, behave=self._behave, log=node.write_log)

    def pod_network(self, node: SimulatedNode) -> PodNetwork:
        return SubnetNetwork(node.index)

    def reach(self, node: SimulatedNode) -> Network:
        del node
        return EverythingAnswers()

    def isolate(self, node: str) -> None:
        """There is no network that could be cut."""

    def rejoin(self, node: str) -> None:
        """There is no network that could be cut."""


class SimulatedNode:
    """One node; `agent` is None while none runs."""

    def __init__(self, plane: ControlPlane, spec: NodeSpec, index: int, machine: Machine) -> None:
        self.spec = spec
        self.index = index
        self.address = f"192.168.{(index + 10) // 250}.{(index + 10) % 250 + 1}"
        self.powered = False
        self.agent: NodeAgent | None = None
        self._plane = plane
        self._machine = machine
        self._process = Process(f"node {spec.name}")
        user = User(f"system:node:{spec.name}", (MASTERS, AUTHENTICATED))
        self.link = plane.link(user, Manner(trusted=True, manager="kubelet"))
        self.clock = SkewedClock(plane.clock)
        self._starts = 0
        self._boot()

    @property
    def name(self) -> str:
        return self.spec.name

    def _boot(self) -> None:
        """Make the machine as it is after power came: empty."""
        self.files = MemoryFiles()
        self.levels = GivenLevels()
        self.pod_files = VirtualPodFiles(self.files, _LAYOUT)
        self.runtime = self._machine.runtime(self)
        self.network = self._machine.pod_network(self)

    def write_log(
        self, path: str, line: str, stream: str = "stdout", *, whole: bool = True
    ) -> None:
        """Append a line that a container prints to its log, as the CRI's logs are.

        `whole`: a line break follows it. On a full disk the line is lost.
        """
        if self.files.full:
            return
        stamp = log_stamp(self.clock.now())
        entry = f"{stamp} {stream} {'F' if whole else 'P'} {line}\n".encode()
        known = self.files.read(path) or b""
        if len(known) > _LOG_BYTES:
            known = known[known.index(b"\n", len(known) // 2) + 1 :]
        self.files.write(path, known + entry)

    def press(self, signal: str, left: float | None) -> None:
        """Let the machine have a share left of something (None: enough); a signal as those of
        --eviction-hard. Raises ValueError for another."""
        if signal not in RESOURCES:
            raise ValueError(f"there is no signal {signal}; there are {', '.join(RESOURCES)}")
        capacity = self.spec.capacity()
        by_resource = {
            "memory": capacity.memory_bytes, "ephemeral-storage": capacity.ephemeral_bytes,
        }  # fmt: skip
        whole = by_resource.get(RESOURCES[signal], _COUNTED)
        self.levels.known.pop(signal, None)
        if left is not None:
            self.levels.known[signal] = Level(int(whole * left), whole)
        if self.agent is not None:
            self.agent.evictions.on_levels()

    def start_agent(self) -> None:
        """Start the agent; it adopts what runs."""
        if self._process.alive:
            return
        self.powered = True
        self._starts += 1
        plane, name = self._plane, self.name
        recorder = EventRecorder(self.link, self.clock, "kubelet", host=name)
        settings = NodeSettings(
            name=name,
            host_ips=(self.address,),
            capacity=self.spec.capacity(),
            layout=_LAYOUT,
            labels=self.spec.labels,
            taints=self.spec.taints,
            node_info=NODE_INFO,
            annotations={LOCAL_PATH_ROOT: _LAYOUT.volumes},
            report_delay_s=REPORT_DELAY_S,
        )
        tools = Tools(
            client=self.link,
            runtimes=Runtimes([self.runtime]),
            clock=self.clock,
            chance=SeededChance(derived(plane.choice.seed, "node", name, self._starts)),
            files=self.files,
            pod_files=self.pod_files,
            network=self.network,
            reach=self._machine.reach(self),
            recorder=recorder,
            trees=MemoryTrees(self.files),
            levels=self.levels,
        )
        self.agent = NodeAgent(settings, tools)
        self._process.start(
            (f"agent of {name}", self.agent.run()), (f"events of {name}", recorder.run())
        )

    async def crash_agent(self) -> None:
        """End the agent as kill -9 does; containers go on."""
        await self._process.kill()
        self.agent = None

    async def stop(self) -> None:
        """Cut the power."""
        await self.crash_agent()
        self.powered = False
        self._boot()

    def remove(self) -> None:
        """Forget a node that was stopped for good."""
        self._plane.wire.drop(self.link)

    def check(self) -> None:
        """Raise if the agent ended, or a part of it failed, by a bug."""
        self._process.check()
        if self.agent is not None and self.agent.defects:
            raise RuntimeError(f"a part of the agent of {self.name} failed: see the log")


def log_stamp(now: float) -> str:
    """Return a time as it stands in a container's log."""
    text = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{round(now % 1 * 1e9) % 10**9:09d}Z"
