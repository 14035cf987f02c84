"""Whom the claims of a StatefulSet belong to: its persistentVolumeClaimRetentionPolicy.

A claim that shall go with the set is owned by the set; one that shall go when the set is scaled down is
owned by its pod, once that pod has to go. The garbage collector does the rest. A claim that belongs to
a set or a pod of the same name of before, or to a controller of its own, is not given a further owner.
"""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.values import Object
from roost.decisions.meta import (
    controller_reference,
    name_of,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import Action, Patch
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS


def _policy(stateful_set: Object) -> tuple[bool, bool]:
    """Return whether claims go with the set, and whether when it is scaled down."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete"


def owners(stateful_set: Object, *, condemned: bool) -> tuple[bool, bool]:
    """Return whether the set, and whether the pod, owns a claim."""
    with_set, when_scaled = _policy(stateful_set)
    with_pod = when_scaled and condemned
    return with_set and not with_pod, with_pod


def claim_owner(
    stateful_set: Object, pod: Object, claim: Object, *, condemned: bool
) -> Iterator[Action]:
    """Yield the change of a claim's owners, if there is one to make."""
    before = claim["metadata"].get("ownerReferences") or []
    ours = [ref for ref in before if _names(ref, stateful_set, pod)]
    others = [ref for ref in before if ref not in ours]
    stale = any(ref.get("uid") not in {uid_of(stateful_set), uid_of(pod)} for ref in ours)
    taken = any(ref.get("controller") for ref in others)
    if any(_policy(stateful_set)) and (stale or taken):
        # As upstream spells it: tools look for these words.
        text = (
            f"PersistentVolumeClaim {name_of(claim)} has a conflicting OwnerReference that "
            "acts as a manging controller, the retention policy is ignored for this claim"
        )
        regarding = object_reference(STATEFUL_SETS, "StatefulSet", stateful_set)
        yield warning(regarding, "ConflictingController", text)
        if not stale and ours:
            yield _owned_by(claim, others)
        return
    if stale:
        return
    by_set, by_pod = owners(stateful_set, condemned=condemned)
    wanted = []
    if by_set:
        wanted.append(controller_reference(STATEFUL_SETS, "StatefulSet", stateful_set))
    if by_pod:
        wanted.append(controller_reference(PODS, "Pod", pod))
    same = [ref.get("uid") for ref in ours] == [ref["uid"] for ref in wanted]
    if not (same and all(ref.get("controller") for ref in ours)):
        yield _owned_by(claim, [*others, *wanted])


def _names(ref: Object, stateful_set: Object, pod: Object) -> bool:
    """Say whether a reference is to something of the name of the set or of the pod."""
    named = (ref.get("apiVersion"), ref.get("kind"), ref.get("name"))
    return named in {
        (STATEFUL_SETS.api_version, "StatefulSet", name_of(stateful_set)),
        (PODS.api_version, "Pod", name_of(pod)),
    }


def _owned_by(claim: Object, references: list[Object]) -> Patch:
    body = {"metadata": {"resourceVersion": version_of(claim), "ownerReferences": references}}
    return Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body)
