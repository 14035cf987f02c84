"""What the agent works with: its settings, its ports, and the runtimes it hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from roost.api.values import Object
from roost.client.port import Client
from roost.node.layout import Layout
from roost.node.naming import ClusterNames
from roost.node.podfiles import PodFiles
from roost.node.podnetwork import PodNetwork
from roost.node.storage import Size
from roost.node.thresholds import DEFAULT, Level, Threshold, parse_thresholds
from roost.ports.port import Chance, Files, Network, WallClock
from roost.runtimes.port import Runtime, Usage


class Recorder(Protocol):
    """What the agent needs of client.recorder.EventRecorder; never fails and never waits."""

    def record(self, regarding: Object, type: str, reason: str, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the machine has, and how much of it is kept from pods."""

    cpu_millis: int
    memory_bytes: int
    ephemeral_bytes: int
    pods: int = 110
    reserved_cpu_millis: int = 0
    reserved_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Who the node is. `host_ips`: its addresses, the first is the main one."""

    name: str
    host_ips: tuple[str, ...]
    capacity: Capacity
    layout: Layout
    names: ClusterNames = field(default_factory=ClusterNames)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    kubelet_port: int = 10250
    #: nodeInfo: machineID, systemUUID, bootID, kernelVersion, osImage, architecture ...
    node_info: Mapping[str, str] = field(default_factory=dict)
    lease_duration_s: int = 40
    #: How long a pod's status waits for more of it before it is reported.
    report_delay_s: float = 0.0
    #: Images that no container uses go when the disk is this full, until it is that empty (parts of 1).
    image_high: float = 0.85
    image_low: float = 0.80
    log_max_bytes: int = 10 << 20
    log_max_files: int = 5
    #: When less is left than that, pods are refused and evicted.
    eviction_hard: tuple[Threshold, ...] = parse_thresholds(DEFAULT)


class Runtimes:
    """The runtimes of the node, by RuntimeClass handler; "" is the default one."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        self.all = tuple(runtimes)
        self._by_handler: dict[str, Runtime] = {}
        for runtime in self.all:
            for handler in runtime.describe().handlers:
                self._by_handler.setdefault(handler, runtime)

    def find(self, handler: str) -> Runtime | None:
        """Return the runtime of a handler, or None."""
        return self._by_handler.get(handler)

    @property
    def handlers(self) -> tuple[str, ...]:
        return tuple(self._by_handler)


class Space(Protocol):
    """How full the disk is that holds images and logs."""

    def disk_used(self) -> float:
        """Return the used part of the disk, 0 to 1."""
        ...

    def file_size(self, path: str) -> int:
        """Return a file's size in bytes; 0 where there is none."""
        ...


class Trees(Protocol):
    """How much is in folders of the node."""

    async def sizes(self, paths: Sequence[str]) -> list[Size]:
        """Return the size of each folder with all below it that is on the same disk, links not
        followed. It may take seconds, and not the loop's. Of what is very large, or goes meanwhile,
        at least what was seen."""
        ...


class Levels(Protocol):
    """What the machine has left of what runs out."""

    def read(self) -> Mapping[str, Level]:
        """Return levels by signal (memory.available ...), without those that cannot be told."""
        ...


class Machine(Protocol):
    """The machine that the node is."""

    def usage(self) -> Usage:
        """Return what everything on it uses, in and out of containers; its container id is empty."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The agent's ports."""

    client: Client
    runtimes: Runtimes
    clock: WallClock
    chance: Chance
    files: Files
    pod_files: PodFiles
    network: PodNetwork
    reach: Network
    recorder: Recorder
    space: Space | None = None
    machine: Machine | None = None
    trees: Trees | None = None
    levels: Levels | None = None
