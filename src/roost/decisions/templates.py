"""Pods from templates."""

from __future__ import annotations

from roost.api.values import Object
from roost.decisions.meta import name_of, namespace_of


def pod_from(template: Object, owner: Object, reference: Object) -> Object:
    """Return the pod that `owner` makes of its template; the server generates its name."""
    source = template.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{name_of(owner)}-",
        "namespace": namespace_of(owner),
        "ownerReferences": [reference],
    }
    for field in ("labels", "annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
