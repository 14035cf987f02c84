"""Defaults of configuration, namespaces, nodes and other plain core kinds."""

from __future__ import annotations

from base64 import b64encode

from roost.api.defaults.filling import fill, part, untimed
from roost.api.defaults.quantities import round_up
from roost.api.kind import Change
from roost.api.values import Object

_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
    "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


def config_map(change: Change) -> None:
    """Leave out empty maps, as the server does when it writes a ConfigMap."""
    value = change.object
    for key in ("data", "binaryData"):
        if key in value and not value[key]:
            del value[key]


def secret(change: Change) -> None:
    """Fill in a Secret: type, and stringData written into data."""
    value = change.object
    plain = value.pop("stringData", None)
    if plain:
        data = part(value, "data")
        for key, text in plain.items():
            data[key] = b64encode((text or "").encode()).decode()
    if "data" in value and not value["data"]:
        del value["data"]
    if not value.get("type"):
        value["type"] = "Opaque"


def namespace(change: Change) -> None:
    """Fill in a Namespace: its phase, and its name as a label."""
    value = change.object
    meta = part(value, "metadata")
    if meta.get("name"):
        labels = part(meta, "labels")
        labels["kubernetes.io/metadata.name"] = meta["name"]
    part(value, "spec")
    status = part(value, "status")
    if not status.get("phase"):
        status["phase"] = "Active"
    untimed(status.get("conditions"), "lastTransitionTime")


def _node_addresses(spec: Object) -> None:
    """Keep podCIDR and the first of podCIDRs the same; podCIDR wins."""
    ranges = spec.get("podCIDRs") or []
    first = spec.get("podCIDR")
    if first and (not ranges or ranges[0] != first):
        spec["podCIDRs"] = [first]
    elif ranges and not first:
        spec["podCIDR"] = ranges[0]


def node(change: Change) -> None:
    """Fill in a Node: what it has is what may be used, unless it says otherwise."""
    _node_addresses(part(change.object, "spec"))
    status = part(change.object, "status")
    capacity = status.get("capacity")
    if capacity is not None and status.get("allocatable") is None:
        status["allocatable"] = dict(capacity)
    round_up(status.get("capacity"))
    round_up(status.get("allocatable"))
    untimed(status.get("conditions"), "lastHeartbeatTime", "lastTransitionTime")
    ports = part(status, "daemonEndpoints")
    fill(part(ports, "kubeletEndpoint"), Port=0)
    info = part(status, "nodeInfo")
    for key in _NODE_INFO:
        fill(info, **{key: ""})


def limit_range(change: Change) -> None:
    """Fill in a LimitRange: container defaults follow from max and min."""
    spec = part(change.object, "spec")
    spec.setdefault("limits", None)
    for item in spec["limits"] or ():
        if item.get("type") == "Container":
            _container_limits(item)
        for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            round_up(item.get(key))


def _container_limits(item: Object) -> None:
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    if limits:
        item["default"] = limits
    if requests:
        item["defaultRequest"] = requests


def resource_quota(change: Change) -> None:
    """Fill in a ResourceQuota."""
    round_up(part(change.object, "spec").get("hard"))
    status = part(change.object, "status")
    round_up(status.get("hard"))
    round_up(status.get("used"))


def event(change: Change) -> None:
    """Write the parts of a core Event that are always written."""
    value = change.object
    part(value, "source")
    part(value, "involvedObject")
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        value.setdefault(key, None)
    for key in ("reportingComponent", "reportingInstance"):
        fill(value, **{key: ""})
