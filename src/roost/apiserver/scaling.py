"""The scale subresource: a Scale seen in, and written through, the object that has replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from roost.api.columns.cells import AGE, NAME, at
from roost.api.errors import Cause, invalid
from roost.api.kind import Column, Kind, ReplicaPaths
from roost.api.selectors import label_selector, labels_equal
from roost.api.values import Object, copy_of
from roost.apiserver.customscale import UNSET, scale_of_custom, with_custom_replicas
from roost.apiserver.updating import Build

GROUP: Final = "autoscaling"
_META: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(kind: Kind, value: Object, unset: int | None = None) -> Object:
    """Return the Scale of an object; `unset` is for custom ones that do not say how many they want."""
    if kind.replicas is not None:
        return scale_of_custom(kind.replicas, value, unset)
    metadata = value["metadata"]
    spec, status = value.get("spec") or {}, value.get("status") or {}
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _META if key in metadata},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": {"replicas": status.get("replicas") or 0},
    }
    selector = _selector_text(kind, spec.get("selector"))
    if selector:
        scale["status"]["selector"] = selector
    return scale


def _selector_text(kind: Kind, selector: Any) -> str:
    if not selector:
        return ""
    if (kind.group, kind.plural) == ("", "replicationcontrollers"):
        return str(labels_equal(selector))
    return str(label_selector(selector))


def with_scale(value: Object, scale: Object, paths: ReplicaPaths | None = None) -> Object:
    """Return a private copy of an object with the replicas (and version) of a Scale."""
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    name = value["metadata"]["name"]
    if paths is not None:
        return _of_version(with_custom_replicas(paths, value, replicas), scale)
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", text, "spec.replicas")
        raise invalid(GROUP, "Scale", name, [cause])
    changed = copy_of(value)
    changed.setdefault("spec", {})["replicas"] = replicas
    changed["metadata"].pop("resourceVersion", None)
    return _of_version(changed, scale)


def _of_version(changed: Object, scale: Object) -> Object:
    """Ask for the version of the object that the Scale was made of."""
    metadata, sent = changed["metadata"], scale["metadata"]
    for key in ("resourceVersion", "uid"):
        if sent.get(key):
            metadata[key] = sent[key]
    return changed


def scale_build(kind: Kind, inner: Callable[[Object], Object]) -> Build:
    """Return the build of the parent for a build of its Scale."""

    def build(old: Object | None) -> Object:
        assert old is not None
        return with_scale(old, inner(scale_of(kind, old, UNSET)), kind.replicas)

    return build


#: Scale as a kind: never served by itself, but shown, also as a table.
SCALE_KIND: Final = Kind(
    group=GROUP,
    version="v1",
    name="Scale",
    plural="scales",
    namespaced=True,
    schema="io.k8s.api.autoscaling.v1.Scale",
    verbs=(),
    columns=(
        replace(NAME, format=""),
        Column(
            "Desired",
            at("spec", "replicas", default=0),
            "integer",
            "",
            0,
            "replicas is the desired number of instances for the scaled object.",
        ),
        Column(
            "Available",
            at("status", "replicas", default=0),
            "integer",
            "",
            0,
            "replicas is the actual number of observed instances of the scaled object.",
        ),
        AGE,
    ),
)
