"""The declaration of the deployment controller, and the order in which it decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.errors import NAMESPACE_ENDS, AlreadyExists, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.deployment.revision import ensure_new, find_new, name_of_new
from roost.controllers.deployment.rollback import roll_back, wanted_revision
from roost.controllers.deployment.rollout import Rollout, count_of, with_size
from roost.controllers.deployment.scaling import (
    clean_up,
    empty_old,
    grow_new,
    scale,
    shrink_old,
    was_scaled,
)
from roost.controllers.deployment.status import (
    check_pause,
    complete,
    count,
    judge_progress,
    progressing,
    set_condition,
    write,
)
from roost.decisions.claims import BY_CONTROLLER, Owner, claim, matching_owners, orphans, owned
from roost.decisions.controller import (
    Caches,
    Controller,
    Key,
    Watch,
    controller_of,
    own_key,
    owner_keys,
)
from roost.decisions.meta import (
    annotations_of,
    by_controller,
    deleting,
    labels_of,
    namespace_of,
    warning,
)
from roost.decisions.plan import Action, Create, Plan
from roost.decisions.pods import finished
from roost.decisions.resources import DEPLOYMENTS, PODS, REPLICA_SETS


@dataclass(frozen=True, slots=True)
class View:
    """A Deployment and its ReplicaSets.

    `named` has the name that a new ReplicaSet would get; `old_pods` says whether pods of another
    template still run (asked only for Recreate).
    """

    deployment: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    named: Object | None
    old_pods: bool
    now: float


def _recreates(deployment: Object) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    return bool(strategy.get("type") == "Recreate")


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the Deployment `key` rests on."""
    deployment = caches[DEPLOYMENTS].get(*key)
    if deployment is None:
        return None
    sets = caches[REPLICA_SETS]
    mine = owned(sets, deployment)
    name = name_of_new(deployment, deployment.get("status") or {})
    old_pods = False
    if _recreates(deployment):
        new = find_new(deployment, mine)
        old_pods = any(
            not finished(pod)
            for replica_set in mine
            if replica_set is not new
            for pod in owned(caches[PODS], replica_set)
        )
    selector = label_selector(deployment["spec"].get("selector"))
    free = orphans(sets, deployment, selector)
    return View(deployment, mine, free, sets.get(key.namespace, name), old_pods, now)


def reconcile(view: View) -> Plan:
    """Decide the next step of the rollout and the status."""
    deployment = view.deployment
    owner = Owner(DEPLOYMENTS, "Deployment", deployment, REPLICA_SETS)
    selector = label_selector(deployment["spec"].get("selector"))
    claimed = claim(owner, selector, view.owned, view.orphans)
    if claimed.actions:
        return Plan(claimed.actions)  # what is adopted comes back by the watch
    rollout = _rollout(view, claimed.kept)
    before = dict(deployment.get("status") or {})
    if deleting(deployment):
        count(rollout)
        return Plan(tuple(write(rollout)))
    check_pause(rollout)
    if deployment["spec"].get("paused", False):
        ensure_new(rollout, None, create=False)
        scale(rollout)
        clean_up(rollout)
        count(rollout)
    elif (revision := wanted_revision(deployment)) is not None:
        return Plan(tuple(roll_back(rollout, revision, view.named)) or tuple(write(rollout)))
    elif was_scaled(rollout):
        ensure_new(rollout, None, create=False)
        scale(rollout)
        count(rollout)
    else:
        _roll(rollout, view)
        count(rollout)
        judge_progress(rollout, before)
    return Plan((*rollout.actions, *write(rollout)), rollout.wake_at)


def _rollout(view: View, kept: Iterable[Object]) -> Rollout:
    deployment = view.deployment
    sets = list(kept)
    new = find_new(deployment, sets)
    status = dict(deployment.get("status") or {})
    status["conditions"] = list(status.get("conditions") or ())
    return Rollout(
        deployment,
        [rs for rs in sets if rs is not new],
        new,
        status,
        dict(annotations_of(deployment)),
        view.now,
    )


def _roll(rollout: Rollout, view: View) -> None:
    if _recreates(rollout.deployment):
        ensure_new(rollout, None, create=False)
        if empty_old(rollout) or view.old_pods or _old_remain(rollout):
            return
        if not ensure_new(rollout, view.named, create=True):
            return
        if rollout.new is not None:
            rollout.scale(rollout.new, rollout.replicas)
    else:
        if not ensure_new(rollout, view.named, create=True):
            return
        if grow_new(rollout) or shrink_old(rollout):
            return
    if complete(rollout, rollout.deployment.get("status") or {}):
        clean_up(rollout)


def _old_remain(rollout: Rollout) -> bool:
    return bool(with_size(rollout.old)) or any(count_of(rs, "replicas") for rs in rollout.old)


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why the new ReplicaSet could not be made."""
    if not isinstance(action, Create) or error.has_cause(NAMESPACE_ENDS):
        return Plan()
    if isinstance(error, AlreadyExists):  # it comes by the watch: it is ours, or a collision
        return Plan()
    rollout = _rollout(view, view.owned)
    name = action.object["metadata"]["name"]
    message = f'Failed to create new replica set "{name}": {error.message}'
    set_condition(rollout, *progressing("False", "ReplicaSetCreateError", message))
    event = warning(rollout.regarding, "ReplicaSetCreateError", message)
    return Plan((event, *write(rollout)))


def _replica_set_keys(replica_set: Object, caches: Caches) -> Iterable[Key]:
    if controller_of(replica_set) is not None:
        return _owner_keys(replica_set, caches)
    labels = labels_of(replica_set)
    return matching_owners(caches, DEPLOYMENTS, namespace_of(replica_set), labels)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    """Return the deployment that waits for this pod to go before it recreates."""
    for key in _pod_owner_keys(pod, caches):
        replica_set = caches[REPLICA_SETS].get(*key)
        for owner in _owner_keys(replica_set, caches) if replica_set is not None else ():
            deployment = caches[DEPLOYMENTS].get(*owner)
            if deployment is not None and _recreates(deployment):
                yield owner


_owner_keys = owner_keys("Deployment", "apps")
_pod_owner_keys = owner_keys("ReplicaSet", "apps")

CONTROLLER = Controller(
    name="deployment-controller",
    watches=(
        Watch(DEPLOYMENTS, own_key),
        Watch(REPLICA_SETS, _replica_set_keys, {BY_CONTROLLER: by_controller}),
        Watch(PODS, _pod_keys, {BY_CONTROLLER: by_controller}),
    ),
    view=view,
    reconcile=reconcile,
    refused=refused,
)
