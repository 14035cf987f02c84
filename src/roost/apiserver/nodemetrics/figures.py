"""From a kubelet's summary to NodeMetrics and PodMetrics. Pure."""

from __future__ import annotations

from typing import Any, Final

from roost.api.values import Object

API_VERSION: Final = "metrics.k8s.io/v1beta1"
#: The span that a rate stands for: about as long as a summary is kept.
_WINDOW: Final = "10s"

RESOURCES: Final = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": API_VERSION,
    "resources": [
        {
            "name": "nodes", "singularName": "", "namespaced": False,
            "kind": "NodeMetrics", "verbs": ["get", "list"],
        },
        {
            "name": "pods", "singularName": "", "namespaced": True,
            "kind": "PodMetrics", "verbs": ["get", "list"],
        },
    ],
}  # fmt: skip


def has_rates(summary: Object) -> bool:
    """Can the summary tell how much is used now, not only how much was used in all?"""
    return _rate(summary.get("node") or {}) is not None


def node_metrics(node: Object, summary: Object, now: str) -> Object | None:
    """Return the NodeMetrics of a node; None while its use cannot be told."""
    figures = summary.get("node") or {}
    usage = _usage(figures)
    if usage is None:
        return None
    return _object("NodeMetrics", node["metadata"], figures, {"usage": usage}, now)


def pod_metrics(pod: Object, stats: Object, now: str) -> Object | None:
    """Return the PodMetrics of a pod; None while the use of one of its containers cannot be told."""
    containers = []
    for container in stats.get("containers") or ():
        usage = _usage(container)
        if usage is None:
            return None
        containers.append({"name": container["name"], "usage": usage})
    if not containers:
        return None
    return _object("PodMetrics", pod["metadata"], stats, {"containers": containers}, now)


def pods_of(summary: Object) -> dict[tuple[str, str], Object]:
    """Return the figures of pods by namespace and name."""
    return {
        (stats["podRef"]["namespace"], stats["podRef"]["name"]): stats
        for stats in summary.get("pods") or ()
    }


def listed(kind: str, items: list[Object]) -> Object:
    """Return a list of metrics."""
    return {"kind": f"{kind}List", "apiVersion": API_VERSION, "metadata": {}, "items": items}


def _object(kind: str, of: Object, figures: Object, more: Object, now: str) -> Object:
    metadata: Object = {"name": of["name"], "creationTimestamp": now}
    if of.get("namespace"):
        metadata["namespace"] = of["namespace"]
    if of.get("labels"):
        metadata["labels"] = of["labels"]
    at = (figures.get("cpu") or {}).get("time") or now
    return {
        "kind": kind, "apiVersion": API_VERSION, "metadata": metadata, "timestamp": at,
        "window": _WINDOW, **more,
    }  # fmt: skip


def _usage(figures: Object) -> Object | None:
    rate = _rate(figures)
    if rate is None:
        return None
    memory = (figures.get("memory") or {}).get("workingSetBytes") or 0
    return {"cpu": f"{int(rate)}n" if rate else "0", "memory": f"{int(memory) // 1024}Ki"}


def _rate(figures: Object) -> Any:
    return (figures.get("cpu") or {}).get("usageNanoCores")
