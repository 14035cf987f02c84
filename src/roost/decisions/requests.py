"""What a pod asks for: resource requests as integers. Pure.

cpu is counted in thousandths, everything else in its own unit (bytes, pieces), rounded up. As in
Kubernetes: containers add up, sidecars (restartable init containers) run beside all that start after
them, init containers run alone, overhead comes on top, and pod-level requests win. A container that is
being resized counts with the most of what it asks for, what it was promised and what it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from roost.api.quantity import to_int, to_millis
from roost.api.values import Object

CPU = "cpu"
MEMORY = "memory"
EPHEMERAL = "ephemeral-storage"
PODS = "pods"

#: What scoring assumes of a container that asks for nothing.
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024

Amounts = dict[str, int]


def amounts(quantities: Mapping[str, str | int | float] | None) -> Amounts:
    """Read a map of quantities, e.g. a node's allocatable."""
    return {
        name: to_millis(value) if name == CPU else to_int(value)
        for name, value in (quantities or {}).items()
    }


def add(total: Amounts, more: Mapping[str, int]) -> None:
    """Add `more` to `total` in place."""
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    """Raise `total` in place where it is below `least`."""
    for name, value in least.items():
        if value > total.get(name, 0):
            total[name] = value


def _asked(container: Object, field: str) -> Amounts:
    return amounts((container.get("resources") or {}).get(field))


def _aggregate(
    containers: Iterable[tuple[Object, Amounts]], inits: Iterable[tuple[Object, Amounts]]
) -> Amounts:
    total: Amounts = {}
    for _, asked in containers:
        add(total, asked)
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container, asked in inits:
        if container.get("restartPolicy") == "Always":
            add(total, asked)
            add(sidecars, asked)
            raise_to(peak, sidecars)
        else:
            alone = dict(asked)
            add(alone, sidecars)
            raise_to(peak, alone)
    raise_to(total, peak)
    return total


def held(pod: Object) -> dict[str, Amounts]:
    """Return what containers count with where that is not what they ask for, by their names.

    A resize that the node called infeasible leaves them with what they have.
    """
    status = pod.get("status") or {}
    statuses = (
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    )
    known = {}
    for one in statuses:
        promised, has = one.get("allocatedResources"), (one.get("resources") or {}).get("requests")
        if promised or has:
            known[one["name"]] = (promised, has)
    if not known:
        return {}
    infeasible = any(
        one.get("type") == "PodResizePending" and one.get("reason") == "Infeasible"
        for one in status.get("conditions") or ()
    )
    found: dict[str, Amounts] = {}
    spec = pod["spec"]
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        asked = (container.get("resources") or {}).get("requests")
        promised, has = known.get(container["name"], (None, None))
        if promised in (None, asked) and has in (None, asked):
            continue
        wanted = amounts(asked)
        total = {} if infeasible else dict(wanted)
        raise_to(total, amounts(promised))
        raise_to(total, amounts(has))
        if total != wanted:
            found[container["name"]] = total
    return found


def pod_requests(pod: Object, field: str = "requests") -> Amounts:
    """Return what a pod asks for (`field` may be "limits"), overhead included."""
    spec = pod["spec"]
    counted = held(pod) if field == "requests" and spec.get("nodeName") else {}

    def asked(container: Object) -> Amounts:
        return counted.get(container.get("name", "")) or _asked(container, field)

    total = _aggregate(
        ((c, asked(c)) for c in spec.get("containers") or ()),
        ((c, asked(c)) for c in spec.get("initContainers") or ()),
    )
    total.update(_asked(spec, field))
    overhead = amounts(spec.get("overhead"))
    add(
        total,
        overhead if field == "requests" else {k: v for k, v in overhead.items() if k in total},
    )
    return total


def scored_requests(pod: Object) -> tuple[int, int]:
    """Return (thousandths of cpu, bytes of memory) with defaults for containers that do not say."""
    defaults = {CPU: DEFAULT_MILLI_CPU, MEMORY: DEFAULT_MEMORY_BYTES}
    spec = pod["spec"]
    counted = held(pod) if spec.get("nodeName") else {}

    def padded(container: Object) -> Amounts:
        asked = counted.get(container.get("name", "")) or _asked(container, "requests")
        return {name: asked.get(name, default) for name, default in defaults.items()}

    total = _aggregate(
        ((c, padded(c)) for c in spec.get("containers") or ()),
        ((c, padded(c)) for c in spec.get("initContainers") or ()),
    )
    total.update({k: v for k, v in _asked(spec, "requests").items() if k in defaults})
    add(total, amounts(spec.get("overhead")))
    return total.get(CPU, 0), total.get(MEMORY, 0)
