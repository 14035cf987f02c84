"""What the agent does to a pod, one step each: volumes, sandbox, containers, hooks, clean-up.

No decisions here: a worker calls a step because a plan said so, and folds the result into its facts.
Steps raise Refused, RuntimeFault, StatusError or OSError; all may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from roost.api.values import Object
from roost.network.plan import NetworkError
from roost.node import podspec, resources
from roost.node.checks import Patient, ask
from roost.node.downward import Surroundings
from roost.node.env import environment
from roost.node.facts import ContainerFacts, ImageFacts, PodFacts, SandboxFacts
from roost.node.launch import (
    container_mounts,
    container_spec,
    sandbox_spec,
    target_of,
    wanted_mounts,
)
from roost.node.naming import hostname_of, hosts_file, resolv_conf
from roost.node.podnetwork import host_ports_of
from roost.node.pulling import reference_to
from roost.node.sources import RUNTIME_CLASSES, NotYetKnown, Refused, Sources
from roost.node.tools import NodeSettings, Tools
from roost.node.volumes import Payload, Planned, plan_volumes
from roost.runtimes.port import ContainerStatus, Mount, Resizing, Runtime, RuntimeFault

_MESSAGE_LIMIT = 4096
_LOG_MESSAGE_LIMIT = 2048
_LOG_MESSAGE_LINES = 80
_PUBLIC_FILE = 0o644
_MESSAGE_MODE = 0o666
_MIN_GRACE_AFTER_HOOK_S = 2.0
_HOOK_TIMEOUT_S = 30.0 * 60


class Operations:
    """The steps. `services` returns the services of the cluster, or None while they are unknown."""

    def __init__(
        self,
        settings: NodeSettings,
        tools: Tools,
        services: Callable[[], Iterable[Object] | None],
        allocatable: Callable[[], dict[str, str]],
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._services = services
        self._allocatable = allocatable

    def around(self, pod: Object, facts: PodFacts) -> Surroundings:
        """Return what the downward API may tell the pod now."""
        ips = self._settings.host_ips
        pod_ips = ips if podspec.host_network(pod) else ()
        if not pod_ips and facts.sandbox is not None and facts.sandbox.ip:
            pod_ips = (facts.sandbox.ip,)
        return Surroundings(self._settings.name, ips, pod_ips, self._allocatable())

    # -- volumes ------------------------------------------------------------------------------

    def planned_volumes(
        self, pod: Object, facts: PodFacts, sources: Sources
    ) -> tuple[Planned, ...]:
        return plan_volumes(pod, sources, self.around(pod, facts))

    async def place_volumes(self, pod: Object, planned: Iterable[Planned]) -> None:
        for one in planned:
            await self._tools.pod_files.place(podspec.uid(pod), one)

    # -- sandbox ------------------------------------------------------------------------------

    def runtime_of(self, pod: Object, sources: Sources) -> Runtime:
        """Return the runtime that the pod's RuntimeClass names."""
        name = pod["spec"].get("runtimeClassName")
        handler = ""
        if name:
            found = sources.find(RUNTIME_CLASSES, "", name)
            if found is None:
                raise Refused(
                    "FailedCreatePodSandBox",
                    f'Failed to create pod sandbox: runtimeclass.node.k8s.io "{name}" not found',
                )
            handler = found.get("handler") or ""
        runtime = self._tools.runtimes.find(handler)
        if runtime is None:
            raise Refused(
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get "
                f'sandbox runtime: no runtime for "{handler}" is configured',
            )
        return runtime

    async def start_sandbox(self, pod: Object, attempt: int, runtime: Runtime) -> SandboxFacts:
        uid = podspec.uid(pod)
        namespace, name = podspec.name_of(pod)
        path, ip = "", ""
        if not podspec.host_network(pod):
            try:
                path, ip = await self._tools.network.attach(
                    uid, name, namespace, host_ports_of(pod)
                )
            except (OSError, NetworkError) as error:
                raise Refused(
                    "FailedCreatePodSandBox",
                    f"Failed to create pod sandbox: failed to set up the network: {error}",
                ) from error
        names = self._settings.names
        hostname = hostname_of(pod, self._settings.name, names.domain)
        layout = self._settings.layout
        ips = self._settings.host_ips if podspec.host_network(pod) else (ip,)
        write = self._tools.files.write
        write(layout.hosts(uid), hosts_file(pod, ips, names).encode(), mode=_PUBLIC_FILE)
        write(layout.hostname(uid), f"{hostname}\n".encode(), mode=_PUBLIC_FILE)
        write(layout.resolv_conf(uid), resolv_conf(pod, names).encode(), mode=_PUBLIC_FILE)
        try:
            status = await runtime.start_sandbox(sandbox_spec(pod, attempt, hostname, path, layout))
        except RuntimeFault as error:
            raise Refused(
                "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error.message}"
            ) from error
        return SandboxFacts(
            status.id,
            attempt,
            ready=True,
            created_at=status.created_at,
            network_namespace=path,
            ip=ip,
        )

    async def stop_sandbox(self, pod: Object, sandbox_id: str, runtime: Runtime | None) -> None:
        if runtime is not None:
            await runtime.stop_sandbox(sandbox_id)
        if not podspec.host_network(pod):
            await self._tools.network.detach(podspec.uid(pod))

    # -- containers ---------------------------------------------------------------------------

    async def start_container(
        self,
        pod: Object,
        facts: PodFacts,
        container: Object,
        image: ImageFacts,
        runtime: Runtime,
        sources: Sources,
    ) -> ContainerStatus:
        """Start the next attempt. Raises Refused where its configuration is not possible."""
        services = self._services()
        if services is None:
            raise NotYetKnown(
                "services have not yet been read at least once, cannot construct envvars"
            )
        if facts.sandbox is None:
            raise Refused("CreateContainerError", "the pod has no sandbox")
        uid, name = podspec.uid(pod), container["name"]
        attempt = facts.container(name).next_attempt
        layout = self._settings.layout
        env = environment(pod, container, sources, self.around(pod, facts), services)
        volumes = await self._mounts(pod, facts, container, env, sources)
        spec = container_spec(
            pod,
            container,
            attempt,
            sandbox_id=facts.sandbox.id,
            image=image,
            env=env,
            mounts=container_mounts(pod, container, attempt, volumes, layout),
            layout=layout,
            memory_bytes=self._settings.capacity.memory_bytes,
            processes_of=target_of(container, facts),
        )
        message = layout.termination_message(uid, name, attempt)
        if self._tools.files.read(message) is None:
            self._tools.files.write(message, b"", mode=_MESSAGE_MODE)
        record, about = self._tools.recorder.record, reference_to(pod, name)
        status = await runtime.start_container(spec)
        record(about, "Normal", "Created", "Container created")
        record(about, "Normal", "Started", "Container started")
        return status

    async def _mounts(
        self,
        pod: Object,
        facts: PodFacts,
        container: Object,
        env: dict[str, str],
        sources: Sources,
    ) -> list[Mount]:
        wanted = wanted_mounts(container, env)
        if not wanted:
            return []
        uid = podspec.uid(pod)
        try:
            planned = {one.volume: one for one in self.planned_volumes(pod, facts, sources)}
        except Refused as error:
            raise Refused("CreateContainerConfigError", error.message) from error
        mounts = []
        for mount in wanted:
            volume = planned.get(mount.volume)
            if volume is None:
                raise Refused(
                    "CreateContainerConfigError",
                    f'cannot find volume "{mount.volume}" to mount into container '
                    f'"{container["name"]}"',
                )
            files = self._tools.pod_files
            if mount.sub_path:
                source = await files.sub_path(uid, container["name"], volume, mount.sub_path)
            else:
                source = await files.place(uid, volume)
            read_only = mount.read_only or isinstance(volume, Payload)
            mounts.append(Mount(source, mount.target, read_only, mount.propagation))
        return mounts

    async def resize_container(
        self, pod: Object, container: Object, container_id: str, runtime: Resizing
    ) -> None:
        """Give a running container the limits that the Pod names now."""
        memory = self._settings.capacity.memory_bytes
        limits = resources.container_limits(pod, container, memory)
        await runtime.resize_container(container_id, limits, resources.pod_limits(pod))

    async def after_start(
        self, pod: Object, facts: PodFacts, container: Object, container_id: str, runtime: Runtime
    ) -> bool:
        """Run the postStart hook; return whether it went well."""
        hook = (container.get("lifecycle") or {}).get("postStart")
        if not hook:
            return True
        patient = self.patient(pod, facts, container, container_id, runtime)
        answer = await ask(hook, patient, self._tools.reach, _HOOK_TIMEOUT_S)
        if not answer.ok:
            about = reference_to(pod, container["name"])
            self._tools.recorder.record(
                about, "Warning", "FailedPostStartHook", f"PostStartHook failed: {answer.message}"
            )
        return answer.ok

    def patient(
        self, pod: Object, facts: PodFacts, container: Object, container_id: str, runtime: Runtime
    ) -> Patient:
        """Return what probes and hooks need to reach the container."""
        ips = self.around(pod, facts).pod_ips
        return Patient(container, container_id, ips[0] if ips else "", runtime)

    async def stop_container(
        self,
        pod: Object,
        facts: PodFacts,
        container: Object,
        container_id: str,
        grace_s: float,
        runtime: Runtime,
        *,
        hook: bool,
    ) -> None:
        """Run the preStop hook within the grace, then stop the container with what is left of it."""
        handler = (container.get("lifecycle") or {}).get("preStop")
        if handler and hook:
            began_at = self._tools.clock.now()
            patient = self.patient(pod, facts, container, container_id, runtime)
            message = ""
            try:
                async with asyncio.timeout(grace_s):
                    answer = await ask(handler, patient, self._tools.reach, grace_s)
                    message = "" if answer.ok else answer.message or "failed"
            except TimeoutError:
                message = f"PreStop hook not completed in grace period of {grace_s:g} seconds"
            if message:
                about = reference_to(pod, container["name"])
                self._tools.recorder.record(
                    about, "Warning", "FailedPreStopHook", f"PreStopHook failed: {message}"
                )
            left = grace_s - (self._tools.clock.now() - began_at)
            grace_s = max(min(grace_s, _MIN_GRACE_AFTER_HOOK_S), left)
        await runtime.stop_container(container_id, grace_s)

    def last_words(self, pod: Object, container: Object, status: ContainerStatus) -> str:
        """Return the termination message of an ended container."""
        path = self._settings.layout.termination_message(
            podspec.uid(pod), container["name"], status.attempt
        )
        said = (self._tools.files.read(path) or b"")[:_MESSAGE_LIMIT]
        if said:
            return said.decode(errors="replace")
        policy = container.get("terminationMessagePolicy")
        if policy != "FallbackToLogsOnError" or status.exit_code == 0:
            return ""
        log = self._settings.layout.log(pod, container["name"], status.attempt)
        lines = (self._tools.files.read(log) or b"").splitlines()[-_LOG_MESSAGE_LINES:]
        text = "".join(_log_text(line) for line in lines)
        return text[-_LOG_MESSAGE_LIMIT:]

    async def forget_attempt(
        self, pod: Object, name: str, known: ContainerFacts, runtime: Runtime
    ) -> None:
        """Remove what an attempt leaves behind once the next one runs; one old log is kept."""
        if known.last is None or known.seen is None:
            return
        await runtime.remove_container(known.last.id)
        layout = self._settings.layout
        for attempt in range(max(0, known.last.attempt - 2), known.last.attempt):
            path = layout.log(pod, name, attempt)
            folder, _, file = path.rpartition("/")
            for kept in self._tools.files.list(folder):
                if kept.startswith(file):
                    self._tools.files.remove(f"{folder}/{kept}")
            self._tools.files.remove(layout.termination_message(podspec.uid(pod), name, attempt))

    # -- the end ------------------------------------------------------------------------------

    async def clean_up(self, pod: Object) -> None:
        """Remove the pod's folders, volumes and logs, and what a failed sandbox left attached."""
        uid = podspec.uid(pod)
        if not podspec.host_network(pod):
            await self._tools.network.detach(uid)
        await self._tools.pod_files.release(uid)
        self._tools.files.remove(self._settings.layout.pod(uid))
        self._tools.files.remove(self._settings.layout.pod_logs(pod))


def _log_text(line: bytes) -> str:
    """Return the text of a log line: time, stream, F (a whole line) or P (a part of one), text."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return line.decode(errors="replace")
    return parts[3].decode(errors="replace") + ("" if parts[2] == b"P" else "\n")
