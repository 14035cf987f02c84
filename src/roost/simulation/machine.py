"""Machines on which containers are programs, joined by a fabric: nodes.Machine.

An image class is chosen by the reference that was pulled; a Behaviour that was set for a container or
an image comes first. An image that nobody registered cannot be pulled, as in the real world; where the
world is not strict, a command that needs no particular image does there what it does in others. Of
anything else only its place is known: what others wait for ends well after a second, and the rest are
servers that run for ever and answer on every port.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from roost.adapters.virtual.chance import SeededChance
from roost.api.values import Object
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS, service_account_user
from roost.apiserver.attributes import ANONYMOUS, User
from roost.apiserver.inprocess import Manner
from roost.client.informer import Informers
from roost.client.port import Client
from roost.decisions.controller import controller_of
from roost.decisions.meta import labels_of
from roost.network.plan import DNS_ADDRESS
from roost.node.podnetwork import PodNetwork
from roost.node.podspec import Role, init_containers, init_role, main_containers
from roost.ports.port import Chance, Network
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.images.reference import InvalidName, parse
from roost.runtimes.port import ContainerSpec, Runtime, RuntimeFault
from roost.runtimes.simulated import Program, Registry, SimulatedRuntime, layer_folder
from roost.simulation.controlplane import ADDRESS, ControlPlane
from roost.simulation.kinds import find_kind
from roost.simulation.link import Link
from roost.simulation.network.fabric import Fabric, Host, Latency, Listener
from roost.simulation.network.gates import Gates
from roost.simulation.network.messages import Headers, Response
from roost.simulation.network.names import Names, Resolv
from roost.simulation.network.pods import FabricPodNetwork, ProbeNetwork
from roost.simulation.network.services import ServiceTables
from roost.simulation.nodes import SimulatedNode, pod_prefix
from roost.simulation.seeds import derived
from roost.simulation.workloads.api import Api
from roost.simulation.workloads.commands import check_program
from roost.simulation.workloads.context import PodInfo, Respond, World, answering, fetch
from roost.simulation.workloads.files import ContainerFiles
from roost.simulation.workloads.guarding import Guard, NoGuard, Stuck, Tasks
from roost.simulation.workloads.image import Catalogue, Image
from roost.simulation.workloads.plain import is_plain
from roost.simulation.workloads.program import ImageProgram
from roost.simulation.workloads.shipped import SHIPPED, Commands

_PROXY: Final = User("system:kube-proxy", (MASTERS, AUTHENTICATED))
_STREAMS: Final = {1: "stdout", 2: "stderr"}
#: What every process has.
_ENV: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}
_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
#: How a container goes that has to end, where nothing else is known of it.
_WORK: Final = Behaviour(run_s=1.0)
#: The first numbers of the addresses outside.
_OUTSIDE: Final = "203.0.113"


class Behave(Protocol):
    """What was chosen for containers."""

    def knows(self, image: str) -> bool: ...

    def find(self, spec: ContainerSpec, image: str, labels: Mapping[str, str]) -> Behaviour | None:
        """Return what was chosen for a container of an image, if anything."""
        ...


@dataclass(slots=True)
class _Box:
    """What one node has between two losses of power."""

    node: SimulatedNode
    host: Host
    pods: FabricPodNetwork
    runtime: SimulatedRuntime
    programs: dict[str, ImageProgram] = field(default_factory=dict)
    #: How programs reach the API: (account, program) -> link.
    links: dict[tuple[str, str], Link] = field(default_factory=dict)


class Machines:
    """All nodes' machines. `informers` must be run by somebody: `parts` says what."""

    def __init__(
        self,
        plane: ControlPlane,
        behave: Behave,
        *,
        images: tuple[type[Image], ...] = SHIPPED,
        strict: bool = True,
        latency: Latency | None = None,
        pull_s: float = 0.0,
        stop_s: float = 0.0,
        guard: Guard | None = None,
    ) -> None:
        self.catalogue = Catalogue(images)
        #: Images that cannot be pulled meanwhile: (pattern, why).
        self.unpullable: list[tuple[str, str]] = []
        self._strict = strict
        self._plane = plane
        self._behave = behave
        self._pull_s = pull_s
        self._stop_s = stop_s
        self._guard = guard or _usual_guard()
        self._outside: dict[str, str] = {}
        self._boxes: dict[str, _Box] = {}
        self._started = 0
        link = plane.link(_PROXY, Manner(trusted=True, manager="kube-proxy"))
        self._informers = Informers(link, SeededChance(derived(plane.choice.seed, "services")))
        tables = ServiceTables(self._informers)
        self.fabric = Fabric(tables, plane.clock, latency)
        #: Where the API server's own requests come from.
        self.server = Host("outside", "kube-apiserver", ADDRESS, "")
        self.gates = Gates(tables, self._pod_of)
        self.fabric.passes = self.gates.passes
        self.names = Names(tables.zone, DNS_ADDRESS, self._outside)

    async def run(self) -> None:
        """Follow Services and their endpoints until cancelled."""
        await self._informers.run()

    def _pod_of(self, host: Host) -> Object | None:
        """Return the pod of a host as its node's agent last saw it."""
        box = self._boxes.get(host.node)
        agent = None if box is None else box.node.agent
        return None if agent is None else agent.pod_of(host.uid)

    # -- nodes.Machine

    def runtime(self, node: SimulatedNode) -> Runtime:
        """Return the runtime of a machine that was just given power, or has just lost it."""
        self._power_off(node.name)
        host = Host("node", node.name, node.address, node.name)
        pods = FabricPodNetwork(self.fabric, host, pod_prefix(node.index))

        def choose(spec: ContainerSpec) -> Behaviour | Program:
            return self._chosen(node, box, spec)

        def log(path: str, line: str) -> None:
            node.write_log(path, line)

        registry = Registry(self._pull_s, refuse=self._refusal)
        runtime = SimulatedRuntime(
            node.clock.now, behave=choose, registry=registry, log=log, stop_s=self._stop_s
        )
        box = self._boxes[node.name] = _Box(node, host, pods, runtime)
        return runtime

    def _refusal(self, reference: str) -> str:
        """Say why an image cannot be pulled now, "" if it can.

        Raises RuntimeFault (InvalidImageName) for what is no name of an image.
        """
        try:
            parse(reference)
        except InvalidName as error:
            words = f'Failed to apply default image tag "{reference}": {error}'
            raise RuntimeFault("InvalidImageName", words) from error
        for pattern, why in self.unpullable:
            if fnmatch.fnmatchcase(reference, pattern):
                return f"failed to pull and unpack image {reference!r}: {why}"
        if not self._strict or self._behave.knows(reference):
            return ""
        return self.catalogue.refusal(reference)

    def pod_network(self, node: SimulatedNode) -> PodNetwork:
        return self._boxes[node.name].pods

    def reach(self, node: SimulatedNode) -> Network:
        """Return what the agent probes with; from now on the node can be reached."""
        host = self.fabric.add(self._boxes[node.name].host)
        return ProbeNetwork(self.fabric, host)

    def isolate(self, node: str) -> None:
        """Let nothing cross between a node and the others."""
        self.fabric.isolated[node] = None
        for link in self._boxes[node].links.values():
            link.cut()

    def rejoin(self, node: str) -> None:
        self.fabric.isolated.pop(node, None)
        for link in self._boxes[node].links.values():
            link.mend()

    def _power_off(self, name: str) -> None:
        box = self._boxes.pop(name, None)
        if box is None:
            return
        for program in box.programs.values():
            program.kill()
        for link in box.links.values():
            self._plane.wire.drop(link)
        box.pods.drop_all()
        self.fabric.remove(box.host.address)

    # -- containers

    def _chosen(self, node: SimulatedNode, box: _Box, spec: ContainerSpec) -> Behaviour | Program:
        reference = box.runtime.reference_of(spec.image)
        pod_uid = box.runtime.sandbox_specs[spec.sandbox_id].pod_uid

        pod = None if node.agent is None else node.agent.pod_of(pod_uid)
        behaviour = self._behave.find(spec, reference, {} if pod is None else labels_of(pod))
        kind = None if behaviour is not None else self._kind(reference, spec)
        if kind is None and behaviour is None and pod is not None and has_to_end(pod, spec.name):
            return _WORK
        if kind is None:
            host = box.pods.host(pod_uid)
            if host is not None:
                host.open = True
            return (behaviour or Behaviour()).drawn(self._chance(spec))
        image = _made(kind)
        argv = command_of(image, spec)
        if not argv and kind.run is Image.run:
            raise RuntimeFault("CreateContainerError", "no command specified")
        account = "default" if pod is None else pod["spec"].get("serviceAccountName", "default")
        world = self._world(node, box, image, spec, account)
        if argv and kind.run is Image.run and kind.exec is Image.exec:
            check_program(argv[0], world.files)

        def log(stream: int, line: str, whole: bool) -> None:
            node.write_log(spec.log_path, line, _STREAMS[stream], whole=whole)

        program = ImageProgram(image, world, argv, log, self._guard)
        gone = [one for one, known in box.programs.items() if known.over]
        for one in gone:
            del box.programs[one]
        box.programs[spec.id] = program
        return program

    def _kind(self, reference: str, spec: ContainerSpec) -> type[Image] | None:
        """Return what plays a container; None: a server of which nothing is known."""
        found = self.catalogue.find(reference)
        if found is None and spec.command and is_plain((*spec.command, *spec.args)):
            return Commands
        return found

    def _chance(self, spec: ContainerSpec) -> Chance:
        """Return the chance of one attempt at a container."""
        self._started += 1
        return SeededChance(derived(self._plane.choice.seed, spec.id, self._started))

    def _link(self, node: str, user: User, program: str) -> Link:
        """Return how programs of an image reach the API as a user, from a node."""
        links = self._boxes[node].links
        found = links.get((user.name, program))
        if found is None:
            found = self._plane.link(user, Manner(manager=program, validation="Strict"))
            links[user.name, program] = found
            if node in self.fabric.isolated:
                found.cut()
        return found

    def _world(
        self, node: SimulatedNode, box: _Box, image: Image, spec: ContainerSpec, account: str
    ) -> World:
        sandbox = box.runtime.sandbox_specs[spec.sandbox_id]
        host = box.host if sandbox.host_network else box.pods.host(sandbox.pod_uid)
        if host is None:
            raise RuntimeFault("CreateContainerError", "the pod has no network")
        files = ContainerFiles(
            node.files, layer_folder(spec.id), spec.mounts,
            folder=spec.working_dir or "/", read_only=spec.security.read_only_root,
        )  # fmt: skip
        for path, content in image.files.items():
            node.files.write(layer_folder(spec.id) + path, content.encode())
        pod = PodInfo(
            sandbox.pod_name, sandbox.pod_namespace, sandbox.pod_uid, host.address, node.name
        )
        user = service_account_user(pod.namespace, account, "", {})

        def connect() -> Client:
            known = user if files.is_file(_TOKEN) else ANONYMOUS
            return self._link(node.name, known, image.name or "program")

        kinds = partial(find_kind, self._plane.registry)
        return World(
            pod, spec.name, host, self.fabric, self.names, self._plane.clock,
            self._chance(spec),
            files, Tasks(self._guard),
            {**_ENV, "HOSTNAME": sandbox.hostname, **image.env, **dict(spec.env)},
            spec.limits.memory_bytes, cores_of(spec), sandbox.hostname,
            (spec.security.user or 0, spec.security.group or 0),
            api=Api(connect, kinds, pod.namespace),
        )  # fmt: skip

    # -- the world outside, and requests from it

    def outside(self, name: str) -> Host:
        """Return the machine of a name outside of the cluster, made at need."""
        address = self._outside.get(name)
        if address is None:
            address = f"{_OUTSIDE}.{len(self._outside) + 1}"
            self._outside[name] = address
            self.fabric.add(Host("outside", name, address, ""))
        return self.fabric.hosts[address]

    def knows(self, name: str) -> bool:
        """Whether a name outside is one of this world."""
        return name in self._outside

    def answer_outside(self, name: str, respond: Respond, port: int) -> None:
        """Let a machine outside answer on a port."""
        host = self.outside(name)
        host.listeners["tcp", port] = Listener(
            answering(respond, self._outside_failed), Tasks(self._guard)
        )

    def _outside_failed(self, words: str) -> None:
        """A server outside has no log; its client sees the 500."""

    async def fetch(
        self, source: Host, url: str, *, method: str, headers: Mapping[str, str], body: bytes,
        timeout_s: float,
    ) -> Response:  # fmt: skip
        """Send a request from a node or a pod, with the cluster's own names."""
        resolv = Resolv((DNS_ADDRESS,), _SEARCH, 5)
        nodes = {name: box.host.address for name, box in self._boxes.items()}
        nodes["localhost"] = "127.0.0.1"
        sent: Headers = tuple((name.lower(), value) for name, value in headers.items())
        return await fetch(
            self.fabric, source, lambda host: self.names.address(host, nodes, resolv), url,
            method=method, headers=sent, body=body, timeout_s=timeout_s,
        )  # fmt: skip

    def host_of(self, name: str) -> Host:
        """Return the host of a node, or of namespace/pod; raises KeyError."""
        if name in self._boxes:
            return self._boxes[name].host
        for host in self.fabric.hosts.values():
            if host.kind == "pod" and host.name == name:
                return host
        raise KeyError(name)


