"""Fields of feature gates that are off in v1.36: the server drops them, as if they were not there.

An object that has such a field already (from a server with the gate on) keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.kind import Change
from roost.api.strategies.strategy import PLAIN
from roost.api.values import Object

_LISTS = ("initContainers", "containers", "ephemeralContainers")
#: Projections of ClusterTrustBundleProjection and PodCertificateRequest.
_PROJECTIONS = ("clusterTrustBundle", "podCertificate")


def _sources(spec: Object) -> Iterator[Object]:
    for volume in spec.get("volumes") or ():
        yield from (volume.get("projected") or {}).get("sources") or ()


def _containers(spec: Object) -> Iterator[Object]:
    for key in _LISTS:
        yield from spec.get(key) or ()


def _has_signal(container: Object) -> bool:
    return (container.get("lifecycle") or {}).get("stopSignal") is not None


def drop_of_pod(spec: Object, old: Object) -> None:
    """Drop what is off from a pod's spec."""
    sources = list(_sources(spec))
    for key in _PROJECTIONS if sources else ():
        if not any(source.get(key) is not None for source in _sources(old)):
            for source in sources:
                source.pop(key, None)
    if not any(map(_has_signal, _containers(old))):
        for container in filter(_has_signal, _containers(spec)):
            container["lifecycle"].pop("stopSignal")
            if not container["lifecycle"]:
                container.pop("lifecycle")
    if old.get("schedulingGroup") is None:
        spec.pop("schedulingGroup", None)


def drop_of_template(change: Change, *path: str) -> None:
    """Drop what is off from the pod template at a path, `spec.template` for one."""

    def template(value: Object) -> Object:
        for key in path or ("spec", "template"):
            value = value.get(key) or {}
        return value.get("spec") or {}

    drop_of_pod(template(change.object), template(change.old or {}))


def prepare_lease(change: Change) -> None:
    """Prepare a Lease: elections that the server coordinates are off."""
    PLAIN(change)
    spec, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    for key in ("strategy", "preferredHolder"):
        if old.get(key) is None:
            spec.pop(key, None)
