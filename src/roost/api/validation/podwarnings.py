"""Warnings about pods: what is allowed and yet surely not meant, or soon gone."""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.kind import Change
from roost.api.names import check_label
from roost.api.validation import addresses
from roost.api.validation.causes import quoted
from roost.api.validation.containers import all_containers
from roost.api.validation.podmeta import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from roost.api.validation.volumewarnings import fraction, of_volumes
from roost.api.values import Object

#: Labels of nodes that have another name now.
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": (
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead'
    ),
    "failure-domain.beta.kubernetes.io/zone": (
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ),
    "beta.kubernetes.io/instance-type": (
        'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
    ),
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_POD = "a null labelSelector results in matching no pod"
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
APP_ARMOR_FIELD = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_NEGATIVE = "must be >= 0; negative values are invalid and will be treated as 1"


def of_pod(change: Change) -> None:
    """Warn about a new pod; people do not change pods by hand."""
    if change.old is not None:
        return
    meta, spec = change.object.get("metadata") or {}, change.object.get("spec") or {}
    of_name(change, "the Pod's hostname")
    change.warnings.extend(_warnings(meta, spec, ""))


def of_status(change: Change) -> None:
    """Say how the addresses of a pod should better be written."""
    status = change.object.get("status") or {}
    for key in ("podIPs", "hostIPs"):
        for index, one in enumerate(status.get(key) or ()):
            path = f"status.{key}[{index}].ip"
            change.warnings.extend(addresses.ip_advice(one.get("ip") or "", path))


def of_name(change: Change, used: str = "Pod names and hostnames") -> None:
    """Warn about the name of a new object that is to be a host name too."""
    faults = check_label((change.object.get("metadata") or {}).get("name") or "")
    if change.old is None and faults:
        change.warnings.append(
            f"metadata.name: this is used in {used}, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(faults)}]"
        )


def of_template(change: Change) -> None:
    """Warn about the name and the pod template of a workload, unless it asks for the same."""
    of_name(change)
    at_template(change, "spec", "template")


def of_nameless_template(change: Change) -> None:
    """Warn about the pod template alone of a workload, unless it asks for the same."""
    at_template(change, "spec", "template")


def of_pod_template(change: Change) -> None:
    """Warn about a PodTemplate."""
    at_template(change, "template")


def same_generation(change: Change) -> bool:
    """Tell whether a change asks for nothing new, so that nobody is warned again."""
    if change.old is None:
        return False
    before, after = change.old.get("metadata") or {}, change.object.get("metadata") or {}
    return bool(before.get("generation") == after.get("generation"))


def at_template(change: Change, *keys: str) -> None:
    """Warn about the pod template at a path, unless the object asks for the same."""
    if same_generation(change):
        return
    template: Object = change.object
    for key in keys:
        template = template.get(key) or {}
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    change.warnings.extend(_warnings(meta, spec, ".".join(keys) + "."))


def _warnings(meta: Object, spec: Object, path: str) -> Iterator[str]:
    yield from _of_labels(spec, f"{path}spec")
    annotations = meta.get("annotations") or {}
    for key, text in _ANNOTATIONS.items() if annotations else ():
        if key in annotations:
            yield f"{path}metadata.annotations[{key}]: {text}"
    yield from of_volumes(spec.get("volumes") or [], f"{path}spec.volumes")
    yield from _of_duplicates(spec, f"{path}spec")
    overhead = spec.get("overhead") or {}
    for name in ("memory", "ephemeral-storage"):
        if name in overhead:
            yield from fraction(overhead[name], f"{path}spec.overhead[{name}]")
    yield from _of_containers(meta, spec, path)
    yield from _of_ports(spec, f"{path}spec")
    period = spec.get("terminationGracePeriodSeconds")
    if period is not None and period < 0:
        yield f"{path}spec.terminationGracePeriodSeconds: {_NEGATIVE}"
    if spec.get("affinity"):
        yield from _of_affinity(spec, f"{path}spec.affinity")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        where = f"{path}spec.hostAliases[{index}].ip"
        yield from addresses.ip_advice(alias.get("ip") or "", where)
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from addresses.ip_advice(server, f"{path}spec.dnsConfig.nameservers[{index}]")


