"""The OCI runtime document (config.json) of a container, from values alone. Pure.

What a container gets is what people know from other runtimes: the same default capabilities, masked
paths, mounts and environment. Everything that depends on the machine comes in through `Surroundings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.runtimes.images.config import ImageConfig
from roost.runtimes.oci.decide import cpu_quota_us, cpu_shares
from roost.runtimes.oci.seccomp import default_profile
from roost.runtimes.oci.users import Identity
from roost.runtimes.port import ContainerSpec, Limits, Mount, RuntimeFault, SandboxSpec, Security

_CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
"""
#: In the kernel's order: the index is the capability's number.
ALL_CAPABILITIES = tuple(f"CAP_{name}" for name in _CAPABILITIES.split())
_DEFAULT = """
AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP
SETUID SYS_CHROOT
"""
DEFAULT_CAPABILITIES = tuple(f"CAP_{name}" for name in _DEFAULT.split())
_MASKED = """
/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug
/proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
"""
_READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host, as a privileged container sees it."""

    path: str
    kind: str  # c or b
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine adds: places of this container and its sandbox, and what the kernel can."""

    rootfs: str
    cgroup: str
    shm: str  # folder that becomes /dev/shm
    cgroup_mode: str  # v1, hybrid or v2
    architecture: str  # as in images: amd64, arm64
    uts: str = ""  # paths of the sandbox's namespaces, "": the host's
    ipc: str = ""
    pid: str = ""  # "": a new one, unless the sandbox has the host's
    volumes: tuple[Mount, ...] = ()  # anonymous volumes of the image
    devices: tuple[Device, ...] = ()  # only used by a privileged container
    capabilities: tuple[str, ...] = ALL_CAPABILITIES  # that can be given here
    open_files: int = 1_048_576  # as many as the machine lets us give
    lowest_oom_score: int = -1000  # nor may a score be lower than we may set


def runtime_spec(
    spec: ContainerSpec,
    sandbox: SandboxSpec,
    image: ImageConfig,
    identity: Identity,
    around: Surroundings,
) -> Object:
    """Return config.json. Raises RuntimeFault for what cannot be."""
    security = spec.security
    capabilities = granted(security, around.capabilities)
    mounts = _mounts(spec, around)
    linux: Object = {
        "cgroupsPath": around.cgroup,
        "namespaces": _namespaces(sandbox, around),
        "resources": _resources(spec.limits, around, privileged=security.privileged),
        "rootfsPropagation": _root_propagation(spec.mounts),
    }
    if security.privileged:
        linux["devices"] = [_device(device) for device in around.devices]
    else:
        linux["maskedPaths"] = _MASKED.split()
        linux["readonlyPaths"] = _READ_ONLY.split()
        profile = _seccomp(security, around.architecture, capabilities)
        if profile is not None:
            linux["seccomp"] = profile
    return {
        "ociVersion": "1.0.2",
        "process": _process(spec, image, identity, capabilities, around),
        "root": {"path": around.rootfs, "readonly": security.read_only_root},
        "mounts": mounts,
        "linux": linux,
    }


def exec_process(document: Object, argv: Sequence[str], *, tty: bool) -> Object:
    """Return the process that `exec` runs in a container made from `document`.

    It is said in full, since OCI runtimes differ in what they take from the container by themselves.
    """
    process: Object = {**document["process"], "args": list(argv), "terminal": tty}
    if tty:
        named = [item for item in process["env"] if not item.startswith("TERM=")]
        process["env"] = [*named, "TERM=xterm"]
    return process


# ---------------------------------------------------------------------- the process


def command_line(spec: ContainerSpec, image: ImageConfig) -> list[str]:
    """Return what to run: the spec's command and args over the image's. Raises RuntimeFault."""
    if spec.command:
        argv = [*spec.command, *spec.args]
    else:
        argv = [*image.entrypoint, *(spec.args or image.command)]
    if not argv or not argv[0]:
        raise RuntimeFault(
            "CreateContainerError", "failed to generate container spec: no command specified"
        )
    return argv


def environment(spec: ContainerSpec, image: ImageConfig) -> list[str]:
    """Return NAME=value: defaults, then the image's, then the spec's; the last of a name counts."""
    values = {"PATH": _PATH}
    if spec.tty:
        values["TERM"] = "xterm"
    values.update(image.env)
    values.update(spec.env)
    return [f"{name}={value}" for name, value in values.items()]


