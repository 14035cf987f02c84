"""The columns of the core group, but for pods and storage."""

from __future__ import annotations

from typing import Any

from roost.api.columns.cells import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    at,
    condition,
    containers_columns,
    count,
    described,
    get,
    labels_text,
    name_column,
    since,
    some,
)
from roost.api.kind import Column
from roost.api.values import Object

_LISTED_MAX = 3


def addresses(status: Any) -> str:
    """Return the addresses of a load balancer's status."""
    points = get(status, "loadBalancer", "ingress") or ()
    return ",".join(sorted({p.get("ip") or p.get("hostname") or "" for p in points} - {""}))


def _cluster_ip(service: Object, _: float) -> str:
    ips = get(service, "spec", "clusterIPs")
    return ips[0] if ips else NONE


def _external_ip(service: Object, _: float) -> str:
    spec = service.get("spec") or {}
    kind = spec.get("type")
    if kind == "ExternalName":
        return spec.get("externalName") or ""
    listed = ",".join(spec.get("externalIPs") or ())
    if kind == "LoadBalancer":
        balanced = addresses(service.get("status"))
        return ",".join(filter(None, (balanced, listed))) or "<pending>"
    return (listed or NONE) if kind in {"ClusterIP", "NodePort"} else UNKNOWN


def _ports(service: Object, _: float) -> str:
    pieces = []
    for port in get(service, "spec", "ports") or ():
        number = f"{port.get('port')}"
        if port.get("nodePort"):
            number += f":{port['nodePort']}"
        pieces.append(f"{number}/{port.get('protocol', 'TCP')}")
    return ",".join(pieces) or NONE


SERVICES = (
    NAME,
    Column("Type", at("spec", "type"), description=described("core.v1.ServiceSpec.type")),
    Column("Cluster-IP", _cluster_ip, description=described("core.v1.ServiceSpec.clusterIP")),
    Column("External-IP", _external_ip, description=described("core.v1.ServiceSpec.externalIPs")),
    Column("Port(s)", _ports, description=described("core.v1.ServiceSpec.ports")),
    AGE,
    Column("Selector", lambda v, _: labels_text(get(v, "spec", "selector")), priority=1,
           description=described("core.v1.ServiceSpec.selector")),
)  # fmt: skip

CONFIG_MAPS = (
    NAME,
    Column("Data", lambda v, _: len(v.get("data") or ()) + len(v.get("binaryData") or ()),
           description=described("core.v1.ConfigMap.data")),
    AGE,
)  # fmt: skip

SECRETS = (
    NAME,
    Column("Type", at("type"), description=described("core.v1.Secret.type")),
    Column("Data", count("data"), description=described("core.v1.Secret.data")),
    AGE,
)

SERVICE_ACCOUNTS = (NAME, AGE)

NAMESPACES = (
    NAME,
    Column("Status", at("status", "phase"), description="The status of the namespace"),
    AGE,
)


def _used(quota: Object, *, limits: bool) -> str:
    hard, used = get(quota, "status", "hard") or {}, get(quota, "status", "used") or {}
    return ", ".join(
        f"{name}: {used.get(name, '0')}/{hard[name]}"
        for name in sorted(hard)
        if name.startswith("limits.") is limits
    )


RESOURCE_QUOTAS = (
    NAME,
    Column("Request", lambda v, _: _used(v, limits=False), description="Request represents a minimum "
           "amount of cpu/memory that a container may consume."),
    Column("Limit", lambda v, _: _used(v, limits=True), description="Limits control the maximum amount "
           "of cpu/memory that a container may use independent of contention on the node."),
    AGE,
)  # fmt: skip


def _endpoints(value: Object, _: float) -> str:
    subsets = value.get("subsets") or ()
    if not subsets:
        return NONE
    listed: list[str] = []
    for subset in subsets:
        ips = [address.get("ip") or "" for address in subset.get("addresses") or ()]
        ports = subset.get("ports")
        if not ports:
            listed += ips
            continue
        for port in ports:
            listed += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}"
                       for ip in ips]  # fmt: skip
    more = len(listed) > _LISTED_MAX
    return some(listed[:_LISTED_MAX], _LISTED_MAX, len(listed), more=more)


ENDPOINTS = (
    NAME,
    Column("Endpoints", _endpoints, description=described("core.v1.Endpoints.subsets")),
    AGE,
)

REPLICATION_CONTROLLERS = (
    NAME,
    Column("Desired", at("spec", "replicas", default=0), "integer",
           description=described("core.v1.ReplicationControllerSpec.replicas")),
    Column("Current", at("status", "replicas", default=0), "integer",
           description=described("core.v1.ReplicationControllerStatus.replicas")),
    Column("Ready", at("status", "readyReplicas", default=0), "integer",
           description=described("core.v1.ReplicationControllerStatus.readyReplicas")),
    AGE,
    *containers_columns("spec", "template"),
    Column("Selector", lambda v, _: labels_text(get(v, "spec", "selector")), priority=1,
           description=described("core.v1.ReplicationControllerSpec.selector")),
)  # fmt: skip

