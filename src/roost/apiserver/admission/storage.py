"""Plugins of storage: the default class, protection of what is in use, and growing of claims."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.kind import Resource
from roost.api.quantity import compare
from roost.api.values import Object
from roost.apiserver.admission.base import (
    CLAIMS,
    VOLUMES,
    Base,
    is_creation,
    refuse,
    resource_of,
    spec_of,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

CLASSES = Resource("storage.k8s.io", "v1", "storageclasses")
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_BETA_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_ATTRIBUTES = ("storage.k8s.io", "volumeattributesclasses")
_FINALIZERS = {
    CLAIMS: "kubernetes.io/pvc-protection",
    VOLUMES: "kubernetes.io/pv-protection",
    _ATTRIBUTES: "kubernetes.io/vac-protection",
}


class DefaultStorageClass(Base):
    """Gives a claim without a class the one that is marked as default."""

    name = "DefaultStorageClass"
    resources = frozenset({CLAIMS})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, CLAIMS):
            return
        claim = request.object
        assert claim is not None
        annotations = claim["metadata"].get("annotations") or {}
        if spec_of(claim).get("storageClassName") is not None or _BETA_CLASS in annotations:
            return
        chosen = default_of(await lookup.list(CLASSES), (_DEFAULT, _BETA_DEFAULT))
        if chosen is not None:
            claim.setdefault("spec", {})["storageClassName"] = chosen["metadata"]["name"]


def default_of(classes: Iterable[Object], annotations: tuple[str, ...]) -> Object | None:
    """Return the class that is marked as default: the newest, then the first by name."""
    marked = [item for item in classes if _is_marked(item, annotations)]
    marked.sort(key=lambda item: str(item["metadata"]["name"]))
    marked.sort(key=lambda item: str(item["metadata"].get("creationTimestamp", "")), reverse=True)
    return marked[0] if marked else None


def _is_marked(item: Object, annotations: tuple[str, ...]) -> bool:
    own = item["metadata"].get("annotations") or {}
    return any(own.get(annotation) == "true" for annotation in annotations)


class StorageObjectInUseProtection(Base):
    """Claims and volumes are held back from deletion as long as they are in use."""

    name = "StorageObjectInUseProtection"
    resources = frozenset(_FINALIZERS)

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        resource = resource_of(request)
        if not is_creation(request, resource) or resource not in _FINALIZERS:
            return
        assert request.object is not None
        metadata = request.object["metadata"]
        finalizers = metadata.get("finalizers") or []
        if _FINALIZERS[resource] not in finalizers:
            metadata["finalizers"] = [*finalizers, _FINALIZERS[resource]]


class PersistentVolumeClaimResize(Base):
    """A claim grows only if its class says that its volumes can."""

    name = "PersistentVolumeClaimResize"
    resources = frozenset({CLAIMS})

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if request.operation != "UPDATE" or request.subresource or request.object is None:
            return
        if resource_of(request) != CLAIMS:
            return
        old = request.old or {}
        new_size, old_size = _size(request.object), _size(old)
        if new_size is None or old_size is None or compare(new_size, old_size) <= 0:
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            return  # validation says that only bound claims grow
        name = spec_of(request.object).get("storageClassName")
        found = await lookup.get(CLASSES, name) if name else None
        if found is None or not found.get("allowVolumeExpansion"):
            raise refuse(
                request,
                "only dynamically provisioned pvc can be resized and the storageclass that"
                " provisions the pvc must support resize",
            )


def _size(claim: Object) -> str | None:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    found: str | None = requests.get("storage")
    return found
