"""Small builders of objects for tests."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object


def node(name: str, cpu: str = "4", memory: str = "8Gi", pods: int = 110, **spec: Any) -> Object:
    labels = {"kubernetes.io/hostname": name, **spec.pop("labels", {})}
    return {
        "metadata": {"name": name, "labels": labels, "uid": f"uid-{name}"},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": str(pods)}},
    }


def pod(
    name: str, cpu: str = "", memory: str = "", namespace: str = "default", **more: Any
) -> Object:
    """Return a pod; `labels`, `owner` (a reference) and `status` are put where they belong."""
    wanted = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    for field in ("labels", "annotations", "ownerReferences", "creationTimestamp", "finalizers"):
        if field in more:
            metadata[field] = more.pop(field)
    status = more.pop("status", {"phase": "Pending"})
    container = {"name": "main", "image": "app:1", "resources": {"requests": wanted}}
    container.update(more.pop("container", {}))
    return {
        "metadata": metadata,
        "spec": {"containers": [container], **more},
        "status": status,
    }


def running(body: Object, since: str = "2027-01-15T08:00:00Z") -> Object:
    """Return the pod as a kubelet reports it when all is well."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    return {**body, "status": {"phase": "Running", "conditions": [condition]}}
