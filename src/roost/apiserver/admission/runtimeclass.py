"""RuntimeClass: what a runtime costs, and where it is, become part of the pod."""

from __future__ import annotations

from roost.api.kind import Resource
from roost.api.quantity import compare
from roost.api.values import Object
from roost.apiserver.admission.base import PODS, Base, is_creation, refuse, spec_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses")
_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


class RuntimeClass(Base):
    """Applies overhead and scheduling of a pod's runtime class."""

    name = "RuntimeClass"
    resources = frozenset({PODS})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, PODS):
            return
        found = await self._class_of(request, lookup)
        assert request.object is not None
        spec = request.object.setdefault("spec", {})
        if found is None:
            return
        overhead = (found.get("overhead") or {}).get("podFixed")
        if overhead:
            if spec.get("overhead") and not _same(spec["overhead"], overhead):
                raise refuse(request, _OVERHEAD)
            spec["overhead"] = dict(overhead)
        self._schedule(request, spec, found.get("scheduling") or {})

    def _schedule(self, request: Admission, spec: Object, scheduling: Object) -> None:
        own = spec.get("nodeSelector") or {}
        wanted = scheduling.get("nodeSelector") or {}
        for key, value in sorted(wanted.items()):
            if own.get(key, value) != value:
                raise refuse(
                    request,
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value};"
                    f" pod.spec.nodeSelector[{key}] = {own[key]}",
                )
        if wanted:
            spec["nodeSelector"] = {**own, **wanted}
        tolerations = spec.get("tolerations") or []
        added = [item for item in scheduling.get("tolerations") or () if item not in tolerations]
        if added:
            spec["tolerations"] = [*tolerations, *added]

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if not is_creation(request, PODS):
            return
        found = await self._class_of(request, lookup)
        assert request.object is not None
        own = spec_of(request.object).get("overhead")
        defined = ((found or {}).get("overhead") or {}).get("podFixed")
        if found is None and own:
            raise refuse(
                request, "pod rejected: Pod Overhead set without corresponding RuntimeClass"
            )
        if found is not None and not _same(own or {}, defined or {}):
            raise refuse(request, _OVERHEAD)

    async def _class_of(self, request: Admission, lookup: Lookup) -> Object | None:
        assert request.object is not None
        name = spec_of(request.object).get("runtimeClassName")
        if not name:
            return None
        found = await lookup.get(CLASSES, name)
        if found is None:
            raise refuse(request, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _same(left: Object, right: Object) -> bool:
    return left.keys() == right.keys() and all(compare(left[key], right[key]) == 0 for key in left)