def granted(security: Security, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the capabilities of a container, of those `known` here. Raises RuntimeFault."""
    if security.privileged:
        return known
    wanted = set(DEFAULT_CAPABILITIES)
    drop = [_capability(name) for name in security.drop_capabilities]
    add = [_capability(name) for name in security.add_capabilities]
    # All first, then the single ones: "drop ALL, add X" leaves X, "add ALL, drop X" all but X.
    if "CAP_ALL" in add:
        wanted = set(known)
    if "CAP_ALL" in drop:
        wanted = set()
    wanted.update(name for name in add if name != "CAP_ALL")
    wanted.difference_update(name for name in drop if name != "CAP_ALL")
    for name in add:
        if name != "CAP_ALL" and name not in known:
            why = "not available on this node" if name in ALL_CAPABILITIES else "unknown"
            raise RuntimeFault("CreateContainerError", f'capability "{name}" is {why}')
    return tuple(name for name in known if name in wanted)


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def _process(
    spec: ContainerSpec,
    image: ImageConfig,
    identity: Identity,
    capabilities: tuple[str, ...],
    around: Surroundings,
) -> Object:
    files = around.open_files
    sets = list(capabilities)
    return {
        "terminal": spec.tty,
        "user": {
            "uid": identity.uid,
            "gid": identity.gid,
            "umask": 0o022,
            "additionalGids": list(identity.groups),
        },
        "args": command_line(spec, image),
        "env": environment(spec, image),
        "cwd": spec.working_dir or image.working_dir or "/",
        # Inheritable stays empty: a file must not hand them to another user.
        "capabilities": {"bounding": sets, "effective": sets, "permitted": sets},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": files, "soft": files}],
        "noNewPrivileges": spec.security.no_new_privileges,
        "oomScoreAdj": max(spec.limits.oom_score_adj, around.lowest_oom_score),
    }


def _seccomp(security: Security, architecture: str, capabilities: tuple[str, ...]) -> Object | None:
    if security.seccomp == "Unconfined":
        return None
    if security.seccomp != "RuntimeDefault":
        raise RuntimeFault(
            "CreateContainerConfigError",
            f"securityContext.seccompProfile: {security.seccomp} profiles are not supported",
        )
    profile = default_profile(architecture, capabilities)
    if profile is None:
        raise RuntimeFault(
            "CreateContainerConfigError",
            f"securityContext.seccompProfile: there is no RuntimeDefault profile for {architecture}",
        )
    return profile


# ---------------------------------------------------------------------- mounts


def _mount(target: str, kind: str, source: str, *options: str) -> Object:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _default_mounts(security: Security, around: Surroundings) -> Iterable[Object]:
    access = "rw" if security.privileged else "ro"
    careful = ("nosuid", "noexec", "nodev")
    yield _mount("/proc", "proc", "proc", *careful)
    yield _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")
    yield _mount(
        *("/dev/pts", "devpts", "devpts", "nosuid", "noexec"),
        *("newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    )
    yield _mount("/dev/mqueue", "mqueue", "mqueue", *careful)
    yield _mount("/dev/shm", "bind", around.shm, "rbind", "rw", *careful)  # noqa: S108  # the container's
    yield _mount("/sys", "sysfs", "sysfs", *careful, access)
    yield _mount("/sys/fs/cgroup", "cgroup", "cgroup", *careful, "relatime", access)


def _mounts(spec: ContainerSpec, around: Surroundings) -> list[Object]:
    own = {mount.target: mount for mount in (*around.volumes, *spec.mounts)}
    defaults = [
        mount for mount in _default_mounts(spec.security, around) if mount["destination"] not in own
    ]
    # Parents before children, however they were listed.
    ordered = sorted(own.values(), key=lambda mount: mount.target.rstrip("/").count("/"))
    return [*defaults, *(_own_mount(mount) for mount in ordered)]


def _own_mount(mount: Mount) -> Object:
    access = "ro" if mount.read_only else "rw"
    if mount.tmpfs_size_bytes is not None:
        size = (f"size={mount.tmpfs_size_bytes}",) if mount.tmpfs_size_bytes else ()
        return _mount(mount.target, "tmpfs", "tmpfs", "nosuid", "nodev", "mode=0777", access, *size)
    return _mount(mount.target, "bind", mount.source, "rbind", mount.propagation, access)


def _root_propagation(mounts: Iterable[Mount]) -> str:
    asked = {mount.propagation for mount in mounts}
    return next((kind for kind in ("rshared", "rslave") if kind in asked), "rprivate")


# ---------------------------------------------------------------------- linux


def _namespaces(sandbox: SandboxSpec, around: Surroundings) -> list[Object]:
    namespaces: list[Object] = [{"type": "mount"}]
    shared = {"uts": around.uts, "ipc": around.ipc}
    if not sandbox.host_network:
        shared["network"] = sandbox.network_namespace
    namespaces += [{"type": kind, "path": path} for kind, path in shared.items() if path]
    if not sandbox.host_network and not sandbox.network_namespace:
        namespaces.append({"type": "network"})
    if around.pid:
        namespaces.append({"type": "pid", "path": around.pid})
    elif not sandbox.host_pid:
        namespaces.append({"type": "pid"})
    if around.cgroup_mode == "v2":
        namespaces.append({"type": "cgroup"})
    return namespaces


def _resources(limits: Limits, around: Surroundings, *, privileged: bool) -> Object:
    cpu: Object = {"shares": cpu_shares(limits.cpu_request_millis)}
    quota = cpu_quota_us(limits.cpu_millis, _PERIOD_US)
    if quota is not None:
        cpu |= {"quota": quota, "period": _PERIOD_US}
    resources: Object = {
        "devices": [{"allow": privileged, "access": "rwm"}],
        "cpu": cpu,
    }
    if limits.memory_bytes:
        resources["memory"] = {"limit": limits.memory_bytes}
        if around.cgroup_mode == "v2":
            # Without swap, and when one process must die all do: half a container helps nobody.
            resources["memory"]["swap"] = limits.memory_bytes
            resources["unified"] = {"memory.oom.group": "1"}
    if limits.pids:
        resources["pids"] = {"limit": limits.pids}
    return resources


def _device(device: Device) -> Object:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }
