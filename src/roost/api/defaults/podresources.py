"""Defaults of resources that are set for a pod as a whole.

Rule: a pod that says something about its resources gets the rest from its containers, and requests
that nobody set from its limits. cpu, memory and hugepages can be set for a pod.
"""

from __future__ import annotations

from roost.api.quantity import add, compare
from roost.api.values import Object


def may_be_pod_level(name: str) -> bool:
    """Tell whether a resource can be set for a pod as a whole."""
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def aggregate(spec: Object, which: str) -> Object:
    """Return what containers need together; `which` is requests or limits.

    Regular containers and sidecars add up; an init container needs what it asks for beside the
    sidecars started before it, and the largest need counts.
    """
    total: Object = {}
    for container in spec.get("containers") or ():
        _add(total, _values(container, which))
    sidecars: Object = {}
    peak: Object = {}
    for container in spec.get("initContainers") or ():
        values = _values(container, which)
        if container.get("restartPolicy") == "Always":
            _add(total, values)
            _add(sidecars, values)
            need = dict(sidecars)
        else:
            need = dict(sidecars)
            _add(need, values)
        _most(peak, need)
    _most(total, peak)
    return total


def _values(container: Object, which: str) -> Object:
    found: Object = (container.get("resources") or {}).get(which) or {}
    return found


def _add(total: Object, values: Object) -> None:
    for name, value in values.items():
        total[name] = add(total[name], value) if name in total else value


def _most(total: Object, values: Object) -> None:
    for name, value in values.items():
        if name not in total or compare(value, total[name]) > 0:
            total[name] = value


def pod_resources(spec: Object) -> None:
    """Fill in a pod's own resources."""
    resources = spec["resources"]
    if not resources.get("limits") and not resources.get("requests"):
        return
    _limits_of_hugepages(spec, resources)
    if resources.get("limits"):
        _requests(spec, resources)
    else:
        _limits(spec, resources)


def _limits_of_hugepages(spec: Object, resources: Object) -> None:
    for name, value in aggregate(spec, "limits").items():
        if name.startswith("hugepages-") and name not in (resources.get("requests") or {}):
            resources.setdefault("limits", {}).setdefault(name, value)


def _requests(spec: Object, resources: Object) -> None:
    requests = dict(resources.get("requests") or {})
    for name, value in aggregate(spec, "requests").items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, value)
    for name, value in resources["limits"].items():
        if may_be_pod_level(name):
            requests.setdefault(name, value)
    if requests:
        resources["requests"] = requests


def _limits(spec: Object, resources: Object) -> None:
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    limits = {
        name: value
        for name, value in aggregate(spec, "limits").items()
        if name in ("cpu", "memory") and all(name in _values(c, "limits") for c in containers)
    }
    if limits:
        resources["limits"] = limits
