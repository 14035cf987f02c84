"""Whom the claims of a StatefulSet belong to: its persistentVolumeClaimRetentionPolicy.

A claim that shall go with the set is owned by the set; one that shall go when the set is scaled down is
owned by its pod, once that pod has to go. The garbage collector does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from roost.api.values import Object
from roost.decisions.controller import controller_of
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


def owners(stateful_set: Object, *, condemned: bool) -> tuple[bool, bool]:
    """Return whether the set, and whether the pod, owns a claim."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    with_set = policy.get("whenDeleted") == "Delete"
    with_pod = policy.get("whenScaled") == "Delete" and condemned
    return with_set and not with_pod, with_pod


def claim_owner(
    stateful_set: Object, pod: Object, claim: Object, *, condemned: bool
) -> Iterator[Action]:
    """Yield the change of a claim's owners, if there is one to make."""
    before = claim["metadata"].get("ownerReferences") or []
    ours = {uid_of(stateful_set), uid_of(pod)}
    managing = controller_of(claim)
    by_set, by_pod = owners(stateful_set, condemned=condemned)
    if managing is not None and managing.get("uid") not in ours and _is_foreign(managing, pod):
        if by_set or by_pod:
            text = (
                f"PersistentVolumeClaim {name_of(claim)} has a conflicting OwnerReference that "
                "acts as a managing controller, the retention policy is ignored for this claim"
            )
            regarding = object_reference(STATEFUL_SETS, "StatefulSet", stateful_set)
            yield warning(regarding, "ConflictingController", text)
        return
    after = [
        reference
        for reference in before
        if reference.get("uid") not in ours and _is_foreign(reference, pod)
    ]
    if by_set:
        after.append(controller_reference(STATEFUL_SETS, "StatefulSet", stateful_set))
    if by_pod:
        after.append(controller_reference(PODS, "Pod", pod))
    if {r.get("uid") for r in after} == {r.get("uid") for r in before}:
        return
    body = {"metadata": {"resourceVersion": version_of(claim), "ownerReferences": after}}
    yield Patch(ref_of(PERSISTENT_VOLUME_CLAIMS, claim), body)


def _is_foreign(reference: Object, pod: Object) -> bool:
    """Say whether a reference is neither to the pod nor to an earlier one of its name."""
    return (reference["kind"], reference["name"]) != ("Pod", name_of(pod))
