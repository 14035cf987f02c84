"""The node agent: registers the node, follows its pods, and keeps one worker for each.

FAIL STATIC. At the start everything that runs is adopted, from the runtimes, the records on disk and
the network. Pods are ended only by a complete list or a watch event of an API server that answers as
such (mirror.py); while none answers, the pods last known are looked after as before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from roost.api.values import Object
from roost.client.port import Query
from roost.decisions.resources import PODS
from roost.network.plan import NetworkError
from roost.node import podspec
from roost.node.admission import Requests, admit, resize_verdict
from roost.node.adoption import adopt, newest, resumed
from roost.node.evictions import Evictions
from roost.node.facts import PodFacts, PodState, Verdict
from roost.node.housekeeping import Housekeeping
from roost.node.memory import Desk
from roost.node.meter import Meter
from roost.node.mirror import Mirror
from roost.node.operations import Operations
from roost.node.prober import Prober
from roost.node.pulling import Puller
from roost.node.references import References
from roost.node.registration import Registration
from roost.node.reporter import StatusReporter
from roost.node.servicecache import ServiceCache
from roost.node.status import NodeAddress, pod_status
from roost.node.streaming.port import FoundContainer
from roost.node.tokens import Tokens
from roost.node.tools import NodeSettings, Tools
from roost.node.worker import PodWorker, Record
from roost.runtimes.port import (
    ContainerStatus,
    Runtime,
    RuntimeFault,
    SandboxStatus,
    State,
)

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_CRASH_REST_S = 10.0
_STRAY_GRACE_S = 30.0
_ACTIVE = frozenset({PodState.SYNCING, PodState.TERMINATING})


class NodeAgent:
    """One node. `run` lives until it is cancelled, which stops no container."""

    def __init__(self, settings: NodeSettings, tools: Tools) -> None:
        self.settings = settings
        self.tools = tools
        self._workers: dict[str, PodWorker] = {}
        #: Sandboxes of pods of which nothing is known yet but that they run: (runtime, sandboxes).
        self._strays: dict[str, list[tuple[Runtime, SandboxStatus]]] = {}
        self._owner_of: dict[str, str] = {}  # sandbox id -> pod uid
        self._early: list[ContainerStatus] | None = []
        self._addresses: Mapping[str, str] = {}
        self._meter = Meter(settings.name, tools)
        self._swept = False
        #: Parts that ended by an error nobody foresaw, and were begun again. Zero, or there is a bug.
        self.defects = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._housekeeping = Housekeeping(settings, tools, lambda: list(self._workers.values()))
        self.evictions = Evictions(
            settings,
            tools,
            lambda: list(self._workers.values()),
            self._housekeeping.remove_unused_images,
            lambda: self.registration.report(),  # noqa: PLW0108 - made below
        )
        self.registration = Registration(settings, tools, self.evictions.conditions)
        self.pod_mirror = Mirror(
            tools.client,
            Query(PODS, fields=f"spec.nodeName={settings.name}"),
            tools.chance,
            on_list=self._on_list,
            on_event=self._on_event,
            accepts=self._is_ours,
        )
        self._services = ServiceCache(tools, settings.layout, self._on_services)
        self._references = References(
            tools.client, tools.files, settings.layout, self._on_references
        )
        self._prober = Prober(tools.clock, tools.chance, tools.reach)
        self._reporter = StatusReporter(tools.client, settings.report_delay_s)
        self._desk = Desk(
            settings=settings,
            tools=tools,
            operations=Operations(settings, tools, self._services.known, self._allocatable),
            puller=Puller(tools),
            prober=self._prober,
            references=self._references,
            tokens=Tokens(tools.client, tools.clock, tools.chance),
            reporter=self._reporter,
            admit=self._admit,
            judge_size=self._judge_size,
            claim=self._owner_of.__setitem__,
        )

    # -- what others ask ------------------------------------------------------------------------

    def pods(self) -> Sequence[Object]:
        """Return the node's pods with their present status."""
        return [self._shown(worker) for worker in self._workers.values()]

    def pod_of(self, uid: str) -> Object | None:
        """Return a pod of the node as it was last seen."""
        worker = self._workers.get(uid)
        return None if worker is None else worker.pod

    def _shown(self, worker: PodWorker) -> Object:
        runtime = worker.runtime or self.tools.runtimes.all[0]
        address = NodeAddress(self.settings.host_ips, runtime.describe().name)
        status = pod_status(worker.pod, worker.facts, self.tools.clock.now(), address)
        return {**worker.pod, "status": {**(worker.pod.get("status") or {}), **status}}

    def find_container(self, namespace: str, pod: str, container: str) -> FoundContainer | None:
        """Return a container by name; with an empty name the pod's first."""
        worker = self._find(namespace, pod)
        if worker is None:
            return None
        name = container or podspec.main_containers(worker.pod)[0]["name"]
        found = podspec.find_container(worker.pod, name)
        if found is None:
            return None
        known, sandbox = worker.facts.container(name), worker.facts.sandbox
        attempt = known.seen.attempt if known.seen is not None else 0
        return FoundContainer(
            runtime=worker.runtime or self.tools.runtimes.all[0],
            container_id=known.seen.id if known.seen is not None else "",
            sandbox_id=sandbox.id if sandbox is not None else "",
            running=known.running,
            log_paths=self._logs(worker.pod, name, attempt) if known.seen else (),
            previous_log_paths=self._logs(worker.pod, name, attempt - 1) if attempt else (),
            tty=bool(found[1].get("tty")),
            stdin=bool(found[1].get("stdin")),
        )

    def _find(self, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of the newest pod of that name."""
        named = [
            worker
            for worker in self._workers.values()
            if podspec.name_of(worker.pod) == (namespace, name)
        ]
        return max(
            named, key=lambda one: one.pod["metadata"].get("creationTimestamp", ""), default=None
        )

    def _logs(self, pod: Object, name: str, attempt: int) -> tuple[str, ...]:
        current = self.settings.layout.log(pod, name, attempt)
        folder, _, file = current.rpartition("/")
        rotated = [one for one in self.tools.files.list(folder) if one.startswith(file + ".")]
        return (*(f"{folder}/{one}" for one in sorted(rotated)), current)

    async def summary(self) -> Object:
        """Return the stats/v1alpha1 Summary of the node and its pods."""
        return await self._meter.summary(self._workers.values())

    # -- the run --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the node until cancelled. Containers go on when this ends."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for runtime in self.tools.runtimes.all:
                tasks.create_task(self._listen(runtime))
            await self._recover()
            self.evictions.observe()  # before the node's first word of itself
            for run in (
                self._references.run,
                self._prober.run,
                self._reporter.run,
                self.registration.run,
                self._housekeeping.run,
                self.evictions.run,
                self._services.run,
                self.pod_mirror.run,
            ):
                tasks.create_task(self._forever(run))

    async def _forever(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the agent; should a defect end it, the others go on and it begins again."""
        while True:
            try:
                await run()
            except Exception:
                self.defects += 1
                log.exception("%s failed", getattr(run, "__qualname__", run))
                await asyncio.sleep(_CRASH_REST_S)
            else:
                return

    async def _listen(self, runtime: Runtime) -> None:
        """Hand the runtime's news to the workers; after a break ask it for everything again."""
        while True:
            try:
                async for batch in runtime.events():
                    for status in batch:
                        self._on_container(status)
            except (RuntimeFault, OSError) as error:
                log.warning("runtime %s: %s", runtime.describe().name, error)
            await asyncio.sleep(_RETRY_S)
            for sandbox in await self._recovered(runtime):
                for status in sandbox.containers:
                    self._on_container(status)

    def _on_container(self, status: ContainerStatus) -> None:
        if self._early is not None:
            self._early.append(status)
            return
        worker = self._workers.get(self._owner_of.get(status.sandbox_id, ""))
        if worker is not None:
            worker.on_container(status)

    async def _recovered(self, runtime: Runtime) -> list[SandboxStatus]:
        while True:
            try:
                return await runtime.recover()
            except (RuntimeFault, OSError) as error:
                log.warning("runtime %s cannot recover: %s", runtime.describe().name, error)
                await asyncio.sleep(_CRASH_REST_S)

    async def _recover(self) -> None:
        """Adopt all that runs, and take up the pods that were last known."""
        try:
            self._addresses = await self.tools.network.recover()
        except (OSError, NetworkError) as error:
            log.warning("the network cannot recover: %s", error)
        for runtime in self.tools.runtimes.all:
            for sandbox in await self._recovered(runtime):
                self._strays.setdefault(sandbox.pod_uid, []).append((runtime, sandbox))
                self._owner_of[sandbox.id] = sandbox.pod_uid
        for record in self._records():
            self._take_up(record.pod, record.facts)
        early, self._early = self._early or [], None
        for status in early:
            self._on_container(status)

    def _records(self) -> Iterable[Record]:
        folder = self.settings.layout.records
        for name in self.tools.files.list(folder):
            if not name.endswith(".json"):
                continue
            content = self.tools.files.read(f"{folder}/{name}")
            try:
                yield msgspec.json.decode(content or b"", type=Record)
            except (msgspec.DecodeError, KeyError) as error:
                # The pod's containers are adopted all the same once the API shows the pod.
                log.warning("the record %s cannot be read: %s", name, error)

    def _take_up(self, pod: Object, facts: PodFacts | None) -> None:
        """Begin to look after a pod, with whatever of it runs already."""
        uid = podspec.uid(pod)
        strays = self._strays.pop(uid, [])
        runtime = None
        if strays:
            sandbox = newest(one for _, one in strays)
            runtime = next(runtime for runtime, one in strays if one is sandbox)
        if runtime is None and facts is not None and facts.sandbox is not None:
            runtime = self.tools.runtimes.all[0]
        adopted = adopt(
            pod,
            facts,
            [self._with_last_words(pod, one) for _, one in strays],
            self._addresses.get(uid, ""),
            self.tools.clock.now(),
        )
        self._look_after(PodWorker(self._desk, pod, adopted, runtime))

    def _with_last_words(self, pod: Object, sandbox: SandboxStatus) -> SandboxStatus:
        """Return the sandbox with what its ended containers left to say while no agent listened."""
        containers = []
        for status in sandbox.containers:
            found = podspec.find_container(pod, status.name)
            if found is not None and status.state is State.EXITED:
                words = self._desk.operations.last_words(pod, found[1], status)
                status = replace(status, message=words or status.message)
            containers.append(status)
        return replace(sandbox, containers=tuple(containers))

    def _look_after(self, worker: PodWorker) -> None:
        if self._tasks is None:
            return
        self._workers[podspec.uid(worker.pod)] = worker
        self.evictions.on_pod(worker.pod)
        self._tasks.create_task(self._supervise(worker))

    async def _supervise(self, worker: PodWorker) -> None:
        """Run a worker; should a defect end it, the others go on and it begins again."""
        while True:
            try:
                await worker.run()
            except Exception:  # one pod's defect must not end the node
                self.defects += 1
                log.exception("the worker of %s failed", podspec.full_name(worker.pod))
                await asyncio.sleep(_CRASH_REST_S)
                facts = resumed(worker.facts)
                worker = PodWorker(self._desk, worker.pod, facts, worker.runtime)
                self._workers[podspec.uid(worker.pod)] = worker
            else:
                break
        uid = podspec.uid(worker.pod)
        if self._workers.get(uid) is worker:
            del self._workers[uid]
        for sandbox in [one for one, owner in self._owner_of.items() if owner == uid]:
            del self._owner_of[sandbox]

    # -- what the API says ----------------------------------------------------------------------

    def _is_ours(self, pod: Object) -> bool:
        bound: str | None = (pod.get("spec") or {}).get("nodeName")
        return bound == self.settings.name

    def _on_list(self, pods: dict[str, Object]) -> None:
        """Take in a complete list: the only thing but a DELETED event that ends pods."""
        for pod in pods.values():
            self._on_pod(pod)
        for uid, worker in self._workers.items():
            if uid not in pods:
                worker.on_removed()
        self._remove_orphans({*pods, *self._workers, *self._strays})
        for uid in [uid for uid in self._strays if uid not in pods]:
            strays = self._strays.pop(uid)
            if self._tasks is not None:
                self._tasks.create_task(self._end_strays(uid, strays))

    def _remove_orphans(self, known: set[str]) -> None:
        """Remove, after the first complete list, what pods left behind that are long gone."""
        if self._swept or self._tasks is None:
            return
        self._swept = True
        orphans = self._housekeeping.orphans(known)
        self._tasks.create_task(self._housekeeping.remove_orphans(orphans))

    def _on_event(self, kind: str, pod: Object) -> None:
        if kind != "DELETED":
            self._on_pod(pod)
            return
        worker = self._workers.get(podspec.uid(pod))
        if worker is not None:
            worker.on_pod(pod)
            worker.on_removed()

    def _on_pod(self, pod: Object) -> None:
        worker = self._workers.get(podspec.uid(pod))
        if worker is not None:
            worker.on_pod(pod)
        else:
            self._take_up(pod, None)

    async def _end_strays(self, uid: str, strays: list[tuple[Runtime, SandboxStatus]]) -> None:
        """Stop what runs for a pod that the API does not have and of which no record is left."""
        for runtime, sandbox in strays:
            log.info("pod %s/%s is gone: stopping it", sandbox.pod_namespace, sandbox.pod_name)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for container in sandbox.containers:
                        tasks.create_task(runtime.stop_container(container.id, _STRAY_GRACE_S))
                await runtime.stop_sandbox(sandbox.id)
            except* (RuntimeFault, OSError) as errors:
                log.warning("stopping pod %s: %s", uid, errors.exceptions)
        try:
            await self.tools.network.detach(uid)
        except (OSError, NetworkError) as error:
            log.warning("detaching pod %s: %s", uid, error)
        await self._housekeeping.remove_orphans([uid])

    def _on_references(self, uids: set[str]) -> None:
        for uid in sorted(uids):
            worker = self._workers.get(uid)
            if worker is not None:
                worker.on_references()

    def _on_services(self) -> None:
        for worker in self._workers.values():
            worker.on_services()

    # -- what workers ask -----------------------------------------------------------------------

    async def _admit(self, pod: Object) -> Verdict | None:
        refused = self.evictions.refusal(pod)
        if refused is not None:
            return refused
        uid = podspec.uid(pod)
        verdict = admit(pod, self.registration.expected(), self._others(uid))
        # The scheduler may have seen labels and taints that we have not.
        if verdict is not None and await self.registration.look():
            verdict = admit(pod, self.registration.expected(), self._others(uid))
        return verdict

    def _judge_size(self, pod: Object) -> Verdict | None:
        return resize_verdict(pod, self.registration.expected(), self._others(podspec.uid(pod)))

    def _others(self, uid: str) -> list[Requests]:
        """Return what the pods request that the node has taken and that have not ended, but one."""
        return [
            worker.requests()
            for other, worker in self._workers.items()
            if other != uid and worker.facts.admitted and worker.facts.state in _ACTIVE
        ]

    def _allocatable(self) -> dict[str, str]:
        found: dict[str, str] = self.registration.expected()["status"]["allocatable"]
        return found
