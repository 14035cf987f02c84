"""How much a whole pod asks for, and may use: the sums that quotas and limits are about.

Init containers run one after the other, before the rest; those that restart always (sidecars) run on
beside everything that starts after them. So a pod needs the largest of what it needs at any time.
"""

from __future__ import annotations

from collections.abc import Mapping

from roost.api.quantity import Written, add, compare
from roost.api.values import Object

Amounts = dict[str, Written]


def pod_requests(spec: Object) -> Amounts:
    """Return the requests of a pod, its overhead included."""
    found = _total(spec, "requests")
    return _plus(found, spec.get("overhead") or {})


def pod_limits(spec: Object) -> Amounts:
    """Return the limits of a pod: overhead counts only for what is limited at all."""
    found = _total(spec, "limits")
    overhead = spec.get("overhead") or {}
    return _plus(found, {key: value for key, value in overhead.items() if key in found})


def _total(spec: Object, field: str) -> Amounts:
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = _plus(total, _own(container, field))
    beside: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _own(container, field)
        if container.get("restartPolicy") == "Always":
            beside = _plus(beside, own)
            own = beside
        else:
            own = _plus(beside, own)
        peak = _most(peak, own)
    found = _most(_plus(total, beside), peak)
    whole = (spec.get("resources") or {}).get(field) or {}
    return {**found, **whole}


def _own(container: Object, field: str) -> Mapping[str, Written]:
    return (container.get("resources") or {}).get(field) or {}


def _plus(left: Mapping[str, Written], right: Mapping[str, Written]) -> Amounts:
    found = dict(left)
    for key, value in right.items():
        found[key] = add(found[key], value) if key in found else value
    return found


def _most(left: Mapping[str, Written], right: Mapping[str, Written]) -> Amounts:
    found = dict(left)
    for key, value in right.items():
        if key not in found or compare(value, found[key]) > 0:
            found[key] = value
    return found
