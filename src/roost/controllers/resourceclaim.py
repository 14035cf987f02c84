"""Pods get the ResourceClaims of their templates; claims are given back when their pods have ended.

A key with the prefix `pod:` is a pod, any other a claim. Allocating is the scheduler's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, controller_of
from roost.decisions.meta import (
    annotations_of,
    controller_reference,
    delete,
    deleting,
    key_of,
    name_of,
    namespace_of,
    object_reference,
    owned_by,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, AssertAbsent, Create, Patch, Plan, Ref
from roost.decisions.pods import finished, node_of
from roost.decisions.resources import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS

FINALIZER = "resource.kubernetes.io/delete-protection"
CLAIM_NAME = "resource.kubernetes.io/pod-claim-name"
_POD = "pod:"
_BY_TEMPLATE, _BY_OWNER = "claim-template", "claim-owner"


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod, the claims that it owns, and the templates that it names."""

    pod: Object
    claims: tuple[Object, ...]
    templates: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim, the pods that it is reserved for as far as they are there, and its owner."""

    claim: Object
    users: tuple[Object, ...]
    owner: Object | None


View = PodView | ClaimView


def _done(pod: Object) -> bool:
    """Say whether a pod will not use its claims any more."""
    return finished(pod) or (deleting(pod) and not node_of(pod))


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the pod or the claim."""
    if key.name.startswith(_POD):
        pod = caches[PODS].get(key.namespace, key.name.removeprefix(_POD))
        if pod is None or not pod["spec"].get("resourceClaims"):
            return None
        names = {c.get("resourceClaimTemplateName") for c in pod["spec"]["resourceClaims"]}
        known = caches[RESOURCE_CLAIM_TEMPLATES]
        templates = [known.get(key.namespace, name) for name in sorted(n for n in names if n)]
        claims = tuple(caches[RESOURCE_CLAIMS].by(_BY_OWNER, uid_of(pod)))
        return PodView(pod, claims, tuple(t for t in templates if t is not None))
    claim = caches[RESOURCE_CLAIMS].get(*key)
    if claim is None:
        return None
    reserved = (claim.get("status") or {}).get("reservedFor") or ()
    users = [caches[PODS].get(key.namespace, one["name"]) for one in reserved if _is_pod(one)]
    reference = controller_of(claim)
    owner = None
    if reference is not None and reference["kind"] == "Pod":
        owner = caches[PODS].get(key.namespace, reference["name"])
    return ClaimView(claim, tuple(u for u in users if u is not None), owner)


def _is_pod(consumer: Object) -> bool:
    return consumer.get("resource") == "pods" and not consumer.get("apiGroup")


def reconcile(view: View) -> Plan:
    """Make what a pod lacks, or give back what nobody uses."""
    return _for_pod(view) if isinstance(view, PodView) else _for_claim(view)


def _for_pod(view: PodView) -> Plan:
    pod = view.pod
    if deleting(pod) or finished(pod):
        return NOTHING
    known = {s["name"]: s for s in (pod.get("status") or {}).get("resourceClaimStatuses") or ()}
    templates = {name_of(template): template for template in view.templates}
    statuses: dict[str, Object] = dict(known)
    actions: list[Action] = []
    for wanted in pod["spec"]["resourceClaims"]:
        name, template = wanted["name"], wanted.get("resourceClaimTemplateName")
        if not template or name in known:
            continue
        made = [c for c in view.claims if annotations_of(c).get(CLAIM_NAME) == name]
        if made:
            statuses[name] = {"name": name, "resourceClaimName": name_of(made[0])}
        elif template in templates:
            actions.append(Create(RESOURCE_CLAIMS, _claim(pod, name, templates[template])))
        else:
            text = (
                f'PodResourceClaim {name}: resource claim template "{template}": '
                f'resourceclaimtemplate.resource.k8s.io "{template}" not found'
            )
            regarding = object_reference(PODS, "Pod", pod)
            actions.append(warning(regarding, "FailedResourceClaimCreation", text))
    if statuses != known:
        body = {
            "metadata": {"uid": uid_of(pod), "resourceVersion": version_of(pod)},
            "status": {"resourceClaimStatuses": list(statuses.values())},
        }
        actions.append(Patch(ref_of(PODS, pod), body, subresource="status"))
    return Plan(tuple(actions))


