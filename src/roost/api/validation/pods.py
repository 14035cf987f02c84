"""Rules for pods: new ones, changed ones, and each subresource that writes them."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import compare
from roost.api.strategies.pods import quality_of_service
from roost.api.validation import addresses, podmeta, podwarnings, scheduling
from roost.api.validation.causes import Causes
from roost.api.validation.containers import image_of_pod
from roost.api.validation.differences import difference
from roost.api.validation.podspec import pod_spec
from roost.api.validation.rules import Rules
from roost.api.values import Object

_INT32_MAX = 2**31 - 1
_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_FREE = ("activeDeadlineSeconds", "schedulingGates", "tolerations")


def _parts(change: Change) -> tuple[Object, Object, Object, Object]:
    """Return metadata and spec of the new and of the old pod."""
    new, old = change.object, change.old or {}
    return (
        new.get("metadata") or {},
        new.get("spec") or {},
        old.get("metadata") or {},
        old.get("spec") or {},
    )


def _whole(change: Change, causes: Causes) -> None:
    meta, spec, _, _ = _parts(change)
    podmeta.check_annotations(meta, spec, "metadata.annotations", causes)
    pod_spec(spec, "spec", causes, meta.get("name") or "")
    if not spec.get("serviceAccountName"):
        _no_tokens(spec, causes)
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            image_of_pod(container, f"spec.{key}[{index}]", causes)


def _no_tokens(spec: Object, causes: Causes) -> None:
    for index, volume in enumerate(spec.get("volumes") or ()):
        for at, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                where = f"spec.volumes[{index}].projected.sources[{at}].serviceAccountToken"
                text = "must not be specified when serviceAccountName is not set"
                causes.forbidden(where, text)


def _create(change: Change, causes: Causes) -> None:
    meta, spec, _, _ = _parts(change)
    if spec.get("ephemeralContainers"):
        causes.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        causes.forbidden("spec.nodeName", text)
    podmeta.fields_match(meta, spec, "spec", causes)


def _update(change: Change, causes: Causes) -> None:
    meta, spec, old_meta, before = _parts(change)
    podmeta.annotation_changes(meta, old_meta, causes)
    podmeta.check_annotations(meta, spec, "metadata.annotations", causes)
    for key in ("containers", "initContainers"):
        new, old = spec.get(key) or [], before.get(key) or []
        if len(new) != len(old):
            causes.forbidden(f"spec.{key}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(new):
            if not container.get("image"):
                causes.required(f"spec.{key}[{index}].image")
            image_of_pod(container, f"spec.{key}[{index}]", causes)
    if not _deadline(spec, before, causes):
        return
    _tolerations(spec, before, causes)
    _gates(spec, before, causes)
    if spec == before:
        return
    fixed = _what_is_fixed(spec, before)
    if before.get("schedulingGates"):
        _gated(fixed, before, causes)
    if fixed != _what_is_fixed(before, before):
        causes.forbidden("spec", _FIXED + difference(before, fixed))


def _deadline(spec: Object, before: Object, causes: Causes) -> bool:
    path = "spec.activeDeadlineSeconds"
    new, old = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if new is None:
        if old is not None:
            causes.invalid(path, None, "must not update from a positive integer to nil value")
        return True
    if not 0 <= new <= _INT32_MAX:
        causes.invalid(path, new, names.out_of_range(0, _INT32_MAX))
        return False
    if old is not None and old < new:
        causes.invalid(path, new, "must be less than or equal to previous value")
        return False
    return True


def _tolerations(spec: Object, before: Object, causes: Causes) -> None:
    def without_seconds(value: Object) -> Object:
        return {key: value[key] for key in value if key != "tolerationSeconds"}

    new = spec.get("tolerations") or []
    kept = [without_seconds(value) for value in new]
    if any(without_seconds(value) not in kept for value in before.get("tolerations") or ()):
        text = "existing toleration can not be modified except its tolerationSeconds"
        causes.forbidden("spec.tolerations", text)
        return
    scheduling.tolerations(new, "spec.tolerations", causes)


def _gates(spec: Object, before: Object, causes: Causes) -> None:
    had = {gate.get("name") for gate in before.get("schedulingGates") or ()}
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name")
        if name not in had:
            text = f"only deletion is allowed, but found new scheduling gate '{name}'"
            causes.forbidden(f"spec.schedulingGates[{index}].name", text)


def _what_is_fixed(spec: Object, before: Object) -> Object:
    """Return a copy of the spec without what an update may change."""
    fixed = {key: value for key, value in spec.items() if key not in _FREE}
    for key in ("containers", "initContainers"):
        if fixed.get(key):
            fixed[key] = [{**container, "image": ""} for container in fixed[key]]
    period = before.get("terminationGracePeriodSeconds")
    if period is not None and period < 0 and fixed.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = period
    return fixed


def _gated(fixed: Object, before: Object, causes: Causes) -> None:
    """Let a pod that waits at its gates become pickier about nodes, and take that out of `fixed`."""
    new, old = fixed.pop("nodeSelector", None) or {}, before.get("nodeSelector")
    for key, value in (old or {}).items():
        if new.get(key) != value:
            text = f"only additions are allowed (no mutations or deletions), but found {key}"
            causes.invalid("spec.nodeSelector", new, text)
            break
    if old is not None:
        fixed["nodeSelector"] = old
    affinity, had = dict(fixed.get("affinity") or {}), before.get("affinity") or {}
    affinity.pop("nodeAffinity", None)
    if "nodeAffinity" in had:
        affinity["nodeAffinity"] = had["nodeAffinity"]
    if affinity or before.get("affinity") is not None:
        fixed["affinity"] = affinity
    else:
        fixed.pop("affinity", None)


def _status(change: Change, causes: Causes) -> None:
    meta, spec, old_meta, before = _parts(change)
    new, old = change.object.get("status") or {}, (change.old or {}).get("status") or {}
    podmeta.annotation_changes(meta, old_meta, causes)
    podmeta.check_annotations(meta, spec, "metadata.annotations", causes)
    for index, condition in enumerate(new.get("conditions") or ()):
        kind = condition.get("type") or ""
        if kind not in _SYSTEM_CONDITIONS:
            where = f"metadata.conditions[{index}].Type"
            causes.faults(where, kind, names.check_qualified_name(kind))
    node = new.get("nominatedNodeName")
    if node and node != old.get("nominatedNodeName"):
        causes.faults("status.nominatedNodeName", node, names.check_subdomain(node))
    if old.get("qosClass"):
        causes.unchanged("status.qosClass", new.get("qosClass"), old["qosClass"])
    policy = before.get("restartPolicy") or ""
    for key, restarts in (
        ("containerStatuses", policy),
        ("initContainerStatuses", policy),
        ("ephemeralContainerStatuses", "Never"),
    ):
        _states(new.get(key) or [], old.get(key) or [], restarts, f"status.{key}", causes)
    _ips(new, causes)


def _states(new: list[Object], old: list[Object], policy: str, path: str, causes: Causes) -> None:
    """Refuse to bring back a container that is over and is not to be restarted."""
    if policy == "Always":
        return
    for index, before in enumerate(old):
        over = (before.get("state") or {}).get("terminated")
        if over is None or (over.get("exitCode") and policy == "OnFailure"):
            continue
        for after in new:
            same = after.get("name") == before.get("name")
            if same and (after.get("state") or {}).get("terminated") is None:
                text = "may not be transitioned to non-terminated state"
                causes.forbidden(f"{path}[{index}].state", text)


def _ips(status: Object, causes: Causes) -> None:
    hosts = status.get("hostIPs") or []
    own = [entry.get("ip") or "" for entry in status.get("podIPs") or ()]
    for index, text in enumerate(own):
        addresses.ip(text, f"status.podIPs[{index}]", causes)
    if len(own) > 1 and (len(own) > 2 or not addresses.one_of_each_family(own)):
        text = "may specify no more than one IP for each IP family"
        causes.invalid("status.podIPs", [{"IP": one} for one in own], text)
    if hosts and status.get("hostIP") != hosts[0].get("ip"):
        causes.invalid("status.hostIPs[0].ip", hosts[0].get("ip"), "must be equal to `hostIP`")
    for index, entry in enumerate(hosts):
        addresses.ip(entry.get("ip") or "", f"status.hostIPs[{index}]", causes)


def _ephemeral(change: Change, causes: Causes) -> None:
    meta, spec, old_meta, before = _parts(change)
    _whole(change, causes)
    podmeta.annotation_changes(meta, old_meta, causes)
    if podmeta.MIRROR in (old_meta.get("annotations") or {}):
        causes.clear()
        causes.forbidden("", "static pods do not support ephemeral containers")
        return
    now = {value.get("name"): value for value in spec.get("ephemeralContainers") or ()}
    for old in before.get("ephemeralContainers") or ():
        found = now.get(old.get("name"))
        here = f'existing ephemeral containers "{old.get("name")}" may not be'
        if found is None:
            causes.forbidden("spec.ephemeralContainers", f"{here} removed\n")
        elif found != old:
            text = f"{here} changed{difference(old, found)}"
            causes.forbidden("spec.ephemeralContainers", text)


def _resize(change: Change, causes: Causes) -> None:
    _, spec, _, before = _parts(change)
    _whole(change, causes)
    old = change.old or {}
    if quality_of_service(spec) != quality_of_service(before):
        shown = (old.get("status") or {}).get("qosClass") or ""
        text = "Pod QOS Class may not change as a result of resizing"
        causes.invalid("spec", shown, text)
    for key in ("initContainers", "containers"):
        pairs = zip(spec.get(key) or (), before.get(key) or (), strict=False)
        for index, (container, was) in enumerate(pairs):
            sidecar = key == "containers" or container.get("restartPolicy") == "Always"
            if sidecar:
                _resized(container, was, f"spec.{key}[{index}].resources", causes)
            elif container != was:
                text = "resources for non-sidecar init containers are immutable"
                causes.forbidden("spec", text)


def _resized(container: Object, was: Object, path: str, causes: Causes) -> None:
    new, old = container.get("resources") or {}, was.get("resources") or {}
    for key in ("requests", "limits"):
        if any(name not in (new.get(key) or {}) for name in old.get(key) or ()):
            causes.forbidden(f"{path}.{key}", f"resource {key} cannot be removed")
    policies = {
        p.get("resourceName"): p.get("restartPolicy") for p in container.get("resizePolicy") or ()
    }
    mine, had = (new.get("limits") or {}).get("memory"), (old.get("limits") or {}).get("memory")
    if mine is not None and had is None and policies.get("memory") != "RestartContainer":
        text = "memory limits cannot be added unless resizePolicy is RestartContainer"
        causes.forbidden(f"{path}.limits[memory]", text)
    for key in ("requests", "limits"):
        mine_all, old_all = new.get(key) or {}, old.get(key) or {}
        others = {*mine_all, *old_all} - {"cpu", "memory"}
        if any(compare(mine_all.get(n, "0"), old_all.get(n, "0")) for n in others):
            causes.forbidden("spec", "only cpu and memory resources are mutable")
            return


POD = Rules(
    always=_whole,
    create=_create,
    update=_update,
    status=_status,
    others={"ephemeralcontainers": _ephemeral, "resize": _resize},
    warn=podwarnings.of_pod,
    before=True,
)
