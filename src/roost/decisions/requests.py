"""What a pod asks for: resource requests as integers. Pure.

cpu is counted in thousandths, everything else in its own unit (bytes, pieces), rounded up. As in
Kubernetes: containers add up, sidecars (restartable init containers) run beside all that start after
them, init containers run alone, overhead comes on top, and pod-level requests win.
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


def pod_requests(pod: Object, field: str = "requests") -> Amounts:
    """Return what a pod asks for (`field` may be "limits"), overhead included."""
    spec = pod["spec"]
    total = _aggregate(
        ((c, _asked(c, field)) for c in spec.get("containers") or ()),
        ((c, _asked(c, field)) for c in spec.get("initContainers") or ()),
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

    def padded(container: Object) -> Amounts:
        asked = _asked(container, "requests")
        return {name: asked.get(name, default) for name, default in defaults.items()}

    total = _aggregate(
        ((c, padded(c)) for c in spec.get("containers") or ()),
        ((c, padded(c)) for c in spec.get("initContainers") or ()),
    )
    total.update({k: v for k, v in _asked(spec, "requests").items() if k in defaults})
    add(total, amounts(spec.get("overhead")))
    return total.get(CPU, 0), total.get(MEMORY, 0)
