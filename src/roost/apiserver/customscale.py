"""The scale subresource of custom resources: replicas are where the definition says."""

from __future__ import annotations

from typing import Any, Final

from roost.api.crd.paths import steps_of, value_at
from roost.api.errors import BadRequest
from roost.api.kind import ReplicaPaths
from roost.api.values import Object, copy_of

_META: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")

#: How many replicas a Scale wants, while it is changed, where the object does not say.
UNSET: Final = -(2**31)


def _number(found: Any) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def scale_of_custom(paths: ReplicaPaths, value: Object, unset: int | None = None) -> Object:
    """Return the Scale of a custom resource. Where it does not say how many it wants, that is what
    `unset` says; BadRequest is raised if that is None.
    """
    wanted = value_at(value, steps_of(paths.spec))
    if wanted is None:
        wanted = unset
    if wanted is None:
        raise BadRequest(f'the spec replicas field "{paths.spec}" does not exist')
    metadata = value["metadata"]
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _META if key in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": {"replicas": _number(value_at(value, steps_of(paths.status)))},
    }
    selector = value_at(value, steps_of(paths.selector)) if paths.selector else None
    if isinstance(selector, str) and selector:
        scale["status"]["selector"] = selector
    return scale


def with_custom_replicas(paths: ReplicaPaths, value: Object, replicas: int) -> Object:
    """Return a private copy of a custom resource that wants so many replicas.

    Raises BadRequest where a change has left the number `UNSET`.
    """
    if replicas == UNSET:
        raise BadRequest(f'the spec replicas field "{paths.spec}" cannot be empty')
    changed: Object = copy_of(value)
    *parents, last = steps_of(paths.spec)
    inner = changed
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = replicas
    return changed
