"""What a node does that runs low on something: its conditions, whom it refuses, who has to go. Pure.

Texts, order and times are those of the kubelet's eviction manager. Pods that the cluster cannot do
without are neither refused nor evicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roost.api import quantity
from roost.api.values import Object
from roost.node import podspec, resources
from roost.node.admission import PREFIX, tolerates
from roost.node.facts import Verdict
from roost.node.storage import EPHEMERAL_STORAGE, EVICTED, Size
from roost.node.thresholds import MEMORY, PIDS, RESOURCES, Level, Threshold

MEMORY_PRESSURE, DISK_PRESSURE, PID_PRESSURE = "MemoryPressure", "DiskPressure", "PIDPressure"
#: A condition stays for so long after its threshold was last crossed.
TRANSITION_S = 300.0
_TAINT = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class Pressure:
    """`crossed` now, the most urgent first; `seen`: condition -> when it was last called for."""

    crossed: tuple[Threshold, ...] = ()
    seen: Mapping[str, float] = field(default_factory=dict)

    def conditions(self, now: float) -> tuple[str, ...]:
        """Return the conditions that the node has."""
        return tuple(sorted(one for one, at in self.seen.items() if now - at < TRANSITION_S))


def condition_of(signal: str) -> str:
    """Return the node's condition when a signal is below its threshold."""
    return {MEMORY: MEMORY_PRESSURE, PIDS: PID_PRESSURE}.get(signal, DISK_PRESSURE)


def pressed(
    before: Pressure, thresholds: Iterable[Threshold], levels: Mapping[str, Level], now: float
) -> Pressure:
    """Return the pressure after a look. A signal that cannot be told is not below its threshold."""
    crossed = [
        one
        for one in thresholds
        if one.signal in levels and levels[one.signal].available < one.least(levels[one.signal])
    ]
    crossed.sort(key=lambda one: one.signal != MEMORY)
    seen = {**before.seen, **{condition_of(one.signal): now for one in crossed}}
    return Pressure(tuple(crossed), seen)


def refusal(pod: Object, conditions: Sequence[str]) -> Verdict | None:
    """Return why a node with these conditions does not take a pod, or None."""
    if not conditions or resources.is_critical(pod):
        return None
    if list(conditions) == [MEMORY_PRESSURE] and (
        resources.qos_class(pod) != "BestEffort"
        or any(tolerates(one, _TAINT) for one in pod["spec"].get("tolerations") or ())
    ):
        return None
    return Verdict(EVICTED, f"{PREFIX}The node had condition: [{' '.join(conditions)}]. ")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a pod takes of the node; None: that was not measured. `containers`: bytes of memory or
    of the disk, whichever runs low, by name."""

    memory: int | None = None
    disk: Size | None = None
    processes: int | None = None
    containers: Mapping[str, int] = field(default_factory=dict)


def first_to_go(pods: Sequence[tuple[Object, Taken]], resource: str) -> list[Object]:
    """Return the pods in the order in which they are given up."""
    return [pod for pod, _ in sorted(pods, key=lambda one: _rank(one[0], one[1], resource))]


def _rank(pod: Object, taken: Taken, resource: str) -> tuple[bool, bool, int, quantity.Exact]:
    """Return what to sort by: who was not measured, takes more than it requested, has the lower
    priority, takes the most above its request."""
    priority = int(pod["spec"].get("priority") or 0)
    used = {
        "memory": taken.memory,
        "pids": taken.processes,
        "inodes": None if taken.disk is None else taken.disk.files,
    }.get(resource, None if taken.disk is None else taken.disk.bytes)
    if used is None:
        return False, False, priority, 0
    if resource == "pids":
        return True, True, priority, -used
    requests = resources.of_pod(pod)
    counted = requests.get("memory" if resource == "memory" else EPHEMERAL_STORAGE, 0)
    request = requests.get(resource, 0)
    return True, used <= request, priority, counted - used


def eviction(
    pod: Object, taken: Taken, threshold: Threshold, levels: Mapping[str, Level]
) -> Verdict:
    """Return why a pod is given up for what is below a threshold."""
    resource, level = RESOURCES[threshold.signal], levels[threshold.signal]
    form: quantity.Form = "DecimalSI" if resource in {"inodes", "pids"} else "BinarySI"
    least, left = threshold.shown(level), quantity.render(level.available, form)
    words = [
        f"The node was low on resource: {resource}. ",
        f"Threshold quantity: {least}, available: {left}. ",
    ]
    whole = (pod["spec"].get("resources") or {}).get("requests") or {}
    if resource == "memory" and resource in whole and taken.memory is not None:
        words.append(_more("Pod", pod["metadata"]["name"], taken.memory, whole[resource], resource))
    for _, container in podspec.containers(pod):
        used = taken.containers.get(container["name"])
        wanted = (container.get("resources") or {}).get("requests") or {}
        request = wanted.get(resource, "0")
        if used is not None and used > quantity.parse(request):
            words.append(_more("Container", container["name"], used, request, resource))
    return Verdict(EVICTED, "".join(words), disruption=True)


def _more(what: str, name: str, used: int, request: quantity.Written, resource: str) -> str:
    amount = quantity.render(used, "BinarySI")
    return (
        f"{what} {name} was using {amount}, request is {quantity.canonical(request)}, "
        f"has larger consumption of {resource}. "
    )
