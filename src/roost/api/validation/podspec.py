"""Rules for the spec of a pod, in a pod or in a template."""

from __future__ import annotations

from roost.api import names
from roost.api.defaults.podresources import aggregate
from roost.api.quantity import compare
from roost.api.validation import addresses, containers, goform, resources, scheduling, security
from roost.api.validation.causes import Causes
from roost.api.validation.containers import PodFacts, all_containers
from roost.api.validation.volumes import volumes
from roost.api.values import Object

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_INT32_MAX = 2**31 - 1
#: What the kernel takes as the name of a host.
_HOSTNAME_MAX = 64
_NAMESERVERS_MAX = 3
_SEARCHES_MAX = 32
_SEARCH_CHARACTERS_MAX = 2048
#: What a Windows pod may not have, in the real server's order; what starts with a dot is the pod's.
_WINDOWS_POD = (
    "appArmorProfile", "seLinuxOptions", ".hostUsers", ".hostPID", ".hostIPC", "seccompProfile",
    "fsGroup", "fsGroupChangePolicy", "sysctls", ".shareProcessNamespace", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_WINDOWS_IF_TRUE = (".hostPID", ".hostIPC")
_WINDOWS_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities",
    "readOnlyRootFilesystem", "privileged", "allowPrivilegeEscalation", "procMount", "runAsUser",
    "runAsGroup",
)  # fmt: skip
_NOT_ON_WINDOWS = "cannot be set for a windows pod"


def pod_spec(spec: Object, path: str, causes: Causes, pod_name: str | None = None) -> None:
    """Check a pod's spec; `pod_name` is None for templates, which know no names."""
    if spec.get("terminationGracePeriodSeconds") is None:
        causes.required(f"{path}.terminationGracePeriodSeconds")
    valid = volumes(spec.get("volumes") or [], pod_name, f"{path}.volumes", causes)
    claims = spec.get("resourceClaims") or []
    if claims:
        _resource_claims(claims, f"{path}.resourceClaims", causes)
    facts = PodFacts(
        volumes=valid,
        claims={claim["name"] for claim in claims if claim.get("name")},
        grace_s=spec.get("terminationGracePeriodSeconds"),
        restart_policy=spec.get("restartPolicy") or "",
        host_users=spec.get("hostUsers") is not False,
    )
    regular, init = spec.get("containers") or [], spec.get("initContainers") or []
    containers.regular(regular, facts, f"{path}.containers", causes)
    if init:
        containers.init(init, regular, facts, f"{path}.initContainers", causes)
    if spec.get("ephemeralContainers"):
        containers.ephemeral(
            spec["ephemeralContainers"],
            [*regular, *init],
            facts,
            f"{path}.ephemeralContainers",
            causes,
        )
    if spec.get("resources") is not None:
        _pod_resources(spec, f"{path}.resources", causes)
    if spec.get("hostNetwork"):
        _host_network(spec, path, causes, is_pod=pod_name is not None)
    causes.one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)
    causes.one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS)
    if spec.get("nodeSelector"):
        causes.extend(names.check_labels(spec["nodeSelector"], f"{path}.nodeSelector"))
    security.pod(spec, path, causes)
    _placement(spec, path, causes)
    _names(spec, path, causes)
    _rest(spec, path, causes)


def _placement(spec: Object, path: str, causes: Causes) -> None:
    scheduling.affinity(spec.get("affinity"), f"{path}.affinity", causes)
    if spec.get("dnsConfig") is not None or spec.get("dnsPolicy") == "None":
        _dns(spec, f"{path}.dnsConfig", causes)
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        condition = gate.get("conditionType") or ""
        where = f"{path}.readinessGates[{index}].conditionType"
        causes.faults(where, condition, names.check_qualified_name(condition))
    if spec.get("schedulingGates"):
        scheduling.gates(spec["schedulingGates"], f"{path}.schedulingGates", causes)
    if spec.get("topologySpreadConstraints"):
        where = f"{path}.topologySpreadConstraints"
        scheduling.spreading(spec["topologySpreadConstraints"], where, causes)
    _host_processes(spec, path, causes)
    if spec.get("hostUsers") is False:
        for key, shown in (
            ("hostNetwork", "hostNetwork"),
            ("hostPID", "HostPID"),
            ("hostIPC", "HostIPC"),
        ):
            if spec.get(key):
                causes.forbidden(f"{path}.{shown}", "when `pod.Spec.HostUsers` is false")