_SEARCH: Final = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")


def _usual_guard() -> Guard:
    """Return a guard that can stop a program, where there are threads for it."""
    if sys.platform == "emscripten":
        return NoGuard()
    from roost.adapters.real.stepguard import ThreadGuard

    return ThreadGuard(Stuck)


def cores_of(spec: ContainerSpec) -> float | None:
    """Return how many cores a container may use; None: all."""
    millis = spec.limits.cpu_millis
    return None if millis is None else millis / 1000


def _made(kind: type[Image]) -> Image:
    """Return an image for a container; raises RuntimeFault if its class cannot make one."""
    try:
        return kind()
    except (Exception, SystemExit) as error:
        words = f"{kind.__name__} cannot be made: {type(error).__name__}: {error}"
        raise RuntimeFault("CreateContainerError", words) from error


def has_to_end(pod: Object, container: str) -> bool:
    """Say whether others wait for a container's end: init containers are, and those of Jobs."""
    first = [one for one in init_containers(pod) if init_role(one) is Role.INIT]
    owner = controller_of(pod)
    of_job = owner is not None and owner["kind"] == "Job"
    return container in [one["name"] for one in (*first, *(main_containers(pod) if of_job else ()))]


def command_of(image: Image, spec: ContainerSpec) -> tuple[str, ...]:
    """Return what a container runs, as the Pod API says: `command` replaces the image's entrypoint
    and with it the image's arguments, `args` only those."""
    if spec.command:
        return (*spec.command, *spec.args)
    return (*image.entrypoint, *(spec.args or image.command))
