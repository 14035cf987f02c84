"""NamespaceLifecycle: nothing is made in a namespace that is absent or on its way out."""

from __future__ import annotations

from roost.api.errors import NAMESPACE_ENDS, not_found
from roost.api.kind import Resource
from roost.apiserver.access.refusals import refused
from roost.apiserver.admission.base import NAMESPACES, Base, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

_RESOURCE = Resource("", "v1", "namespaces")
_IMMORTAL = ("default", "kube-system", "kube-public")
_REVIEWS = ("localsubjectaccessreviews",)


class NamespaceLifecycle(Base):
    """Guards what is made in namespaces, and three namespaces themselves."""

    name = "NamespaceLifecycle"

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if resource_of(request) == NAMESPACES:
            if request.operation == "DELETE" and request.name in _IMMORTAL:
                raise refused("", "namespaces", request.name, "this namespace may not be deleted")
            return
        namespace = request.namespace
        if not namespace or not request.kind.namespaced or request.operation == "DELETE":
            return
        if request.kind.plural in _REVIEWS:
            return
        found = await lookup.get(_RESOURCE, namespace)
        if found is None:
            raise not_found("", "namespaces", namespace)
        if request.operation != "CREATE" or not found["metadata"].get("deletionTimestamp"):
            return
        error = refuse(
            request,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        cause = {
            "reason": NAMESPACE_ENDS,
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        error.details = {**(error.details or {}), "causes": [cause]}
        raise error
