"""Rules for a resize: what pods and their containers may be given in place, more or less of.

Only cpu and memory change, nothing that was set is taken away, and the QoS class stays.
"""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.quantity import compare
from roost.api.strategies.pods import quality_of_service
from roost.api.validation import podmeta
from roost.api.validation.causes import WHOLE, Causes
from roost.api.values import Object

_MUTABLE = ("cpu", "memory")
_ONLY = "only cpu and memory resources are mutable"
_ONLY_INIT = "only cpu and memory resources for init or sidecar containers are mutable"
_ONLY_POD = "only cpu and memory resources are mutable at pod-level"
_RESTARTED = (
    "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
)


def resize(change: Change, causes: Causes) -> None:
    """Check a write of the resize subresource of a pod that is fine as such."""
    new, old = change.object, change.old or {}
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    for refused, who in (
        (podmeta.MIRROR in ((old.get("metadata") or {}).get("annotations") or {}), "static"),
        ((before.get("os") or {}).get("name") == "windows", "windows"),
    ):
        if refused:
            causes.clear()
            causes.forbidden(WHOLE, f"{who} pods cannot be resized")
            return
    had = (old.get("status") or {}).get("qosClass") or quality_of_service(before)
    if quality_of_service(spec) != had:
        shown = (new.get("status") or {}).get("qosClass") or ""
        causes.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    if not _node_can(old):
        causes.forbidden("spec", "Pod running on node without support for resize")
    _of_pod(spec.get("resources"), before.get("resources"), causes)
    if _same_containers(spec, before, causes):
        _of_containers(spec, before, causes)


def _node_can(pod: Object) -> bool:
    """Tell whether the node says what running containers have, as one that can resize does."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (status.get("state") or {}).get("running") is not None:
            return status.get("resources") is not None
    return True


def _is_set(resources: Object | None) -> bool:
    return bool(resources and (resources.get("requests") or resources.get("limits")))


def _of_pod(new: Object | None, old: Object | None, causes: Causes) -> None:
    if not _is_set(new) and not _is_set(old):
        return
    if old is not None and new is None:
        causes.forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    mine, had = new or {}, old or {}
    if old is not None:
        _none_removed(mine, had, "spec.resources", "pod-level resource", causes)
    if not _rest_same(mine, had):
        causes.forbidden("spec", _ONLY_POD)


def _none_removed(new: Object, old: Object, path: str, what: str, causes: Causes) -> None:
    for which in ("requests", "limits"):
        if (old.get(which) or {}).keys() - (new.get(which) or {}).keys():
            causes.forbidden(f"{path}.{which}", f"{what} {which} cannot be removed")


def _rest_same(new: Object, old: Object) -> bool:
    """Tell whether all but cpu and memory is as it was."""
    if (new.get("claims") or []) != (old.get("claims") or []):
        return False
    for which in ("requests", "limits"):
        mine, had = new.get(which) or {}, old.get(which) or {}
        names = {*mine, *had} - set(_MUTABLE)
        if any(n not in mine or n not in had or compare(mine[n], had[n]) for n in names):
            return False
    return True


def _same_containers(spec: Object, before: Object, causes: Causes) -> bool:
    fine = True
    for key in ("containers", "initContainers"):
        new, old = spec.get(key) or [], before.get(key) or []
        if len(new) != len(old):
            causes.forbidden(f"spec.{key}", f"{key} may not be added or removed on resize")
            fine = False
            continue
        for index, (mine, had) in enumerate(zip(new, old, strict=True)):
            if mine.get("name") != had.get("name"):
                text = f"{key} may not be renamed or reordered on resize"
                causes.forbidden(f"spec.{key}[{index}].name", text)
                fine = False
    return fine


def _of_containers(spec: Object, before: Object, causes: Causes) -> None:
    pairs = {
        key: list(zip(spec.get(key) or (), before.get(key) or (), strict=True))
        for key in ("initContainers", "containers")
    }
    for key, both in pairs.items():
        for index, (new, old) in enumerate(both):
            mine, had = new.get("resources") or {}, old.get("resources") or {}
            _none_removed(mine, had, f"spec.{key}[{index}].resources", "resource", causes)
    for new, old in pairs["containers"]:
        if not _only_resized(new, old):
            causes.forbidden("spec", _ONLY)
    for index, (new, old) in enumerate(pairs["initContainers"]):
        path = f"spec.initContainers[{index}]"
        if not _only_resized(new, old):
            causes.forbidden(path, _ONLY_INIT)
        restarts = any(
            policy.get("restartPolicy") == "RestartContainer"
            for policy in new.get("resizePolicy") or ()
        )
        if new != old and new.get("restartPolicy") != "Always" and restarts:
            causes.forbidden(path, _RESTARTED)


def _only_resized(new: Object, old: Object) -> bool:
    others = ({k: v for k, v in one.items() if k != "resources"} for one in (new, old))
    return next(others) == next(others) and _rest_same(
        new.get("resources") or {}, old.get("resources") or {}
    )
