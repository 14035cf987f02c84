"""The schemas of custom resources as OpenAPI publishes them: with what every object has."""

from __future__ import annotations

from roost.api.crd.kinds import Served
from roost.api.openapi.schemas import REFERENCE_V3
from roost.api.schema import document
from roost.api.values import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TEXTS = "io.k8s.api.core.v1.ConfigMap"


def published(served: Served) -> Object:
    """Return the v3 schema of a version."""
    kind = served.kind
    texts = document.descriptions().get(_TEXTS, {})
    group_kind = [{"group": kind.group, "version": kind.version, "kind": kind.name}]
    own: Object = {name: _text(texts, name) for name in ("apiVersion", "kind")}
    own["metadata"] = {
        "description": texts.get("metadata", ""), "allOf": [{"$ref": REFERENCE_V3 + _META}],
    }  # fmt: skip
    properties = {**(served.schema.get("properties") or {}), **own}
    return {
        **served.schema, "properties": properties, "x-kubernetes-group-version-kind": group_kind
    }  # fmt: skip


def _text(texts: Object, name: str) -> Object:
    return {"description": texts.get(name, ""), "type": "string"}
