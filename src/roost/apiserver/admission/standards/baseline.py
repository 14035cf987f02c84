"""The baseline level: nothing by which a pod takes over its node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from roost.api.values import Object
from roost.apiserver.admission.base import spec_of
from roost.apiserver.admission.standards.words import (
    GOOD_PROFILES,
    Check,
    Versions,
    Violation,
    bad_containers,
    containers,
    context_of,
    except_own_users,
    extra_capabilities,
    must_not_add,
    named,
    quoted,
    seccomp_setters,
    setters_of,
)

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def apparmor(pod: Object) -> Violation | None:
    values: set[str] = set()

    def is_bad(context: Object) -> bool:
        kind = (context.get("appArmorProfile") or {}).get("type")
        if kind is None or kind in GOOD_PROFILES:
            return False
        values.add(kind)
        return True

    setters = setters_of(pod, is_bad)
    annotations = pod["metadata"].get("annotations") or {}
    notes = sorted(
        f'{key}="{value}"'
        for key, value in annotations.items()
        if key.startswith(_APPARMOR)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    bad = sorted(values) + notes
    if not bad:
        return None
    if notes:
        what = "annotations" if len(notes) > 1 else "annotation"
        setters = f"{setters} and {what}" if setters else what
    several = "s" if len(bad) > 1 else ""
    return Violation(
        f"forbidden AppArmor profile{several}",
        f"{setters} must not set AppArmor profile type to {quoted(bad)}",
    )


_BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)


def capabilities_baseline(pod: Object) -> Violation | None:
    names, added = extra_capabilities(pod, _BASELINE_CAPABILITIES)
    if not names:
        return None
    return Violation("non-default capabilities", must_not_add(names, added))


def host_namespaces(pod: Object) -> Violation | None:
    spec = spec_of(pod)
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return Violation("host namespaces", ", ".join(found)) if found else None


def _host_paths(pod: Object) -> Violation | None:
    names = [
        item.get("name", "") for item in spec_of(pod).get("volumes") or () if item.get("hostPath")
    ]
    return Violation("hostPath volumes", named("volume", names)) if names else None


def host_ports(pod: Object) -> Violation | None:
    names, ports = [], set()
    for container in containers(pod):
        own = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if own:
            names.append(container.get("name", ""))
            ports |= own
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "hostPorts" if len(ports) > 1 else "hostPort"
    listed = ", ".join(sorted(map(str, ports)))
    return Violation("hostPort", f"{named('container', names)} {verb} {what} {listed}")


def _hosts_asked(container: Object) -> Iterator[str]:
    probes = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
    lifecycle = container.get("lifecycle") or {}
    for handler in (*probes, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for way in ("httpGet", "tcpSocket"):
            if host := ((handler or {}).get(way) or {}).get("host"):
                yield host


def probe_hosts(pod: Object) -> Violation | None:
    """A probe goes out from the node: to a host of its own choice it would see what the pod must not."""
    names, hosts = set(), set()
    for container in containers(pod):
        own = set(_hosts_asked(container))
        if own:
            names.add(container.get("name", ""))
            hosts |= own
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "hosts" if len(hosts) > 1 else "host"
    return Violation(
        "probe or lifecycle host",
        f"{named('container', sorted(names))} {verb} probe or lifecycle {what} {quoted(sorted(hosts))}",
    )


def _privileged(pod: Object) -> Violation | None:
    names = bad_containers(pod, lambda context: bool(context.get("privileged")))
    if not names:
        return None
    return Violation(
        "privileged", f"{named('container', names)} must not set securityContext.privileged=true"
    )


def proc_mount(pod: Object) -> Violation | None:
    bad: dict[str, str] = {}
    for container in containers(pod):
        mount = context_of(container).get("procMount")
        if mount not in (None, "Default"):
            bad[container.get("name", "")] = mount
    if not bad:
        return None
    return Violation(
        "procMount",
        f"{named('container', list(bad))} must not set securityContext.procMount to"
        f" {quoted(sorted(set(bad.values())))}",
    )


_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")


def _selinux(pod: Object, allowed: tuple[str, ...]) -> Violation | None:
    types: set[str] = set()
    fields: set[str] = set()

    def is_bad(context: Object) -> bool:
        options = context.get("seLinuxOptions") or {}
        kind = options.get("type") or ""
        bad = {field for field in ("user", "role") if options.get(field)}
        fields.update(bad)
        if kind not in allowed:
            types.add(kind)
            return True
        return bool(bad)

    setters = setters_of(pod, is_bad)
    if not setters:
        return None
    details = [named("type", sorted(types))] if types else []
    details += [f"{field} may not be set" for field in ("user", "role") if field in fields]
    return Violation(
        "seLinuxOptions",
        f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(details)}",
    )


def _seccomp_baseline(pod: Object) -> Violation | None:
    return seccomp_setters(pod, GOOD_PROFILES)


_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def seccomp_annotations(pod: Object) -> Violation | None:
    """Look at what stood for seccompProfile before Kubernetes 1.19."""
    annotations = pod["metadata"].get("annotations") or {}
    names = (_SECCOMP_CONTAINER + container.get("name", "") for container in containers(pod))
    bad = sorted(
        f'{key}="{annotations[key]}"'
        for key in {_SECCOMP_POD, *names}
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    )
    if not bad:
        return None
    what = "annotations" if len(bad) > 1 else "annotation"
    return Violation("seccompProfile", f"forbidden {what} {', '.join(bad)}")


#: Safe sysctls with the minor version of Kubernetes since which they are.
_SYSCTLS: Mapping[str, int] = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
}


def _sysctls(minor: int, pod: Object) -> Violation | None:
    names = [item.get("name", "") for item in context_of(spec_of(pod)).get("sysctls") or ()]
    bad = [name for name in names if _SYSCTLS.get(name, minor + 1) > minor]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def windows_host(pod: Object) -> Violation | None:
    def is_bad(context: Object) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    setters = setters_of(pod, is_bad)
    if not setters:
        return None
    return Violation(
        "hostProcess", f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    )


#: What every level from baseline on looks at, in the order in which violations are told; between these
#: come the checks that are a level's own.
FIRST: tuple[Versions, ...] = (((0, apparmor),),)
NAMESPACES: Versions = ((0, host_namespaces),)
PORTS: tuple[Versions, ...] = (
    ((0, host_ports),),
    ((34, probe_hosts),),
    ((0, _privileged),),
)
PROC_MOUNT: tuple[int, Check] = (0, proc_mount)
SELINUX: tuple[Versions, ...] = (
    (
        (0, partial(_selinux, allowed=_SELINUX_TYPES)),
        (31, partial(_selinux, allowed=(*_SELINUX_TYPES, "container_engine_t"))),
    ),
)
LAST: tuple[Versions, ...] = (
    tuple((minor, partial(_sysctls, minor)) for minor in (0, 27, 29, 32)),
    ((0, windows_host),),
)
CAPABILITIES: tuple[int, Check] = (0, capabilities_baseline)
SECCOMP: tuple[int, Check] = (0, seccomp_annotations)
BASELINE: tuple[Versions, ...] = (
    *FIRST,
    (CAPABILITIES,),
    NAMESPACES,
    ((0, _host_paths),),
    *PORTS,
    (PROC_MOUNT, (35, except_own_users(proc_mount))),
    *SELINUX,
    (SECCOMP, (19, _seccomp_baseline)),
    *LAST,
)