def _names(spec: Object, path: str, causes: Causes) -> None:
    for key in ("serviceAccountName", "nodeName"):
        value = spec.get(key)
        if value:
            causes.faults(f"{path}.{key}", value, names.check_subdomain(value))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32_MAX:
        fault = names.out_of_range(1, _INT32_MAX)
        causes.invalid(f"{path}.activeDeadlineSeconds", deadline, fault)
    for key in ("hostname", "subdomain"):
        value = spec.get(key)
        if value:
            causes.faults(f"{path}.{key}", value, names.check_label(value))
    override = spec.get("hostnameOverride")
    if override:
        causes.faults(f"{path}.hostnameOverride", override, names.check_subdomain(override))
        if len(override) > _HOSTNAME_MAX:
            causes.too_long(f"{path}.hostnameOverride", _HOSTNAME_MAX)


def _rest(spec: Object, path: str, causes: Causes) -> None:
    if spec.get("tolerations"):
        scheduling.tolerations(spec["tolerations"], f"{path}.tolerations", causes)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        here = f"{path}.hostAliases[{index}]"
        addresses.ip(alias.get("ip") or "", f"{here}.ip", causes)
        for at, name in enumerate(alias.get("hostnames") or ()):
            causes.faults(f"{here}.hostnames[{at}]", name, names.check_subdomain(name))
    for key in ("priorityClassName", "runtimeClassName"):
        name = spec.get(key)
        if name or (name is not None and key == "runtimeClassName"):
            causes.faults(f"{path}.{key}", name, names.check_subdomain(name))
    if spec.get("preemptionPolicy") is not None:
        causes.one_of(f"{path}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION)
    if spec.get("overhead"):
        resources.requirements({"limits": spec["overhead"]}, f"{path}.overhead", causes)
    if spec.get("os") is not None:
        _operating_system(spec, path, causes)


def _resource_claims(claims: list[Object], path: str, causes: Causes) -> None:
    taken: set[str] = set()
    for index, claim in enumerate(claims):
        here, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            causes.required(f"{here}.name")
        elif name in taken:
            causes.duplicate(f"{here}.name", name)
        else:
            causes.faults(f"{here}.name", name, names.check_label(name))
            taken.add(name)
        given = [
            key
            for key in ("resourceClaimName", "resourceClaimTemplateName")
            if claim.get(key) is not None
        ]
        shape = goform.RESOURCE_CLAIM.show(claim)
        if len(given) == 2:
            text = (
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            )
            causes.invalid(here, shape, text)
        if not given:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            causes.invalid(here, shape, text)
        for key in given:
            causes.faults(f"{here}.{key}", claim[key], names.check_subdomain(claim[key]))


def _pod_resources(spec: Object, path: str, causes: Causes) -> None:
    value = spec["resources"]
    if (spec.get("os") or {}).get("name") == "windows":
        causes.forbidden(path, "may not be set for a windows pod")
        return
    if value.get("claims"):
        text = "claims cannot be set for Resources at pod-level"
        causes.forbidden(f"{path}.claims", text)
    resources.requirements(value, path, causes, name_rule=resources.pod_resource_name)
    own, limits = value.get("requests") or {}, value.get("limits") or {}
    for name, total in sorted(aggregate(spec, "requests").items()):
        if name in own and compare(total, own[name]) > 0:
            text = f"must be greater than or equal to aggregate container requests of {total}"
            causes.invalid(f"{path}.requests[{name}]", own[name], text)
    for name, total in sorted(aggregate(spec, "limits").items()):
        if resources.is_huge_page(name) and name in limits and compare(total, limits[name]) > 0:
            text = f"must be greater than or equal to aggregate container limits of {total}"
            causes.invalid(f"{path}.limits[{name}]", limits[name], text)
    for index, container in enumerate(spec.get("containers") or ()):
        theirs = (container.get("resources") or {}).get("limits") or {}
        for name, limit in sorted(theirs.items()):
            if name in limits and compare(limit, limits[name]) > 0:
                where = f"{path}.containers[{index}][{name}].limits"
                text = f"must be less than or equal to pod limits of {limits[name]}"
                causes.invalid(where, limit, text)


def _host_network(spec: Object, path: str, causes: Causes, *, is_pod: bool) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for at, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if (is_pod or host) and host != own:
                where = f"{path}.containers[{index}].ports[{at}].hostPort"
                text = "must match `containerPort` when `hostNetwork` is true"
                causes.invalid(where, host, text)


def _dns(spec: Object, path: str, causes: Causes) -> None:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            causes.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            causes.required(f"{path}.nameservers", text)
            return
    config = config or {}
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _NAMESERVERS_MAX:
        text = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        causes.invalid(f"{path}.nameservers", servers, text)
    for index, server in enumerate(servers):
        addresses.ip(server, f"{path}.nameservers[{index}]", causes)
    if len(searches) > _SEARCHES_MAX:
        text = f"must not have more than {_SEARCHES_MAX} search paths"
        causes.invalid(f"{path}.searches", searches, text)
    if len(" ".join(searches)) > _SEARCH_CHARACTERS_MAX:
        text = (
            f"must not have more than {_SEARCH_CHARACTERS_MAX} characters (including spaces) "
            "in the search list"
        )
        causes.invalid(f"{path}.searches", searches, text)
    for index, search in enumerate(searches):
        if search != ".":
            plain = search.removesuffix(".")
            faults = names.check_subdomain_relaxed(plain)
            causes.faults(f"{path}.searches[{index}]", plain, faults)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            causes.required(f"{path}.options[{index}]", "must not be empty")


def _host_processes(spec: Object, path: str, causes: Causes) -> None:
    """Windows host processes: all containers or none, and then in the host's network."""

    def wish(holder: Object) -> bool | None:
        options = (holder.get("securityContext") or {}).get("windowsOptions") or {}
        found: bool | None = options.get("hostProcess")
        return found

    of_pod = wish(spec)
    total = number = 0
    for container, where in all_containers(spec, path):
        total += 1
        if not container.get("securityContext") and of_pod is None:
            continue
        own = wish(container)
        if of_pod is not None and own is not None and of_pod != own:
            shown = "true" if of_pod else "false"
            text = f"pod hostProcess value must be identical if both are specified, was {shown}"
            causes.invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, text)
        number += bool(own if own is not None else of_pod)
    if number:
        if number != total:
            text = (
                "If pod contains any hostProcess containers then all containers "
                "must be HostProcess containers"
            )
            causes.invalid(path, "", text)
        if not spec.get("hostNetwork"):
            text = "hostNetwork must be true if pod contains any hostProcess containers"
            causes.invalid(f"{path}.hostNetwork", value=False, detail=text)


