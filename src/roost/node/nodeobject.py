"""The Node object and its Lease, as the agent wants them in the API. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from roost.api import quantity
from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.meta import micro_stamp, stamp
from roost.node.tools import NodeSettings
from roost.runtimes.port import Image

NODE_LEASES = "kube-node-lease"
LEASES = Resource("coordination.k8s.io", "v1", "leases")
_IMAGES_SHOWN = 50
KUBELET_VERSION = "v1.36.0"
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)  # fmt: skip

_PRESSURE = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


def go_arch(machine: str) -> str:
    """Return Kubernetes' word for a machine type (x86_64 is amd64)."""
    return _GO_ARCH.get(machine, machine)


def own_labels(settings: NodeSettings) -> dict[str, str]:
    """Return the labels that the agent keeps on its node."""
    system = settings.node_info.get("operatingSystem", "linux")
    arch = settings.node_info.get("architecture", "amd64")
    return {
        "kubernetes.io/hostname": settings.name,
        "kubernetes.io/os": system,
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": system,
        "beta.kubernetes.io/arch": arch,
        **settings.labels,
    }


def capacity_of(settings: NodeSettings) -> tuple[dict[str, str], dict[str, str]]:
    """Return (capacity, allocatable)."""
    capacity = settings.capacity
    whole = {
        "cpu": _cpu(capacity.cpu_millis),
        "memory": f"{capacity.memory_bytes // 1024}Ki",
        "ephemeral-storage": f"{capacity.ephemeral_bytes // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(capacity.pods),
    }
    # Canonical, as the server stores them: else every comparison would find a change.
    whole = {name: quantity.canonical(amount) for name, amount in whole.items()}
    free = dict(whole)
    free["cpu"] = _cpu(max(0, capacity.cpu_millis - capacity.reserved_cpu_millis))
    memory = max(0, capacity.memory_bytes - capacity.reserved_memory_bytes)
    free["memory"] = quantity.canonical(f"{memory // 1024}Ki")
    return whole, free


def _cpu(millis: int) -> str:
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def new_node(settings: NodeSettings) -> Object:
    """Return the Node to register with."""
    spec: Object = {}
    if settings.taints:
        spec["taints"] = list(settings.taints)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": settings.name,
            "labels": own_labels(settings),
            "annotations": {
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                **settings.annotations,
            },
        },
        "spec": spec,
    }


def node_status(
    settings: NodeSettings,
    runtime_version: str,
    images: Iterable[Image],
    before: Object,
    now: float,
    *,
    pressure: Collection[str],
) -> Object:
    """Return the part of the Node's status that the agent owns; `before` is the status as it is,
    `pressure` the conditions of what runs low."""
    whole, free = capacity_of(settings)
    addresses = [{"type": "InternalIP", "address": ip} for ip in settings.host_ips]
    addresses.append({"type": "Hostname", "address": settings.name})
    info: Object = {
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kernelVersion": "",
        "osImage": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
        **settings.node_info,
        "containerRuntimeVersion": runtime_version,
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
    }
    return {
        "capacity": whole,
        "allocatable": free,
        "addresses": addresses,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.kubelet_port}},
        "nodeInfo": info,
        "conditions": _conditions(before, now, pressure=pressure),
        "images": _images(images),
    }


def _images(images: Iterable[Image]) -> list[Object]:
    """Return the largest images with their names, as the scheduler wants to know them."""
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.id))[:_IMAGES_SHOWN]
    return [
        {"names": [*image.digests, *image.tags], "sizeBytes": image.size_bytes}
        for image in largest
        if image.digests or image.tags
    ]


def _conditions(before: Object, now: float, *, pressure: Collection[str]) -> list[Object]:
    known = {one.get("type"): one for one in before.get("conditions") or ()}
    at = stamp(now)
    found = []
    for kind, status, reason, message in _CONDITIONS:
        if kind in pressure:
            status, (reason, message) = "True", _PRESSURE[kind]
        old = known.get(kind)
        same = old is not None and old.get("status") == status
        found.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": at,
                "lastTransitionTime": (old or {}).get("lastTransitionTime", at) if same else at,
            }
        )
    return found


def status_patch(before: Object, wanted: Object, *, heartbeat: bool) -> Object | None:
    """Return the strategic merge patch of the Node's status, or None if nothing but time changed
    (`heartbeat`: the times are to be written even so)."""
    changed = {
        field: value
        for field, value in wanted.items()
        if field not in {"conditions", "addresses"}
        and before.get(field) != value
        and (value or before.get(field))
    }
    if before.get("addresses") != wanted["addresses"]:
        changed["addresses"] = [{"$patch": "replace"}, *wanted["addresses"]]
    known = {one.get("type"): one for one in before.get("conditions") or ()}
    timeless = ("type", "status", "reason", "message")
    turned = [
        one
        for one in wanted["conditions"]
        if any(known.get(one["type"], {}).get(field) != one[field] for field in timeless)
    ]
    if turned or heartbeat or changed:
        changed["conditions"] = wanted["conditions"]
    return {"status": changed} if changed else None


def lease(settings: NodeSettings, now: float, node_uid: str) -> Object:
    """Return the node's Lease."""
    found: Object = {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": settings.name, "namespace": NODE_LEASES},
        "spec": {
            "holderIdentity": settings.name,
            "leaseDurationSeconds": settings.lease_duration_s,
            "renewTime": micro_stamp(now),
        },
    }
    if node_uid:
        found["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Node", "name": settings.name, "uid": node_uid}
        ]
    return found
