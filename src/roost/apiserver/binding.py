"""Binding: a scheduler gives a pod its node."""

from __future__ import annotations

from typing import Final

from roost.api import names
from roost.api.errors import BadRequest, StatusError, conflict, invalid
from roost.api.kind import Kind
from roost.api.validation.causes import Causes
from roost.api.validation.metadata import marks
from roost.api.values import Object
from roost.apiserver.attributes import Admission
from roost.apiserver.core import Core, WriteContext, undo_all
from roost.apiserver.creating import settle_namespace
from roost.apiserver.rewriting import rewrite

DONE: Final[Object] = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Success",
    "code": 201,
}


def _check(binding: Object, name: str) -> None:
    """Refuse what would make another pod than one that could have been created so."""
    target = binding.get("target") or {}
    causes = Causes()
    if target.get("kind") not in {None, "", "Node"}:
        causes.not_supported("target.kind", target["kind"], ["Node", "<empty>"])
    if not target.get("name"):
        causes.required("target.name", "")
    else:
        causes.faults("target.name", target["name"], names.check_subdomain(target["name"]))
    marks(binding["metadata"], causes)
    if causes:
        raise invalid("", "Binding", name, list(causes))
    if binding["metadata"].get("name") != name:
        raise BadRequest("name in URL does not match name in Binding object")


def _refused(name: str, why: str) -> StatusError:
    return conflict("", "pods/binding", name, why)


def bound(pod: Object, binding: Object, now: str) -> Object:
    """Return the pod with its node; raises Conflict where a pod cannot be bound (any more).

    What is returned shares with the given pod whatever does not change.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    uid = binding["metadata"].get("uid")
    if uid and uid != metadata["uid"]:
        raise _refused(
            name,
            f"Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {metadata['uid']}",
        )
    if metadata.get("deletionTimestamp"):
        raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _refused(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates")
    changed = dict(metadata)
    for key in ("annotations", "labels"):
        added = binding["metadata"].get(key)
        if added:
            changed[key] = {**(metadata.get(key) or {}), **added}
    status = dict(pod.get("status") or {})
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    scheduled["lastTransitionTime"] = now
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    status["conditions"] = [*others, scheduled]
    return {
        **pod,
        "metadata": changed,
        "spec": {**spec, "nodeName": binding["target"]["name"]},
        "status": status,
    }


async def bind(
    core: Core, kind: Kind, namespace: str, name: str, binding: Object, context: WriteContext
) -> Object:
    """Bind a pod to a node and return the Status that says so; raises StatusError."""
    settle_namespace(kind, binding["metadata"], namespace)
    _check(binding, name)
    request = Admission(
        "CREATE", kind, namespace, name, context.user, binding, None, "binding",
        context.options.dry_run, warnings=context.warnings,
    )  # fmt: skip
    try:
        await core.admit(request)
        await core.validate(request)
        await rewrite(
            core, kind, namespace, name, lambda pod: bound(pod, binding, core.now()),
            manager=context.options.field_manager, subresource="binding",
            dry_run=context.options.dry_run,
        )  # fmt: skip
    except BaseException:
        undo_all(request)
        raise
    return DONE