POD_TEMPLATES = (
    NAME,
    *containers_columns("template", priority=0),
    Column("Pod Labels", lambda v, _: labels_text(get(v, "template", "metadata", "labels")),
           description="The labels for the pod template."),
)  # fmt: skip


def _node_status(node: Object, _: float) -> str:
    ready = condition(node, "Ready")
    words = ["Unknown"]
    if ready is not None:
        words = ["Ready" if ready.get("status") == "True" else "NotReady"]
    if get(node, "spec", "unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


_ROLE_PREFIX = "node-role.kubernetes.io/"


def _roles(node: Object, _: float) -> str:
    labels = get(node, "metadata", "labels") or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    roles.add(labels.get("kubernetes.io/role", ""))
    return ",".join(sorted(roles - {""})) or NONE


def _address(kind: str, node: Object) -> str:
    for address in get(node, "status", "addresses") or ():
        if address.get("type") == kind:
            return address.get("address") or ""
    return NONE


def _info(name: str, field: str) -> Column:
    return Column(name, lambda v, _: get(v, "status", "nodeInfo", field) or UNKNOWN, priority=1,
                  description=described(f"core.v1.NodeSystemInfo.{field}"))  # fmt: skip


NODES = (
    NAME,
    Column("Status", _node_status, description="The status of the node"),
    Column("Roles", _roles, description="The roles of the node"),
    AGE,
    Column("Version", at("status", "nodeInfo", "kubeletVersion"),
           description=described("core.v1.NodeSystemInfo.kubeletVersion")),
    Column("Internal-IP", lambda v, _: _address("InternalIP", v), priority=1,
           description=described("core.v1.NodeStatus.addresses")),
    Column("External-IP", lambda v, _: _address("ExternalIP", v), priority=1,
           description=described("core.v1.NodeStatus.addresses")),
    _info("OS-Image", "osImage"),
    _info("Kernel-Version", "kernelVersion"),
    _info("Container-Runtime", "containerRuntimeVersion"),
)  # fmt: skip


def _component(field: str, default: str = "") -> Any:
    def cell(value: Object, _: float) -> str:
        for item in value.get("conditions") or ():
            if item.get("type") == "Healthy":
                if field == "status":
                    return "Healthy" if item.get("status") == "True" else "Unhealthy"
                return item.get(field) or ""
        return default

    return cell


COMPONENT_STATUSES = (
    NAME,
    Column("Status", _component("status", "Unknown"),
           description="Status of the component conditions"),
    Column("Message", _component("message"), description="Message of the component conditions"),
    Column("Error", _component("error"), description="Error of the component conditions"),
)  # fmt: skip


def _about(event: Object) -> Object:
    found: Object = event.get("involvedObject") or event.get("regarding") or {}
    return found


def _first_seen(event: Object, now: float) -> str:
    first = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp")
    return since(first or event.get("eventTime"), now)


def _last_seen(event: Object, now: float) -> str:
    series = event.get("series")
    if series:
        return since(series.get("lastObservedTime"), now)
    last = event.get("lastTimestamp") or event.get("deprecatedLastTimestamp")
    return since(last, now) if last else _first_seen(event, now)


def _event_object(event: Object, _: float) -> str:
    about = _about(event)
    kind, name = (about.get("kind") or "").lower(), about.get("name")
    return f"{kind}/{name}" if name else kind


def _event_source(event: Object, _: float) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    reporter = event.get("reportingComponent") or event.get("reportingController")
    component = source.get("component") or reporter or ""
    host = source.get("host") or event.get("reportingInstance")
    return f"{component}, {host}" if host else component


def _event_count(event: Object, _: float) -> int:
    if event.get("series"):
        return event["series"].get("count") or 0
    return event.get("count") or event.get("deprecatedCount") or 1


EVENTS = (
    Column("Last Seen", _last_seen, description=described("core.v1.Event.lastTimestamp")),
    Column("Type", at("type"), description=described("core.v1.Event.type")),
    Column("Reason", at("reason"), description=described("core.v1.Event.reason")),
    Column("Object", _event_object, description=described("core.v1.Event.involvedObject")),
    Column("Subobject", lambda v, _: _about(v).get("fieldPath") or "", priority=1,
           description=described("core.v1.ObjectReference.fieldPath")),
    Column("Source", _event_source, priority=1, description=described("core.v1.Event.source")),
    Column("Message", lambda v, _: (v.get("message") or v.get("note") or "").strip(),
           description=described("core.v1.Event.message")),
    Column("First Seen", _first_seen, priority=1,
           description=described("core.v1.Event.firstTimestamp")),
    Column("Count", _event_count, priority=1, description=described("core.v1.Event.count")),
    name_column(priority=1),
)  # fmt: skip
