"""NodeDeclaredFeatureValidator: a pod is resized only on a node that can be asked what it is able to do.

No feature that a node may lack is needed for the resizes that Roost's nodes carry out, so all that is
left to check is that the node is known.
"""

from __future__ import annotations

from roost.api.kind import Resource
from roost.apiserver.admission.base import PODS, Base, refuse, resource_of, spec_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

_NODES = Resource("", "v1", "nodes")


class NodeDeclaredFeatureValidator(Base):
    """Looks at resizes of pods that have their node."""

    name = "NodeDeclaredFeatureValidator"
    resources = frozenset({PODS})

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if request.operation != "UPDATE" or request.subresource != "resize":
            return
        if resource_of(request) != PODS:
            return
        new, old = spec_of(request.object or {}), spec_of(request.old or {})
        node = old.get("nodeName")
        if node and new != old and await lookup.get(_NODES, node) is None:
            raise refuse(request, f'node "{node}" not found')