def _operating_system(spec: Object, path: str, causes: Causes) -> None:
    name = (spec.get("os") or {}).get("name")
    if not name:
        causes.required(f"{path}.os.name", "cannot be empty")
    elif name == "linux":
        text = "windows options cannot be set for a linux pod"
        holders = [(spec, path), *all_containers(spec, path)]
        for holder, where in holders:
            if (holder.get("securityContext") or {}).get("windowsOptions") is not None:
                causes.forbidden(f"{where}.securityContext.windowsOptions", text)
    elif name == "windows":
        _windows(spec, path, causes)
    else:
        causes.not_supported(f"{path}.os", name, ("linux", "windows"))


def _windows(spec: Object, path: str, causes: Causes) -> None:
    for key in _WINDOWS_POD:
        if key.startswith("."):
            found = spec.get(key[1:])
            if found or (found is not None and key not in _WINDOWS_IF_TRUE):
                causes.forbidden(f"{path}{key}", _NOT_ON_WINDOWS)
        elif (spec.get("securityContext") or {}).get(key) is not None:
            causes.forbidden(f"{path}.securityContext.{key}", _NOT_ON_WINDOWS)
    for container, where in all_containers(spec, path):
        context = container.get("securityContext") or {}
        for key in _WINDOWS_CONTAINER:
            if context.get(key) is not None:
                causes.forbidden(f"{where}.securityContext.{key}", _NOT_ON_WINDOWS)
