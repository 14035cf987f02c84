"""Whether the node takes a pod that was bound to it. Pure; reasons and texts are the kubelet's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from roost.api import quantity
from roost.api.values import Object
from roost.node import podspec, resources
from roost.node.facts import Verdict

#: What a pod requests, as resources.of_pod tells.
Requests: TypeAlias = Mapping[str, quantity.Exact]

#: How a rejected pod's message begins; the event about it has the rest.
PREFIX = "Pod was rejected: "
#: Sysctls that are namespaced and cannot harm other pods, as the kubelet lists them.
_SAFE_SYSCTLS = frozenset({
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
})  # fmt: skip


def admit(pod: Object, node: Object, others: Iterable[Requests]) -> Verdict | None:
    """Return why the node refuses the pod, or None. `others` is what each pod requests that it has
    taken and that has not ended."""
    unsupported = unsupported_field(pod)
    if unsupported:
        return _rejected("UnsupportedField", f"{unsupported} is not supported by this node")
    sysctl = _forbidden_sysctl(pod)
    if sysctl:
        return _rejected("SysctlForbidden", f'forbidden sysctl: "{sysctl}" not allowlisted')
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    return _fits(pod, allocatable, list(others)) or _affinity(pod, node) or _taints(pod, node)


def _rejected(reason: str, message: str) -> Verdict:
    return Verdict(reason, PREFIX + message)


def unsupported_field(pod: Object) -> str:
    """Return the path of a field whose promise this node cannot keep; "" if there is none."""
    spec = pod["spec"]
    if spec.get("hostUsers") is False:
        return "spec.hostUsers: false"
    if spec.get("resourceClaims"):
        return "spec.resourceClaims"
    if (spec.get("os") or {}).get("name") == "windows":
        return "spec.os.name: windows"
    for _, container in podspec.containers(pod):
        if (container.get("securityContext") or {}).get("windowsOptions"):
            return f"securityContext.windowsOptions of container {container['name']}"
    return ""


def _forbidden_sysctl(pod: Object) -> str:
    """Return the first sysctl that might reach beyond the pod, or that belongs to a namespace which
    the pod shares with the node; "" if there is none."""
    spec = pod["spec"]
    for one in (spec.get("securityContext") or {}).get("sysctls") or ():
        name: str = one["name"].replace("/", ".")
        shared = spec.get("hostIPC") if name.startswith("kernel.") else podspec.host_network(pod)
        if name not in _SAFE_SYSCTLS or shared:
            return name
    return ""


def _fits(pod: Object, allocatable: Object, others: list[Requests]) -> Verdict | None:
    wanted = resources.of_pod(pod)
    if "pods" in allocatable and len(others) + 1 > quantity.to_int(allocatable["pods"]):
        return _out_of("pods", 1, len(others), quantity.to_int(allocatable["pods"]))
    used: dict[str, quantity.Exact] = {}
    for other in others:
        for name, amount in other.items():
            used[name] = used.get(name, 0) + amount
    for name in sorted(wanted):
        if not wanted[name]:
            continue
        if name not in allocatable:
            return _out_of(name, wanted[name], 0, 0)
        capacity = quantity.parse(allocatable[name])
        if wanted[name] + used.get(name, 0) > capacity:
            return _out_of(name, wanted[name], used.get(name, 0), capacity)
    return None


def _out_of(
    name: str, wanted: quantity.Exact, used: quantity.Exact, capacity: quantity.Exact
) -> Verdict:
    unit = 1000 if name == "cpu" else 1
    numbers = [int(-(-amount * unit // 1)) for amount in (wanted, used, capacity)]
    return _rejected(
        f"OutOf{name}",
        f"Node didn't have enough resource: {name}, requested: {numbers[0]}, "
        f"used: {numbers[1]}, capacity: {numbers[2]}",
    )


def resize_verdict(pod: Object, node: Object, others: Iterable[Requests]) -> Verdict | None:
    """Return why the pod cannot have its new size: Infeasible for ever, or Deferred for now."""
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    too_big = _fits(pod, allocatable, [])
    if too_big is not None:
        return Verdict("Infeasible", too_big.message.removeprefix(PREFIX))
    full = _fits(pod, allocatable, list(others))
    return Verdict("Deferred", full.message.removeprefix(PREFIX)) if full is not None else None


def _affinity(pod: Object, node: Object) -> Verdict | None:
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    required = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    matches = all(labels.get(key) == value for key, value in selector.items()) and (
        required is None
        or any(
            _term_matches(term, labels, node["metadata"]["name"])
            for term in required.get("nodeSelectorTerms") or ()
        )
    )
    if matches:
        return None
    return _rejected(
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    )


def _term_matches(term: Object, labels: Object, name: str) -> bool:
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_expression_matches(one, labels) for one in expressions) and all(
        _expression_matches(one, {"metadata.name": name}) for one in fields
    )


def _expression_matches(expression: Object, labels: Object) -> bool:
    key, operator = expression["key"], expression.get("operator")
    values: list[str] = expression.get("values") or []
    present, value = key in labels, labels.get(key)
    if operator == "In":
        return present and value in values
    if operator == "NotIn":
        return not present or value not in values
    if operator == "Exists":
        return present
    if operator == "DoesNotExist":
        return not present
    try:
        number, bound = int(str(value)), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound


def _taints(pod: Object, node: Object) -> Verdict | None:
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") != "NoExecute":
            continue
        if any(tolerates(one, taint) for one in pod["spec"].get("tolerations") or ()):
            continue
        return _rejected(
            "TaintToleration", "Predicate TaintToleration failed: node(s) had untolerated taint(s)"
        )
    return None


def tolerates(toleration: Object, taint: Object) -> bool:
    """Tell whether a toleration is for a taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    key = toleration.get("key") or ""
    if key and key != taint["key"]:
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")
