"""The Pod Security Standards: each check is a pure function from a pod to what it violates.

`violations(level, pod)` runs the checks of a level, in the order and with the words of Kubernetes.
A check of the restricted level may replace one of the baseline level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from roost.api.values import Object
from roost.apiserver.admission.base import containers_of

LEVELS = ("privileged", "baseline", "restricted")


@dataclass(frozen=True, slots=True)
class Violation:
    """One check that a pod does not pass."""

    reason: str
    detail: str = ""


Check = Callable[[Object], Violation | None]


def violations(level: str, pod: Object) -> list[Violation]:
    """Return what a pod (or a pod template) violates at a level."""
    found = (check(pod) for check in _CHECKS[level])
    return [violation for violation in found if violation is not None]


# ------------------------------------------------------------------ words


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(what: str, names: list[str]) -> str:
    """Return `container "a"` or `containers "a", "b"`."""
    return f"{what}{'s' if len(names) > 1 else ''} {_quoted(names)}"


def _containers(pod: Object) -> list[Object]:
    spec = pod["spec"]
    ephemeral = spec.get("ephemeralContainers") or []
    return [*containers_of(spec), *ephemeral]


def _context(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def _bad(pod: Object, is_bad: Callable[[Object], bool]) -> list[str]:
    """Return the names of the containers whose security context is bad."""
    return [item["name"] for item in _containers(pod) if is_bad(_context(item))]


def _setters(pod: Object, is_bad: Callable[[Object], bool]) -> str:
    """Return who set something bad: the pod, containers, or both."""
    found = ["pod"] if is_bad(_context(pod["spec"])) else []
    names = _bad(pod, is_bad)
    if names:
        found.append(_named("container", names))
    return " and ".join(found)


def _is_windows(pod: Object) -> bool:
    return (pod["spec"].get("os") or {}).get("name") == "windows"


def _own_users(pod: Object) -> bool:
    """Does the pod have a user namespace of its own? Then its root is nobody outside."""
    return pod["spec"].get("hostUsers") is False


# ------------------------------------------------------------------ baseline

_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def _apparmor(pod: Object) -> Violation | None:
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
    if is_bad(_context(pod["spec"])):
        details.append('pod must not set AppArmor profile type to "Unconfined"')
    names = _bad(pod, is_bad)
    if names:
        text = 'must not set AppArmor profile type to "Unconfined"'
        details.append(f"{_named('container', names)} {text}")
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
    names, added = _extra_capabilities(pod, _BASELINE_CAPABILITIES)
    if not names:
        return None
    return Violation("non-default capabilities", _must_not_add(names, added))


def _extra_capabilities(pod: Object, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    names, added = [], set()
    for container in _containers(pod):
        wanted = (_context(container).get("capabilities") or {}).get("add") or ()
        extra = [capability for capability in wanted if capability not in allowed]
        if extra:
            names.append(container["name"])
            added.update(extra)
    return names, sorted(added)


def _must_not_add(names: list[str], added: list[str]) -> str:
    subject = _named("container", names)
    return f"{subject} must not include {_quoted(added)} in securityContext.capabilities.add"


def _host_namespaces(pod: Object) -> Violation | None:
    spec = pod["spec"]
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return Violation("host namespaces", ", ".join(found)) if found else None


def _host_paths(pod: Object) -> Violation | None:
    names = [item["name"] for item in pod["spec"].get("volumes") or () if item.get("hostPath")]
    return Violation("hostPath volumes", _named("volume", names)) if names else None


def _host_ports(pod: Object) -> Violation | None:
    names, ports = [], set()
    for container in _containers(pod):
        own = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if own:
            names.append(container["name"])
            ports |= own
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "hostPorts" if len(ports) > 1 else "hostPort"
    listed = ", ".join(sorted(map(str, ports)))
    return Violation("hostPort", f"{_named('container', names)} {verb} {what} {listed}")


def _hosts_asked(container: Object) -> Iterator[str]:
    probes = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
    lifecycle = container.get("lifecycle") or {}
    for handler in (*probes, lifecycle.get("postStart"), lifecycle.get("preStop")):
        for way in ("httpGet", "tcpSocket"):
            if host := ((handler or {}).get(way) or {}).get("host"):
                yield host


def _probe_hosts(pod: Object) -> Violation | None:
    """A probe goes out from the node: to another host it would see what the pod must not."""
    names, hosts = [], set()
    for container in _containers(pod):
        own = {host for host in _hosts_asked(container) if host not in ("127.0.0.1", "::1")}
        if own:
            names.append(container["name"])
            hosts |= own
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "hosts" if len(hosts) > 1 else "host"
    return Violation(
        "probe or lifecycle host",
        f"{_named('container', names)} {verb} probe or lifecycle {what} {_quoted(sorted(hosts))}",
    )


def _privileged(pod: Object) -> Violation | None:
    names = _bad(pod, lambda context: bool(context.get("privileged")))
    if not names:
        return None
    return Violation(
        "privileged", f"{_named('container', names)} must not set securityContext.privileged=true"
    )


def _proc_mount(pod: Object) -> Violation | None:
    if _own_users(pod):
        return None
    bad: dict[str, str] = {}
    for container in _containers(pod):
        mount = _context(container).get("procMount")
        if mount not in (None, "Default"):
            bad[container["name"]] = mount
    if not bad:
        return None
    return Violation(
        "procMount",
        f"{_named('container', list(bad))} must not set securityContext.procMount to"
        f" {_quoted(sorted(set(bad.values())))}",
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

    setters = _setters(pod, is_bad)
    if not setters:
        return None
    details = [_named("type", sorted(types))] if types else []
    details += [f"{field} may not be set" for field in ("user", "role") if field in fields]
    return Violation(
        "seLinuxOptions",
        f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(details)}",
    )


def _seccomp_type(context: Object) -> str | None:
    found: str | None = (context.get("seccompProfile") or {}).get("type")
    return found


def _seccomp_setters(pod: Object, allowed: tuple[str, ...]) -> Violation | None:
    bad: set[str] = set()

    def is_bad(context: Object) -> bool:
        kind = _seccomp_type(context)
        if kind is None or kind in allowed:
            return False
        bad.add(kind)
        return True

    setters = _setters(pod, is_bad)
    if not setters:
        return None
    return Violation(
        "seccompProfile",
        f"{setters} must not set securityContext.seccompProfile.type to {_quoted(sorted(bad))}",
    )


_GOOD_SECCOMP = ("RuntimeDefault", "Localhost")


def _seccomp_baseline(pod: Object) -> Violation | None:
    return _seccomp_setters(pod, _GOOD_SECCOMP)


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


def _sysctls(pod: Object) -> Violation | None:
    names = [item["name"] for item in _context(pod["spec"]).get("sysctls") or ()]
    bad = [name for name in names if name not in _SYSCTLS]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def _windows_host(pod: Object) -> Violation | None:
    def is_bad(context: Object) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    setters = _setters(pod, is_bad)
    if not setters:
        return None
    return Violation(
        "hostProcess", f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    )


# ------------------------------------------------------------------ restricted


def _escalation(pod: Object) -> Violation | None:
    if _is_windows(pod):
        return None
    names = _bad(pod, lambda context: context.get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{_named('container', names)} must set securityContext.allowPrivilegeEscalation=false",
    )


def _capabilities_restricted(pod: Object) -> Violation | None:
    if _is_windows(pod):
        return None
    keeping = _bad(
        pod, lambda context: "ALL" not in ((context.get("capabilities") or {}).get("drop") or ())
    )
    details = []
    if keeping:
        subject = _named("container", keeping)
        details.append(f'{subject} must set securityContext.capabilities.drop=["ALL"]')
    names, added = _extra_capabilities(pod, frozenset({"NET_BIND_SERVICE"}))
    if names:
        details.append(_must_not_add(names, added))
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    ]
)


def _volumes(pod: Object) -> Violation | None:
    names, kinds = [], set()
    for volume in pod["spec"].get("volumes") or ():
        own = [key for key, value in volume.items() if key != "name" and value is not None]
        bad = [key for key in own if key not in _VOLUMES]
        if bad:
            names.append(volume["name"])
            kinds.update(bad)
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "types" if len(kinds) > 1 else "type"
    return Violation(
        "restricted volume types",
        f"{_named('volume', names)} {verb} restricted volume {what} {_quoted(sorted(kinds))}",
    )


def _non_root(pod: Object) -> Violation | None:
    if _own_users(pod):
        return None
    reason = "runAsNonRoot != true"
    setters = _setters(pod, lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return Violation(reason, f"{setters} must not set securityContext.runAsNonRoot=false")
    if _context(pod["spec"]).get("runAsNonRoot"):
        return None
    names = _bad(pod, lambda context: context.get("runAsNonRoot") is None)
    if not names:
        return None
    return Violation(
        reason,
        f"pod or {_named('container', names)} must set securityContext.runAsNonRoot=true",
    )


def _root_user(pod: Object) -> Violation | None:
    if _own_users(pod):
        return None
    setters = _setters(pod, lambda context: context.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_restricted(pod: Object) -> Violation | None:
    if _is_windows(pod):
        return None
    wrong = _seccomp_setters(pod, _GOOD_SECCOMP)
    if wrong is not None or _seccomp_type(_context(pod["spec"])) is not None:
        return wrong
    names = _bad(pod, lambda context: _seccomp_type(context) is None)
    if not names:
        return None
    return Violation(
        "seccompProfile",
        f"pod or {_named('container', names)} must set securityContext.seccompProfile.type to"
        ' "RuntimeDefault" or "Localhost"',
    )


_BOTH: tuple[Check, ...] = (_privileged, _proc_mount, _selinux)
_CHECKS: dict[str, tuple[Check, ...]] = {
    "privileged": (),
    "baseline": (
        _apparmor, _capabilities_baseline, _host_namespaces, _host_paths, _host_ports,
        _probe_hosts, *_BOTH, _seccomp_baseline, _sysctls, _windows_host,
    ),
    "restricted": (
        _apparmor, _host_namespaces, _host_ports, _probe_hosts, *_BOTH, _sysctls, _windows_host,
        _escalation, _capabilities_restricted, _volumes, _non_root, _root_user,
        _seccomp_restricted,
    ),
}  # fmt: skip
