"""Pods with generic ephemeral volumes get a claim for each, which goes with the pod."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.storageprotection import claims_of
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key, owner_keys
from roost.decisions.meta import (
    controller_reference,
    deleting,
    name_of,
    namespace_of,
    object_reference,
    owned_by,
    uid_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, Create, Plan
from roost.decisions.pods import finished
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS, PODS

_BY_EPHEMERAL = "ephemeral-claims"


@dataclass(frozen=True, slots=True)
class View:
    """A pod with ephemeral volumes, and the claims of their names that exist."""

    pod: Object
    claims: tuple[Object | None, ...]  # in the order of the pod's ephemeral volumes


def ephemeral_volumes(pod: Object) -> tuple[Object, ...]:
    """Return the volumes of a pod that claims are made for."""
    return tuple(v for v in pod["spec"].get("volumes") or () if "ephemeral" in v)


def claim_name(pod: Object, volume: Object) -> str:
    return f"{name_of(pod)}-{volume['name']}"


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the pod, unless it goes or has ended."""
    pod = caches[PODS].get(*key)
    if pod is None or deleting(pod) or finished(pod):
        return None
    volumes, claims = ephemeral_volumes(pod), caches[PERSISTENT_VOLUME_CLAIMS]
    if not volumes:
        return None
    return View(pod, tuple(claims.get(key.namespace, claim_name(pod, v)) for v in volumes))


def reconcile(view: View) -> Plan:
    """Make the claims that are missing; tell of those that belong to somebody else."""
    actions: list[Action] = []
    for volume, claim in zip(ephemeral_volumes(view.pod), view.claims, strict=True):
        if claim is None:
            actions.append(Create(PERSISTENT_VOLUME_CLAIMS, _claim_for(view.pod, volume)))
        elif not owned_by(claim, uid_of(view.pod)):
            pod, space = name_of(view.pod), namespace_of(view.pod)
            text = (
                f"ephemeral volume {volume['name']}: PVC {space}/{name_of(claim)} was not created "
                f"for pod {space}/{pod} (pod is not owner)"
            )
            regarding = object_reference(PODS, "Pod", view.pod)
            actions.append(warning(regarding, "FailedBinding", text))
    return Plan(tuple(actions)) if actions else NOTHING


def _claim_for(pod: Object, volume: Object) -> Object:
    template = volume["ephemeral"]["volumeClaimTemplate"]
    source = template.get("metadata") or {}
    metadata: Object = {
        "name": claim_name(pod, volume),
        "namespace": namespace_of(pod),
        "ownerReferences": [controller_reference(PODS, "Pod", pod)],
    }
    for field in ("labels", "annotations"):
        if source.get(field):
            metadata[field] = source[field]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": template["spec"],
    }


def _pod_of_claim(claim: Object, caches: Caches) -> Iterable[Key]:
    """Return the pod that owns the claim, and the one that waits for its name."""
    yield from owner_keys("Pod", "")(claim, caches)
    wanted = f"{namespace_of(claim)}/{name_of(claim)}"
    for pod in caches[PODS].by(_BY_EPHEMERAL, wanted):
        yield Key(namespace_of(pod), name_of(pod))


def _by_ephemeral(pod: Object) -> Iterable[str]:
    names = {claim_name(pod, volume) for volume in ephemeral_volumes(pod)}
    return [f"{namespace_of(pod)}/{name}" for name in claims_of(pod) if name in names]


CONTROLLER = Controller(
    name="ephemeral-volume-controller",
    component="ephemeral_volume",
    watches=(
        Watch(PODS, own_key, {_BY_EPHEMERAL: _by_ephemeral}),
        Watch(PERSISTENT_VOLUME_CLAIMS, _pod_of_claim),
    ),
    view=view,
    reconcile=reconcile,
)
