"""What can go wrong, as values: each fault begins and ends, and may be given for a time.

    cluster.inject(Partition("node-2"), for_s=60)
    with cluster.fault(FullDisk("server")): ...
    cluster.inject(FaultPlan.drawn(seed=7, nodes=list(cluster.nodes), duration_s=600))

Rules: a fault does to the world only what the world itself could do (it cuts a wire, it ends a process);
ending one puts back what it took and nothing else. Components are named "server", "controllers",
"scheduler", "watches" (through which controllers and scheduler see the cluster) and "node/NAME".
"""

from __future__ import annotations

import asyncio
import fnmatch
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from roost.adapters.virtual.chance import SeededChance
from roost.node.thresholds import MEMORY
from roost.runtimes.port import State
from roost.runtimes.simulated import SimulatedRuntime
from roost.simulation.clocks import SkewedClock
from roost.simulation.controlplane import CONTROLLERS, SCHEDULER, SERVER, WATCHES, ControlPlane
from roost.simulation.journal import JournalStore
from roost.simulation.link import Link
from roost.simulation.loop import VirtualLoop
from roost.simulation.machine import Machines
from roost.simulation.nodes import SimulatedNode
from roost.simulation.seeds import derived

_NODE: Final = "node/"


@dataclass(frozen=True, slots=True)
class World:
    """What faults do their work on."""

    plane: ControlPlane
    machines: Machines
    store: JournalStore
    nodes: Mapping[str, SimulatedNode]
    loop: VirtualLoop
    seed: int

    def node_of(self, component: str) -> SimulatedNode | None:
        """Return the node that "node/NAME" names, None for a part of the control plane.

        Raises ValueError for what is neither, KeyError for a node that there is not.
        """
        if component.startswith(_NODE):
            return self.nodes[component.removeprefix(_NODE)]
        if component not in (SERVER, CONTROLLERS, SCHEDULER, WATCHES):
            known = f"{SERVER}, {CONTROLLERS}, {SCHEDULER}, node/NAME"
            raise ValueError(f"there is no component {component!r}; there are {known}")
        return None

    def link_of(self, component: str) -> Link:
        """Return how a component reaches the server."""
        node = self.node_of(component)
        return self.plane.link_of(component) if node is None else node.link

    def clock_of(self, component: str) -> SkewedClock:
        node = self.node_of(component)
        return self.plane.clocks[component] if node is None else node.clock


class Fault(Protocol):
    """Something that goes wrong. Anybody may write one."""

    async def begin(self, world: World) -> None: ...

    async def end(self, world: World) -> None: ...


@dataclass(frozen=True, slots=True)
class Crash:
    """A component is killed, and started again at the end."""

    component: str

    async def begin(self, world: World) -> None:
        node = world.node_of(self.component)
        await (world.plane.kill(self.component) if node is None else node.crash_agent())

    async def end(self, world: World) -> None:
        node = world.node_of(self.component)
        if node is None:
            await world.plane.start_component(self.component)
        else:
            node.start_agent()


@dataclass(frozen=True, slots=True)
class Restart:
    """A component is killed and started again at once."""

    component: str

    async def begin(self, world: World) -> None:
        crash = Crash(self.component)
        await crash.begin(world)
        await crash.end(world)

    async def end(self, world: World) -> None:
        """It is over already."""


@dataclass(frozen=True, slots=True)
class PowerOff:
    """A machine loses power, and with it all that ran on it and its disk."""

    node: str

    async def begin(self, world: World) -> None:
        await world.nodes[self.node].stop()

    async def end(self, world: World) -> None:
        world.nodes[self.node].start_agent()


@dataclass(frozen=True, slots=True)
class Partition:
    """Nothing crosses between a node and the rest; what runs on it goes on."""

    node: str

    async def begin(self, world: World) -> None:
        world.nodes[self.node].link.cut()
        world.machines.isolate(self.node)

    async def end(self, world: World) -> None:
        world.nodes[self.node].link.mend()
        world.machines.rejoin(self.node)


