"""Priority: what a pod's class says becomes numbers in the pod."""

from __future__ import annotations

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.base import PODS, Base, is_creation, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses")
_CLASSES = (CLASSES.group, CLASSES.plural)
_LOWER = "PreemptLowerPriority"


def _system_class(name: str, value: int, description: str) -> Object:
    return {
        "kind": "PriorityClass",
        "apiVersion": CLASSES.api_version,
        "metadata": {"name": name},
        "value": value,
        "description": description,
        "preemptionPolicy": _LOWER,
    }


#: The classes that every cluster has.
SYSTEM_CLASSES: tuple[Object, ...] = (
    _system_class(
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    _system_class(
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another"
        " node if necessary.",
    ),
)
_SYSTEM = {item["metadata"]["name"]: item for item in SYSTEM_CLASSES}


class Priority(Base):
    """Resolves priority classes, and keeps their default single."""

    name = "Priority"
    resources = frozenset({PODS, _CLASSES})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        if request.subresource or resource_of(request) != PODS or request.object is None:
            return
        spec = request.object.setdefault("spec", {})
        if request.operation == "UPDATE":
            old = (request.old or {}).get("spec") or {}
            for field in ("priority", "preemptionPolicy"):
                if spec.get(field) is None and old.get(field) is not None:
                    spec[field] = old[field]
        elif is_creation(request, PODS):
            await self._resolve(request, spec, lookup)

    async def _resolve(self, request: Admission, spec: Object, lookup: Lookup) -> None:
        found = await self._class_of(request, spec, lookup)
        value = found["value"] if found else 0
        policy = (found or {}).get("preemptionPolicy") or _LOWER
        given = spec.get("priority")
        if given is not None and given != value:
            raise refuse(
                request,
                f"the integer value of priority ({given}) must not be provided in pod spec;"
                f" priority admission controller computed {value} from the given PriorityClass name",
            )
        given = spec.get("preemptionPolicy")
        if given is not None and given != policy:
            raise refuse(
                request,
                f"the string value of PreemptionPolicy ({given}) must not be provided in pod spec;"
                f" priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["priority"] = value
        spec["preemptionPolicy"] = policy

    async def _class_of(self, request: Admission, spec: Object, lookup: Lookup) -> Object | None:
        name = spec.get("priorityClassName")
        if name:
            found = await lookup.get(CLASSES, name) or _SYSTEM.get(name)
            if found is None:
                raise refuse(request, f"no PriorityClass with name {name} was found")
            return found
        defaults = [item for item in await lookup.list(CLASSES) if item.get("globalDefault")]
        if not defaults:
            return None
        # Should there be several after all, the lowest counts: it takes least from the others.
        chosen = min(defaults, key=lambda item: int(item["value"]))
        spec["priorityClassName"] = chosen["metadata"]["name"]
        return chosen

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if resource_of(request) != _CLASSES or request.object is None:
            return
        if request.operation not in ("CREATE", "UPDATE") or not request.object.get("globalDefault"):
            return
        for other in await lookup.list(CLASSES):
            name = other["metadata"]["name"]
            if other.get("globalDefault") and name != request.name:
                raise refuse(
                    request,
                    f"PriorityClass {name} is already marked as default."
                    " Only one default can exist",
                )
