"""The downward API: fields of the Pod, and resources of its containers, as text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from roost.api import quantity
from roost.api.values import Object
from roost.node import podspec, resources
from roost.node.sources import Refused

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_MAPS = {"metadata.labels": "labels", "metadata.annotations": "annotations"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts of the node and of the pod's network that a pod may ask for."""

    node_name: str
    host_ips: tuple[str, ...]
    pod_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_value(pod: Object, path: str, around: Surroundings) -> str:
    """Return the value of a fieldRef; raises Refused for a path that is not supported."""
    if path in _MAPS:
        return _pairs(pod["metadata"].get(_MAPS[path]) or {})
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        values = pod["metadata"].get(subscript[1]) or {}
        return str(values.get(subscript[2], ""))
    simple = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"].get("namespace", ""),
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": around.node_name,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": around.host_ips[0] if around.host_ips else "",
        "status.hostIPs": ",".join(around.host_ips),
        "status.podIP": around.pod_ips[0] if around.pod_ips else "",
        "status.podIPs": ",".join(around.pod_ips),
    }
    if path not in simple:
        raise Refused("CreateContainerConfigError", f"unsupported fieldPath: {path}")
    return str(simple[path])


def _pairs(values: Mapping[str, str]) -> str:
    """Return `key="value"` lines, quoted as Go quotes."""
    lines = (f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values))
    return "\n".join(lines)


def resource_value(pod: Object, source: Object, own_name: str, around: Surroundings) -> str:
    """Return the value of a resourceFieldRef, in units of its divisor, rounded up."""
    name = source.get("containerName") or own_name
    found = podspec.find_container(pod, name)
    if found is None:
        raise Refused("CreateContainerConfigError", f"container {name} not found")
    wanted: str = source["resource"]
    side, _, resource = wanted.partition(".")
    if side not in {"limits", "requests"}:
        raise Refused("CreateContainerConfigError", f"unsupported container resource : {wanted}")
    amount: quantity.Exact = resources.of_container(found[1], side).get(resource, 0)
    if not amount and side == "limits" and resource in around.allocatable:
        amount = quantity.parse(around.allocatable[resource])
    divisor = quantity.parse(source.get("divisor") or "1") or 1
    return str(-int(-Fraction(amount) / Fraction(divisor) // 1))
