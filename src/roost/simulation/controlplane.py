"""The control plane of a simulated cluster: server, controllers and scheduler over one store.

Each of the three can be crashed and started again alone, as processes can: a crash cancels its tasks
and forgets its memory, and only the store stays. Rule: everything that happens by chance, every id and
every time comes from ports that the seed decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Protocol

from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Kind, Resource
from roost.api.registry import builtin
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver import components
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.addons import add_addons
from roost.apiserver.admission import chain
from roost.apiserver.admission.registered import Registered
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.usage import quota_matches, usage_of
from roost.apiserver.admission.webhooks.port import Caller, CallFailed, Endpoint
from roost.apiserver.aggregation.remote import Fetcher
from roost.apiserver.aggregation.upkeep import Services
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.bootstrap import Advertised, bootstrap_cluster
from roost.apiserver.core import Lookup
from roost.apiserver.customresources import CustomResources
from roost.apiserver.documents import reader
from roost.apiserver.inprocess import Manner
from roost.apiserver.reviews import handlers
from roost.apiserver.server import ApiServer
from roost.client.informer import Informers
from roost.controllers.registry import ALL, AUTHORITY, EVERYWHERE, OWN, Setup, chosen, controllers
from roost.controllers.resourcequota import QuotaRules
from roost.decisions.asking import Ask
from roost.decisions.meta import stamp
from roost.decisions.served import served_kinds
from roost.engine.discovered import Discovered
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling
from roost.ports.port import WallClock
from roost.simulation.clocks import SkewedClock
from roost.simulation.keys import SeededKeys
from roost.simulation.link import Link, Wire
from roost.simulation.seeds import derived
from roost.simulation.sharing import Tenant
from roost.simulation.starting import grant
from roost.store.port import Store

SERVER: Final = "server"
CONTROLLERS: Final = "controllers"
SCHEDULER: Final = "scheduler"
#: Through which controllers and scheduler see the cluster; not a process.
WATCHES: Final = "watches"
#: The API server's address as pods see it; nobody listens there but in the simulation's network.
ADDRESS: Final = "192.168.0.1"
PORT: Final = 6443

_QUOTAS: Final = Resource("", "v1", "resourcequotas")
_MANAGER: Final = User("system:kube-controller-manager", (MASTERS, AUTHENTICATED))
_SCHEDULER: Final = User("system:kube-scheduler", (MASTERS, AUTHENTICATED))
_TRUSTED: Final = Manner(trusted=True)
#: Stands for the CA in the ConfigMap kube-root-ca.crt: there is no TLS in a simulation.
CA_PEM: Final = "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGlvbg==\n-----END CERTIFICATE-----\n"


class NoWebhooks:
    """A webhooks.port.Caller for clusters without a network."""

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        del body, timeout_s
        raise CallFailed(f'Post "{endpoint.url}": there is no network')


class Runs(Protocol):
    """Something that works until it is cancelled."""

    def run(self) -> Coroutine[Any, Any, None]: ...


#: Where nodes listen themselves, which no Service of type LoadBalancer can have.
_NODE_PORTS: Final = frozenset({10250})


@dataclass(frozen=True, slots=True)
class Choice:
    """What a control plane is made with."""

    seed: int = 0
    controllers: str = "*"
    addons: bool = True
    node_grace_s: float = 40.0


class Process:
    """Tasks that live and die together, like a process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: dict[asyncio.Task[None], None] = {}

    @property
    def alive(self) -> bool:
        return bool(self._tasks)

    def start(self, *parts: tuple[str, Coroutine[Any, Any, None]]) -> None:
        for name, run in parts:
            # In a context of its own: what it does later is not caused by who started it.
            loop, context = asyncio.get_running_loop(), Context()
            self._tasks[loop.create_task(run, name=name, context=context)] = None

    async def kill(self) -> None:
        """End it without a word, like kill -9."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))

    def check(self) -> None:
        """Raise what ended one of its tasks, if one has ended: that is a bug, not a crash."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                error = task.exception()
                raise RuntimeError(f"{self.name}: {task.get_name()} ended") from error


