"""From a Pod to what a runtime is told: SandboxSpec and ContainerSpec. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.node import podspec, resources
from roost.node.env import command_line, expand
from roost.node.facts import ImageFacts, PodFacts
from roost.node.layout import Layout
from roost.node.security import security_of
from roost.node.sources import Refused
from roost.runtimes.port import ContainerSpec, Mount, SandboxSpec

_PROPAGATION = {
    "None": "rprivate",
    "HostToContainer": "rslave",
    "Bidirectional": "rshared",
}
_TERMINATION_LOG = "/dev/termination-log"


def sandbox_spec(
    pod: Object, attempt: int, hostname: str, network_namespace: str, layout: Layout
) -> SandboxSpec:
    """Return the sandbox of one attempt."""
    spec = pod["spec"]
    namespace, name = podspec.name_of(pod)
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return SandboxSpec(
        id=podspec.sandbox_id(podspec.uid(pod), attempt),
        pod_name=name,
        pod_namespace=namespace,
        pod_uid=podspec.uid(pod),
        hostname=hostname,
        log_dir=layout.pod_logs(pod),
        host_network=podspec.host_network(pod),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        share_processes=bool(spec.get("shareProcessNamespace")),
        network_namespace=network_namespace,
        sysctls={one["name"]: one["value"] for one in sysctls},
        limits=resources.pod_limits(pod),
        qos=resources.qos_class(pod),
    )


@dataclass(frozen=True, slots=True)
class WantedMount:
    """A volumeMount before its volume's place is known; `sub_path` is relative, "" for the whole."""

    volume: str
    target: str
    sub_path: str
    read_only: bool
    propagation: str


def wanted_mounts(container: Object, env: Mapping[str, str]) -> tuple[WantedMount, ...]:
    """Return the container's volumeMounts; raises Refused for a subPath that leaves its volume."""
    found = []
    for mount in container.get("volumeMounts") or ():
        sub_path = mount.get("subPath") or ""
        if mount.get("subPathExpr"):
            sub_path = _expanded(mount["subPathExpr"], env)
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise Refused(
                "CreateContainerConfigError",
                f'subPath "{sub_path}" must be relative and must not contain ".."',
            )
        found.append(
            WantedMount(
                mount["name"],
                mount["mountPath"],
                sub_path,
                bool(mount.get("readOnly")),
                _PROPAGATION[mount.get("mountPropagation") or "None"],
            )
        )
    if container.get("volumeDevices"):
        raise Refused("CreateContainerConfigError", "volumeDevices are not supported by this node")
    return tuple(found)


def _expanded(text: str, env: Mapping[str, str]) -> str:
    expanded = expand(text, env)
    if "$(" in expanded and "$$(" not in text:
        raise Refused("CreateContainerConfigError", f'missing value in subPathExpr "{text}"')
    return expanded


def container_mounts(
    pod: Object, container: Object, attempt: int, volumes: Sequence[Mount], layout: Layout
) -> tuple[Mount, ...]:
    """Return all mounts of a container, the outer before the inner: its volumes, and the files of
    the pod (hosts, hostname, resolv.conf, termination message) where no volume is in their place."""
    uid = podspec.uid(pod)
    message = layout.termination_message(uid, container["name"], attempt)
    path = container.get("terminationMessagePath") or _TERMINATION_LOG
    own = [
        Mount(layout.hosts(uid), "/etc/hosts"),
        Mount(layout.hostname(uid), "/etc/hostname"),
        Mount(layout.resolv_conf(uid), "/etc/resolv.conf"),
        Mount(message, path),
    ]
    taken = {mount.target.rstrip("/") for mount in volumes}
    mounts = [*volumes, *(mount for mount in own if mount.target not in taken)]
    return tuple(sorted(mounts, key=lambda mount: mount.target.rstrip("/").count("/")))


def target_of(container: Object, facts: PodFacts) -> str:
    """Return the id of the container that a debugging container looks into, "" for none.

    Raises Refused when it has never been started.
    """
    name = container.get("targetContainerName") or ""
    if not name:
        return ""
    seen = facts.container(name).seen
    if seen is None:
        raise Refused("CreateContainerConfigError", f"unable to find target container {name}")
    return seen.id


def container_spec(
    pod: Object,
    container: Object,
    attempt: int,
    *,
    sandbox_id: str,
    image: ImageFacts,
    env: Mapping[str, str],
    mounts: tuple[Mount, ...],
    layout: Layout,
    memory_bytes: int,
    processes_of: str = "",
) -> ContainerSpec:
    """Return one attempt at a container on a node with that much memory; raises Refused."""
    name = container["name"]
    command, args = command_line(container, env)
    return ContainerSpec(
        id=podspec.container_id(podspec.uid(pod), name, attempt),
        sandbox_id=sandbox_id,
        name=name,
        attempt=attempt,
        image=image.id,
        command=tuple(command),
        args=tuple(args),
        working_dir=container.get("workingDir") or "",
        env=tuple(env.items()),
        mounts=mounts,
        limits=resources.container_limits(pod, container, memory_bytes),
        security=security_of(pod, container, image.user),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        log_path=layout.log(pod, name, attempt),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or "",
        processes_of=processes_of,
    )