def _claim(pod: Object, name: str, template: Object) -> Object:
    inner = template["spec"]
    source = inner.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{name_of(pod)}-{name}-",
        "namespace": namespace_of(pod),
        "annotations": {**(source.get("annotations") or {}), CLAIM_NAME: name},
        "ownerReferences": [controller_reference(PODS, "Pod", pod)],
    }
    if source.get("labels"):
        metadata["labels"] = source["labels"]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": metadata,
        "spec": inner["spec"],
    }


def _for_claim(view: ClaimView) -> Plan:
    claim, status = view.claim, view.claim.get("status") or {}
    reserved = status.get("reservedFor") or []
    users = {uid_of(pod) for pod in view.users if not _done(pod)}
    kept = [one for one in reserved if not _is_pod(one) or one["uid"] in users]
    change: Object = {}
    actions: list[Action] = []
    if len(kept) < len(reserved):
        there = {uid_of(pod) for pod in view.users}
        actions += [
            AssertAbsent(Ref(PODS, namespace_of(claim), one["name"], one["uid"]))
            for one in reserved
            if one not in kept and one["uid"] not in there
        ]
        change["reservedFor"] = kept or None
    # Unused devices go back when the last user has ended: a claim that was not used yet keeps them.
    if not kept and status.get("allocation") and (reserved or deleting(claim)):
        change["allocation"] = None
    if change:
        body = {"metadata": {"uid": uid_of(claim)}, "status": change}
        return Plan((*actions, Patch(ref_of(RESOURCE_CLAIMS, claim), body, subresource="status")))
    finalizers = claim["metadata"].get("finalizers") or []
    if not kept and not status.get("allocation") and FINALIZER in finalizers:
        left = [name for name in finalizers if name != FINALIZER]
        patch = {"metadata": {"resourceVersion": version_of(claim), "finalizers": left}}
        actions.append(Patch(ref_of(RESOURCE_CLAIMS, claim), patch))
    owner = view.owner
    ended = owner is not None and owned_by(claim, uid_of(owner)) and _done(owner)
    if ended and not deleting(claim):
        actions.append(delete(RESOURCE_CLAIMS, claim))
    return Plan(tuple(actions))


def _templates(pod: Object) -> Iterable[str]:
    for wanted in pod["spec"].get("resourceClaims") or ():
        if wanted.get("resourceClaimTemplateName"):
            yield f"{namespace_of(pod)}/{wanted['resourceClaimTemplateName']}"


def _owner(claim: Object) -> Iterable[str]:
    reference = controller_of(claim)
    return (reference["uid"],) if reference is not None and reference["kind"] == "Pod" else ()


def _pod_key(pod: Object) -> Key:
    return Key(namespace_of(pod), _POD + name_of(pod))


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    wanted = pod["spec"].get("resourceClaims")
    if not wanted:
        return
    yield _pod_key(pod)
    for claim in caches[RESOURCE_CLAIMS].by(_BY_OWNER, uid_of(pod)):
        yield key_of(claim)
    for one in wanted:
        if one.get("resourceClaimName"):
            yield Key(namespace_of(pod), one["resourceClaimName"])


def _template_keys(template: Object, caches: Caches) -> Iterable[Key]:
    for pod in caches[PODS].by(_BY_TEMPLATE, "/".join(key_of(template))):
        yield _pod_key(pod)


def _claim_keys(claim: Object, _caches: Caches) -> Iterable[Key]:
    yield key_of(claim)
    reference = controller_of(claim)
    if reference is not None and reference["kind"] == "Pod":
        yield Key(namespace_of(claim), _POD + reference["name"])


CONTROLLER: Controller[View] = Controller(
    name="resourceclaim-controller",
    component="resource_claim",
    watches=(
        Watch(PODS, _pod_keys, {_BY_TEMPLATE: _templates}),
        Watch(RESOURCE_CLAIM_TEMPLATES, _template_keys),
        Watch(RESOURCE_CLAIMS, _claim_keys, {_BY_OWNER: _owner}),
    ),
    view=view,
    reconcile=reconcile,
)