class ControlPlane:
    """See the module. All coroutines run on the cluster's virtual loop."""

    def __init__(self, store: Store, clock: WallClock, choice: Choice) -> None:
        self.store = store
        self.clock = clock
        self.choice = choice
        self.clocks = {
            name: SkewedClock(clock) for name in (SERVER, CONTROLLERS, SCHEDULER, WATCHES)
        }
        self.wire = Wire()
        self.names = chosen(choice.controllers, (*ALL, SCHEDULER)) if choice.controllers else ()
        self.registry = builtin()
        self._keys = SeededKeys(choice.seed)
        # They go on where they were when the server is started again: ids never repeat.
        self._ids = SeededIds(derived(choice.seed, "ids"))
        self._server_chance = SeededChance(derived(choice.seed, SERVER))
        self._starts: dict[str, int] = {}
        self._manager, self._scheduler = self.link(_MANAGER), self.link(_SCHEDULER)
        self._processes = {name: Process(name) for name in (SERVER, CONTROLLERS, SCHEDULER)}
        self._tenants: dict[str, Tenant] = {}
        self._caches = Process("caches")
        self._watches = self.link(_MANAGER)
        self.informers = Informers(self._watches, SeededChance(derived(choice.seed, "caches")))
        #: What reaches kubelets and extension servers; set before `start`, or there are no metrics.
        self.fetcher: Fetcher | None = None
        #: What reaches webhooks; set before `start`, or all calls of them fail.
        self.caller: Caller = NoWebhooks()
        self._authenticator: Authenticator | None = None
        self.engine: Engine | None = None
        self.scheduling: Scheduling | None = None

    @property
    def server(self) -> ApiServer:
        """The server; raises ConnectionRefusedError while there is none."""
        if self.wire.server is None:
            raise ConnectionRefusedError("the API server is down")
        return self.wire.server

    @property
    def authenticator(self) -> Authenticator:
        """Who knows who asks; raises ConnectionRefusedError while there is no server."""
        if self._authenticator is None or self.wire.server is None:
            raise ConnectionRefusedError("the API server is down")
        return self._authenticator

    def link(self, user: User | None = None, manner: Manner = _TRUSTED) -> Link:
        """Return a client that outlives the server."""
        return self.wire.link(user, manner)

    def link_of(self, name: str) -> Link:
        """Return how a component reaches the server; raises ValueError for the server itself."""
        links = {CONTROLLERS: self._manager, SCHEDULER: self._scheduler, WATCHES: self._watches}
        if name not in links:
            raise ValueError(f"{name} sends no requests; name one of {', '.join(links)}")
        return links[name]

    async def start_component(self, name: str) -> None:
        """Start one component that was crashed."""
        starts = {
            SERVER: self.start_server,
            CONTROLLERS: self.start_controllers,
            SCHEDULER: self.start_scheduler,
        }
        await starts[name]()

    async def start(self) -> None:
        """Start everything, and make what every cluster has."""
        await self.start_server()
        self._caches.start(("informers", self.informers.run()))
        await self.start_controllers()
        await self.start_scheduler()

    async def kill(self, name: str) -> None:
        """Crash one component."""
        if name == SERVER:
            self.wire.connect(None)
        await self._processes[name].kill()
        if name in self._tenants:
            self._tenants.pop(name).leave()

    async def stop(self) -> None:
        await self._caches.kill()
        for name in (SCHEDULER, CONTROLLERS, SERVER):
            await self.kill(name)

    def alive(self, name: str) -> bool:
        return self._processes[name].alive

    def check(self) -> None:
        """Raise if a component ended by a bug."""
        self._caches.check()
        for process in self._processes.values():
            process.check()

    def _began(self, name: str) -> int:
        """Count a start of a component, and return how many there were."""
        self._starts[name] = count = self._starts.get(name, 0) + 1
        return count

    # -- the server ---------------------------------------------------------------------------

    async def start_server(self) -> None:
        if self.alive(SERVER):
            return
        authorizer, chance, clock = Authorizer(), self._server_chance, self.clocks[SERVER]
        registry = builtin()
        lookup = Lookup(self.store, registry)
        authenticator = Authenticator(clock, self._keys, lookup)

        async def write_quota(quota: Object) -> Object:
            namespace = quota["metadata"]["namespace"]
            return await api.client().update(_QUOTAS, quota, namespace, subresource="status")

        def node(kind: Kind) -> Node:
            return api.core.node(kind)

        around = Surroundings(registry, self._ids, authorizer, node, lambda: stamp(clock.now()))
        registered = Registered(around, self.caller)
        plugins = chain.plugins(authorizer, chance, write_quota, registered.plugins())
        api = ApiServer(
            self.store, registry, clock, chance, self._ids,
            authorizer=authorizer,
            admission=[chain.Chain(plugins)],
            handlers=handlers(
                authenticator, authorizer, self._keys, lookup, clock, self._ids,
                [chain.Chain(registered.plugins())],
            ),
            fetcher=self.fetcher,
        )  # fmt: skip
        CustomResources(api, self.caller)
        api.components.runs(components.CONTROLLERS, lambda: self.alive(CONTROLLERS))
        api.components.runs(components.SCHEDULER, lambda: self.alive(SCHEDULER))
        informers = self._tenants[SERVER] = Tenant(self.informers)
        # What is served here has no APIService: nobody needs so many objects. Others may have some.
        extensions = Services(
            set, api.client(), clock, informers, api.remotes, lambda: None, look_every_s=None
        )
        self._processes[SERVER].start(
            ("api", api.run()),
            ("access", authorizer.run(self.store)),
            ("registered admission", registered.run(self.store)),
            ("apiservices", extensions.run()),
        )
        await api.ready()
        await authorizer.ready()
        await registered.ready()
        if self._began(SERVER) == 1:
            await self._bootstrap(api)
        registered.start()
        if api.node_metrics is not None:
            api.node_metrics.present = True
        self.registry, self._authenticator = registry, authenticator
        self.wire.connect(api)

    async def _bootstrap(self, api: ApiServer) -> None:
        client = api.client()
        await bootstrap_cluster(client, Advertised(ADDRESS, PORT))
        await grant(api)
        if self.choice.addons:
            await add_addons(client)

    # -- controllers and scheduler ------------------------------------------------------------

    async def start_controllers(self) -> None:
        names = [name for name in self.names if name != SCHEDULER and name not in AUTHORITY]
        if self.alive(CONTROLLERS) or not names:
            return
        link = self._manager
        chance = SeededChance(derived(self.choice.seed, CONTROLLERS, self._began(CONTROLLERS)))
        informers = self._tenants[CONTROLLERS] = Tenant(self.informers)
        setup = Setup(
            CA_PEM, served_kinds(builtin().kinds()), QuotaRules(usage_of, quota_matches),
            node_grace_s=self.choice.node_grace_s, node_ports=_NODE_PORTS,
        )  # fmt: skip
        fixed = [name for name in names if name not in EVERYWHERE]
        everywhere = [name for name in names if name in EVERYWHERE]
        engine = Engine(
            link, self.clocks[CONTROLLERS], chance, (*controllers(fixed, setup), *OWN),
            informers=informers, reader=self._read, tells_causes=True,
        )  # fmt: skip

        def build(served: Sequence[Any]) -> Any:
            return controllers(everywhere, Setup(CA_PEM, tuple(served), setup.quota))

        discovered = Discovered(engine, setup.served, build)
        self._processes[CONTROLLERS].start(
            ("controllers", engine.run()), ("controllers of all resources", discovered.run())
        )
        self.engine = engine

    async def _read(self, ask: Ask) -> Object:
        """Get a document, such as metrics, from whichever server is there."""
        return await reader(self.server, _MANAGER, self.fetcher)(ask)

    async def start_scheduler(self) -> None:
        if self.alive(SCHEDULER) or SCHEDULER not in self.names:
            return
        chance = SeededChance(derived(self.choice.seed, SCHEDULER, self._began(SCHEDULER)))
        informers = self._tenants[SCHEDULER] = Tenant(self.informers)
        scheduling = Scheduling(
            self._scheduler, self.clocks[SCHEDULER], chance, informers=informers
        )
        self._processes[SCHEDULER].start(("scheduler", scheduling.run()))
        self.scheduling = scheduling
