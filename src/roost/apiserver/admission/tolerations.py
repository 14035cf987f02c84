"""DefaultTolerationSeconds and TaintNodesByCondition: pods outlast a short silence of their node."""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.admission.base import NODES, PODS, Base, is_creation, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_SECONDS = 300


class DefaultTolerationSeconds(Base):
    """Lets a pod stay for five minutes on a node that is not ready or cannot be reached."""

    name = "DefaultTolerationSeconds"
    resources = frozenset({PODS})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        pod = request.object
        if pod is None or request.subresource or resource_of(request) != PODS:
            return
        spec = pod.setdefault("spec", {})
        tolerations = spec.get("tolerations") or []
        added = [_toleration(key) for key in (NOT_READY, UNREACHABLE) if not _has(tolerations, key)]
        if added:
            spec["tolerations"] = [*tolerations, *added]


def _has(tolerations: list[Object], key: str) -> bool:
    return any(
        item.get("key", "") in ("", key) and item.get("effect", "") in ("", "NoExecute")
        for item in tolerations
    )


def _toleration(key: str) -> Object:
    return {
        "key": key,
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _SECONDS,
    }


class TaintNodesByCondition(Base):
    """A new node takes no pods until the node controller has seen that it is ready."""

    name = "TaintNodesByCondition"
    resources = frozenset({NODES})

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        if not is_creation(request, NODES):
            return
        assert request.object is not None
        spec = request.object.setdefault("spec", {})
        taint = {"key": NOT_READY, "effect": "NoSchedule"}
        taints = spec.get("taints") or []
        if not any(
            (item.get("key"), item.get("effect")) == tuple(taint.values()) for item in taints
        ):
            spec["taints"] = [*taints, taint]