@dataclass(frozen=True, slots=True)
class Delay:
    """Requests of a component, and the watch events for it, are `seconds` on their way."""

    component: str
    seconds: float

    async def begin(self, world: World) -> None:
        world.link_of(self.component).delay_s = self.seconds

    async def end(self, world: World) -> None:
        world.link_of(self.component).delay_s = 0.0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A share of a component's writes is carried out, but the answer is lost: it asks again."""

    component: str
    share: float = 0.3

    async def begin(self, world: World) -> None:
        link = world.link_of(self.component)
        link.lost = self.share
        if link.chance is None:
            link.chance = SeededChance(derived(world.seed, "lost answers", self.component))

    async def end(self, world: World) -> None:
        world.link_of(self.component).lost = 0.0


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The clock of a component is wrong by `seconds`."""

    component: str
    seconds: float

    async def begin(self, world: World) -> None:
        world.clock_of(self.component).skew_s = self.seconds

    async def end(self, world: World) -> None:
        world.clock_of(self.component).skew_s = 0.0


@dataclass(frozen=True, slots=True)
class FullDisk:
    """The disk of the server, or of a node, takes no more writes."""

    component: str

    async def begin(self, world: World) -> None:
        self._set(world, full=True)

    async def end(self, world: World) -> None:
        self._set(world, full=False)

    def _set(self, world: World, *, full: bool) -> None:
        node = world.node_of(self.component)
        if node is not None:
            node.files.full = full
        elif self.component == SERVER:
            world.store.full = full
        else:
            raise ValueError(f"{self.component} has no disk; name server or node/NAME")


@dataclass(frozen=True, slots=True)
class Shortage:
    """A node has a share (0 to 1) left of something: a signal of --eviction-hard."""

    node: str
    signal: str = MEMORY
    left: float = 0.0

    async def begin(self, world: World) -> None:
        world.nodes[self.node].press(self.signal, self.left)

    async def end(self, world: World) -> None:
        world.nodes[self.node].press(self.signal, None)


@dataclass(frozen=True, slots=True)
class PullFailure:
    """Images whose name fits a pattern cannot be pulled; what was pulled before stays."""

    image: str = "*"
    reason: str = "the registry cannot be reached"

    async def begin(self, world: World) -> None:
        world.machines.unpullable.append((self.image, self.reason))

    async def end(self, world: World) -> None:
        world.machines.unpullable.remove((self.image, self.reason))


@dataclass(frozen=True, slots=True)
class Kill:
    """The containers of pods (a pattern of namespace/name) are killed, once."""

    pod: str
    container: str = "*"

    async def begin(self, world: World) -> None:
        await end_containers(world, self.pod, self.container, "Error")

    async def end(self, world: World) -> None:
        """It is over already."""


@dataclass(frozen=True, slots=True)
class Oom:
    """The kernel kills the containers of pods (a pattern of namespace/name) for want of memory."""

    pod: str
    container: str = "*"

    async def begin(self, world: World) -> None:
        await end_containers(world, self.pod, self.container, "OOMKilled")

    async def end(self, world: World) -> None:
        """It is over already."""


async def end_containers(world: World, pod: str, container: str, reason: str) -> None:
    """Kill what runs and fits the patterns, in the order of nodes and starts."""
    for node in world.nodes.values():
        runtime = node.runtime
        if not isinstance(runtime, SimulatedRuntime):
            continue
        for sandbox in runtime.sandboxes():
            if not fnmatch.fnmatchcase(f"{sandbox.pod_namespace}/{sandbox.pod_name}", pod):
                continue
            for one in sandbox.containers:
                if one.state is State.RUNNING and fnmatch.fnmatchcase(one.name, container):
                    runtime.finish(one.id, 137, reason=reason)


# -- when ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that begins `at_s` seconds after its plan, for so long."""

    at_s: float
    fault: Fault
    for_s: float


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Faults in the order of their beginnings."""

    faults: tuple[Planned, ...]

    @classmethod
    def drawn(
        cls, seed: int, nodes: Sequence[str], duration_s: float, mean_gap_s: float = 45.0
    ) -> FaultPlan:
        """Draw a plan: the same seed gives the same one. All faults are over after `duration_s`.

        Nothing fails twice at a time: a fault of something waits until the one before is over.
        """
        chance = random.Random(derived(seed, "fault plan"))
        busy: dict[str, float] = {}
        planned: list[Planned] = []
        at = chance.expovariate(1 / mean_gap_s)
        while at < duration_s:
            fault, target, for_s = _draw(chance, nodes)
            for_s = min(for_s, duration_s - at)
            if busy.get(target, 0.0) <= at:
                busy[target] = at + for_s
                planned.append(Planned(round(at, 3), fault, round(for_s, 3)))
            at += chance.expovariate(1 / mean_gap_s)
        return cls(tuple(planned))


def _draw(chance: random.Random, nodes: Sequence[str]) -> tuple[Fault, str, float]:
    """Return a fault, what it strikes, and for how long."""
    node = chance.choice(nodes)
    part = chance.choice((SERVER, CONTROLLERS, SCHEDULER, f"{_NODE}{node}"))
    sender = chance.choice((CONTROLLERS, SCHEDULER, WATCHES, f"{_NODE}{node}"))
    short, long = chance.uniform(0.5, 40), chance.uniform(20, 400)
    seconds = chance.choice((0.005, 0.05, 0.5, 2.0))
    drawn: tuple[Callable[[], tuple[Fault, str, float]], ...] = (
        lambda: (Crash(part), part, short),
        lambda: (Restart(part), part, 0.0),
        lambda: (PowerOff(node), f"{_NODE}{node}", long),
        lambda: (Partition(node), f"{_NODE}{node}", chance.choice((short, long))),
        lambda: (Delay(sender, seconds), f"delay {sender}", long),
        lambda: (Duplicate(sender, 0.3), f"loss {sender}", long),
        lambda: (ClockSkew(part, chance.uniform(-5, 5)), f"clock {part}", long),
        lambda: (FullDisk(chance.choice((SERVER, f"{_NODE}{node}"))), f"disk {node}", short),
        lambda: (PullFailure("*"), "pull", long),
        lambda: (Oom(f"*/*{chance.choice('bcdfghjklmnpqrst245')}"), "", 0.0),
        lambda: (Kill(f"*/*{chance.choice('bcdfghjklmnpqrst245')}"), "", 0.0),
    )
    return chance.choice(drawn)()


class Injector:
    """Begins and ends faults; `note` is told of each."""

    def __init__(self, world: World, note: Callable[[str], None]) -> None:
        self.world = world
        self.active: list[Fault] = []
        self._note = note
        self._tasks: dict[asyncio.Task[None], None] = {}

    async def inject(self, fault: Fault | FaultPlan, for_s: float | None) -> None:
        """Begin a fault, for so long if that is said, or a plan."""
        if isinstance(fault, FaultPlan):
            self.later(fault)
            return
        await self.begin(fault)
        if for_s is not None:
            self._keep(asyncio.get_running_loop().create_task(self._end_after(fault, for_s)))

    async def begin(self, fault: Fault) -> None:
        self._note(f"begin {fault}")
        self.active.append(fault)
        await fault.begin(self.world)

    async def end(self, fault: Fault) -> None:
        """End a fault; does nothing if it is over."""
        if fault in self.active:
            self._note(f"end {fault}")
            self.active.remove(fault)
            await fault.end(self.world)

    async def end_all(self) -> None:
        """End what has begun, and let nothing more of a plan begin."""
        await self.stop()
        for fault in reversed(self.active[:]):
            await self.end(fault)

    def later(self, plan: FaultPlan) -> None:
        """Let a plan come true from now on."""
        for planned in plan.faults:
            self._keep(asyncio.get_running_loop().create_task(self._strike(planned)))

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))

    def check(self) -> None:
        """Raise what a fault raised."""
        for task in [task for task in self._tasks if task.done()]:
            del self._tasks[task]
            task.result()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks[task] = None

    async def _strike(self, planned: Planned) -> None:
        await asyncio.sleep(planned.at_s)
        await self.begin(planned.fault)
        await self._end_after(planned.fault, planned.for_s)

    async def _end_after(self, fault: Fault, for_s: float) -> None:
        await asyncio.sleep(for_s)
        await self.end(fault)