def _of_labels(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in NODE_LABELS:
            yield f"{path}.nodeSelector[{key}]: {NODE_LABELS[key]}"
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node.get(_REQUIRED) or {}
    base = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        where = f"{base}.{_REQUIRED}.nodeSelectorTerms[{index}]"
        yield from of_term(term, where)
    for index, weighted in enumerate(node.get(_PREFERRED) or ()):
        where = f"{base}.{_PREFERRED}[{index}].preference"
        yield from of_term(weighted.get("preference") or {}, where)
    for index, spread in enumerate(spec.get("topologySpreadConstraints") or ()):
        here, key = f"{path}.topologySpreadConstraints[{index}]", spread.get("topologyKey")
        if key in NODE_LABELS:
            yield f"{here}.topologyKey: {key} is {NODE_LABELS[key]}"
        if spread.get("labelSelector") is None:
            yield f"{here}.labelSelector: {_NO_POD}"


def _of_affinity(spec: Object, path: str) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        value = (spec.get("affinity") or {}).get(name) or {}
        for index, term in enumerate(value.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{name}.{_REQUIRED}[{index}].labelSelector: {_NO_POD}"
        for index, weighted in enumerate(value.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                where = f"{path}.{name}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector"
                yield f"{where}: {_NO_POD}"


def of_term(term: Object, path: str) -> Iterator[str]:
    """Warn about the labels that a term of a node selector names."""
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        key = requirement.get("key")
        if key in NODE_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {NODE_LABELS[key]}"


def _of_duplicates(spec: Object, path: str) -> Iterator[str]:
    taken: set[str] = set()
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        address = alias.get("ip") or ""
        if address in taken:
            yield f"{path}.hostAliases[{index}].ip: duplicate ip {quoted(address)}"
        taken.add(address)
    secrets = [secret.get("name") or "" for secret in spec.get("imagePullSecrets") or ()]
    for index, name in enumerate(secrets):
        if name in secrets[:index]:
            yield f"{path}.imagePullSecrets[{index}].name: duplicate name {quoted(name)}"
    for index, name in enumerate(secrets):
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'


def _of_containers(meta: Object, spec: Object, path: str) -> Iterator[str]:
    annotations = meta.get("annotations") or {}
    of_pod = spec.get("securityContext") or {}
    if SECCOMP_POD in annotations and not of_pod.get("seccompProfile"):
        yield f"{path}metadata.annotations[{SECCOMP_POD}]: {_SECCOMP}"
    for container, where in all_containers(spec, f"{path}spec"):
        key = f"{SECCOMP_CONTAINER}{container.get('name')}"
        if key in annotations and not _has(container, {}, "seccompProfile"):
            yield f"{path}metadata.annotations[{key}]: {_SECCOMP}"
        key = f"{APP_ARMOR}{container.get('name')}"
        if path and key in annotations and not _has(container, of_pod, "appArmorProfile"):
            yield f"{path}metadata.annotations[{key}]: {APP_ARMOR_FIELD}"
        resources = container.get("resources")
        if resources:
            for name in ("memory", "ephemeral-storage"):
                for which in ("limits", "requests"):
                    amounts = resources.get(which)
                    if amounts and name in amounts:
                        here = f"{where}.resources.{which}[{name}]"
                        yield from fraction(amounts[name], here)
        if len(container.get("env") or ()) > 1:
            yield from _of_variables(container["env"], f"{where}.env")


def _has(container: Object, of_pod: Object, key: str) -> bool:
    return ((container.get("securityContext") or {}).get(key) or of_pod.get(key)) is not None


def _of_variables(values: list[Object], path: str) -> Iterator[str]:
    taken: set[str] = set()
    for index, variable in enumerate(values):
        name = variable.get("name") or ""
        if name in taken:
            reference, text = f"$({name})", variable.get("value") or ""
            if variable.get("valueFrom") or text == reference or reference not in text:
                yield (
                    f"{path}[{index}]: hides previous definition of {quoted(name)}, "
                    "which may be dropped when using apply"
                )
        taken.add(name)


def _of_ports(spec: Object, path: str) -> Iterator[str]:
    """Warn about container ports that are there twice, or overlap."""
    taken: dict[tuple[int, str], list[tuple[str, str, int]]] = {}
    for container, where in all_containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            here = f"{where}.ports[{index}]"
            address, host = port.get("hostIP") or "", port.get("hostPort") or 0
            if address and not host:
                yield f"{here}: hostIP set without hostPort: {_shown_port(port)}"
            key = (port.get("containerPort") or 0, port.get("protocol") or "")
            for other, its_address, its_host in taken.get(key, ()):
                if (address, host) == (its_address, its_host):
                    yield f"{here}: duplicate port definition with {other}"
                elif not host or not its_host:
                    yield f"{here}: overlapping port definition with {other}"
                elif host == its_host and bool(address) != bool(its_address):
                    yield f"{here}: dangerously ambiguous port definition with {other}"
            taken.setdefault(key, []).append((here, address, host))


def _shown_port(port: Object) -> str:
    """Return a port as Go prints the structure."""
    return (
        f"{{Name:{port.get('name') or ''} HostPort:{port.get('hostPort') or 0} "
        f"ContainerPort:{port.get('containerPort') or 0} Protocol:{port.get('protocol') or ''} "
        f"HostIP:{port.get('hostIP') or ''}}}"
    )
