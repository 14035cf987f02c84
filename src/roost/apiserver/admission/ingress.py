"""DefaultIngressClass: an Ingress without a class gets the one that is marked as default."""

from __future__ import annotations

from roost.api.kind import Resource
from roost.apiserver.admission.base import Base, is_creation
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.storage import default_of
from roost.apiserver.attributes import Admission

CLASSES = Resource("networking.k8s.io", "v1", "ingressclasses")
_INGRESSES = ("networking.k8s.io", "ingresses")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass(Base):
    """Fills in spec.ingressClassName."""

    name = "DefaultIngressClass"
    resources = frozenset({_INGRESSES})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, _INGRESSES):
            return
        ingress = request.object
        assert ingress is not None
        annotations = ingress["metadata"].get("annotations") or {}
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD_CLASS in annotations:
            return
        chosen = default_of(await lookup.list(CLASSES), (_DEFAULT,))
        if chosen is not None:
            spec["ingressClassName"] = chosen["metadata"]["name"]
