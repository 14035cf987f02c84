"""Rules for pods: new ones, changed ones, and each subresource that writes them."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import addresses, goform, podmeta, podwarnings, scheduling
from roost.api.validation.causes import WHOLE, Causes
from roost.api.validation.containers import image_of_pod
from roost.api.validation.differences import difference
from roost.api.validation.podresize import resize
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
    was = _what_is_fixed(before, before)
    if fixed != was:
        causes.forbidden("spec", _FIXED + difference(was, fixed))


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
    new, old = fixed.pop("nodeSelector", None), before.get("nodeSelector")
    for key, value in (old or {}).items():
        if (new or {}).get(key) != value:
            text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            causes.invalid("spec.nodeSelector", new, text)
            break
    if old is not None:
        fixed["nodeSelector"] = old
    affinity, had = dict(fixed.get("affinity") or {}), before.get("affinity") or {}
    nodes = affinity.pop("nodeAffinity", None)
    _gated_affinity(nodes or {}, had.get("nodeAffinity") or {}, causes)
    if "nodeAffinity" in had:
        affinity["nodeAffinity"] = had["nodeAffinity"]
    if affinity or before.get("affinity") is not None:
        fixed["affinity"] = affinity
    else:
        fixed.pop("affinity", None)


def _gated_affinity(new: Object, old: Object, causes: Causes) -> None:
    """Let what nodes must have only grow, within each of the terms there are."""
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    path = f"spec.affinity.nodeAffinity.{key}.nodeSelectorTerms"
    had = (old.get(key) or {}).get("nodeSelectorTerms") or []
    terms = (new.get(key) or {}).get("nodeSelectorTerms") or []
    if new == old or not had:
        return
    if len(terms) != len(had):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        causes.invalid(path, [goform.NODE_TERM.show(term) for term in terms] or None, text)
        return
    for index, (mine, was) in enumerate(zip(terms, had, strict=True)):
        if not _only_grew(mine, was):
            text = "only additions are allowed (no mutations or deletions)"
            causes.invalid(f"{path}[{index}]", goform.NODE_TERM.show(mine), text)


def _only_grew(term: Object, was: Object) -> bool:
    parts = ("matchExpressions", "matchFields")
    if not any(was.get(part) for part in parts):
        return not any(term.get(part) for part in parts)
    return all(
        (term.get(part) or [])[: len(was.get(part) or ())] == (was.get(part) or [])
        for part in parts
    )


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
    sidecars = {
        container.get("name")
        for container in before.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for key, restarts, skipped in (
        ("containerStatuses", policy, set()),
        ("initContainerStatuses", policy, sidecars),
        ("ephemeralContainerStatuses", "Never", set()),
    ):
        had = [one if one.get("name") not in skipped else {} for one in old.get(key) or ()]
        _states(new.get(key) or [], had, restarts, f"status.{key}", causes)
    _claim_statuses(new.get("resourceClaimStatuses") or [], spec, causes)
    _ips(new, old, causes)


def _claim_statuses(values: list[Object], spec: Object, causes: Causes) -> None:
    claims = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    taken: set[str] = set()
    for index, value in enumerate(values):
        path, name = f"status.resourceClaimStatuses[{index}].name", value.get("name") or ""
        if name not in claims:
            text = "must match the name of an entry in `spec.resourceClaims`"
            causes.invalid(path, name, text)
        if name in taken:
            causes.duplicate(path, name)
        taken.add(name)
        claim = value.get("resourceClaimName")
        if claim is not None:
            causes.faults(path, claim, names.check_subdomain(claim))


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


def _ips(status: Object, before: Object, causes: Causes) -> None:
    hosts = status.get("hostIPs") or []
    _ip_list(status.get("podIPs") or [], before.get("podIPs") or [], "status.podIPs", causes)
    if hosts and (status.get("hostIP") or "") != (hosts[0].get("ip") or ""):
        causes.invalid(
            "status.hostIPs[0].ip", hosts[0].get("ip") or "", "must be equal to `hostIP`"
        )
    _ip_list(hosts, before.get("hostIPs") or [], "status.hostIPs", causes, twice_first=True)


def _ip_list(
    entries: list[Object],
    before: list[Object],
    path: str,
    causes: Causes,
    *,
    twice_first: bool = False,
) -> None:
    """Check addresses: at most one of each family. `twice_first`: repeated ones come first."""
    texts = [entry.get("ip") or "" for entry in entries]
    known = {entry.get("ip") or "" for entry in before}
    for index, text in enumerate(texts):
        addresses.ip(text, f"{path}[{index}]", causes, known)
    if len(texts) < 2:
        return

    def families() -> None:
        if len(texts) > 2 or not addresses.one_of_each_family(texts):
            text = "may specify no more than one IP for each IP family"
            causes.invalid(path, [{"IP": one} for one in texts], text)

    def twice() -> None:
        for index, text in enumerate(texts):
            if text in texts[:index]:
                causes.duplicate(f"{path}[{index}]", {"IP": text})

    for check in (twice, families) if twice_first else (families, twice):
        check()


def _ephemeral(change: Change, causes: Causes) -> None:
    meta, spec, old_meta, before = _parts(change)
    _whole(change, causes)
    podmeta.annotation_changes(meta, old_meta, causes)
    if podmeta.MIRROR in (old_meta.get("annotations") or {}):
        causes.clear()
        causes.forbidden(WHOLE, "static pods do not support ephemeral containers")
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
    _whole(change, causes)
    resize(change, causes)


POD = Rules(
    always=_whole,
    create=_create,
    update=_update,
    status=_status,
    others={"ephemeralcontainers": _ephemeral, "resize": _resize},
    warn=podwarnings.of_pod,
    warn_of_status=podwarnings.of_status,
    before=True,
)
