"""The baseline level: nothing by which a pod takes over its node."""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.values import Object
from roost.apiserver.admission.base import spec_of
from roost.apiserver.admission.standards.words import (
    GOOD_SECCOMP,
    Check,
    Violation,
    bad_containers,
    containers,
    context_of,
    extra_capabilities,
    has_own_users,
    must_not_add,
    named,
    quoted,
    seccomp_setters,
    setters_of,
)

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def apparmor(pod: Object) -> Violation | None:
    annotations = pod["metadata"].get("annotations") or {}
    details = [
        f'{key}="{value}"'
        for key, value in sorted(annotations.items())
        if key.startswith(_APPARMOR)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    ]

    def is_bad(context: Object) -> bool:
        return (context.get("appArmorProfile") or {}).get("type") == "Unconfined"

    count = len(details)
    if is_bad(context_of(spec_of(pod))):
        details.append('pod must not set AppArmor profile type to "Unconfined"')
    names = bad_containers(pod, is_bad)
    if names:
        text = 'must not set AppArmor profile type to "Unconfined"'
        details.append(f"{named('container', names)} {text}")
    if not details:
        return None
    several = "s" if count + len(names) > 1 else ""
    return Violation(f"forbidden AppArmor profile{several}", ", ".join(details))


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


def _capabilities_baseline(pod: Object) -> Violation | None:
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
    """A probe goes out from the node: to another host it would see what the pod must not."""
    names, hosts = [], set()
    for container in containers(pod):
        own = {host for host in _hosts_asked(container) if host not in ("127.0.0.1", "::1")}
        if own:
            names.append(container.get("name", ""))
            hosts |= own
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "hosts" if len(hosts) > 1 else "host"
    return Violation(
        "probe or lifecycle host",
        f"{named('container', names)} {verb} probe or lifecycle {what} {quoted(sorted(hosts))}",
    )


def _privileged(pod: Object) -> Violation | None:
    names = bad_containers(pod, lambda context: bool(context.get("privileged")))
    if not names:
        return None
    return Violation(
        "privileged", f"{named('container', names)} must not set securityContext.privileged=true"
    )


def _proc_mount(pod: Object) -> Violation | None:
    if has_own_users(pod):
        return None
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


_SELINUX_TYPES = (
    "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t",
)  # fmt: skip


def _selinux(pod: Object) -> Violation | None:
    types: set[str] = set()
    fields: set[str] = set()

    def is_bad(context: Object) -> bool:
        options = context.get("seLinuxOptions") or {}
        kind = options.get("type") or ""
        bad = {field for field in ("user", "role") if options.get(field)}
        fields.update(bad)
        if kind not in _SELINUX_TYPES:
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
    return seccomp_setters(pod, GOOD_SECCOMP)


_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]
)


def sysctls(pod: Object) -> Violation | None:
    names = [item.get("name", "") for item in context_of(spec_of(pod)).get("sysctls") or ()]
    bad = [name for name in names if name not in _SYSCTLS]
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


#: For every level from baseline on.
ALWAYS: tuple[Check, ...] = (_privileged, _proc_mount, _selinux)
BASELINE: tuple[Check, ...] = (
    apparmor, _capabilities_baseline, host_namespaces, _host_paths, host_ports,
    probe_hosts, *ALWAYS, _seccomp_baseline, sysctls, windows_host,
)  # fmt: skip
