"""Which ReplicaSet is the new one, which revision it is, and how to make it."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object, Value
from roost.controllers.deployment.rollout import (
    DESIRED,
    HASH_LABEL,
    MAXIMUM,
    REVISION,
    REVISION_HISTORY,
    Budget,
    Rollout,
    by_age,
    size_of,
    total,
)
from roost.controllers.deployment.status import progressing, set_condition
from roost.decisions import conditions
from roost.decisions.hashes import template_hash
from roost.decisions.meta import (
    annotations_of,
    controller_reference,
    name_of,
    namespace_of,
    normal,
    owned_by,
    uid_of,
)
from roost.decisions.plan import Create
from roost.decisions.resources import DEPLOYMENTS, REPLICA_SETS

ROLLBACK = "deprecated.deployment.rollback.to"
_HISTORY_MAX = 2000
_NAME_MAX = 253
#: Annotations of a deployment that say nothing about its replica sets.
OWN_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        ROLLBACK,
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAXIMUM,
    }
)


def same_template(left: Object, right: Object) -> bool:
    """Say whether two pod templates are equal apart from the hash label; empty is absent."""
    return bool(_plain(left) == _plain(right))


def _plain(template: Object) -> Value:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {
        k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL
    }
    return _without_empty({**template, "metadata": metadata})


def _without_empty(value: Value) -> Value:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def find_new(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """Return the oldest ReplicaSet that has the deployment's template."""
    template = deployment["spec"]["template"]
    for replica_set in by_age(replica_sets):
        if same_template(replica_set["spec"]["template"], template):
            return replica_set
    return None


def revision_of(obj: Object) -> int:
    try:
        return int(annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def ensure_new(rollout: Rollout, named: Object | None, *, create: bool) -> bool:
    """Bring the new ReplicaSet up to date, or make it if `create`.

    `named(name)` would be in the way if its name is taken: then the collision count goes up and the
    answer is False: nothing more can be decided now.
    """
    revision = max((revision_of(rs) for rs in rollout.old), default=0) + 1
    if rollout.new is not None:
        _update_new(rollout, rollout.new, revision)
        return True
    if not create:
        return True
    if named is not None and not _ours(rollout, named):
        rollout.status["collisionCount"] = rollout.status.get("collisionCount", 0) + 1
        return False
    _create_new(rollout, revision)
    return True


def name_of_new(deployment: Object, status: Object) -> str:
    """Return the name that a new ReplicaSet gets; a long name of a deployment gives way to the hash."""
    digest = _hash(deployment, status)
    return f"{name_of(deployment)[: _NAME_MAX - 1 - len(digest)]}-{digest}"


def _hash(deployment: Object, status: Object) -> str:
    return template_hash(deployment["spec"]["template"], status.get("collisionCount", 0))


def _ours(rollout: Rollout, named: Object) -> bool:
    template = rollout.deployment["spec"]["template"]
    return owned_by(named, uid_of(rollout.deployment)) and same_template(
        named["spec"]["template"], template
    )


def _update_new(rollout: Rollout, new: Object, revision: int) -> None:
    min_ready_s = rollout.deployment["spec"].get("minReadySeconds", 0)
    annotations = _annotations(rollout.deployment, annotations_of(new), revision)
    if annotations != annotations_of(new) or new["spec"].get("minReadySeconds", 0) != min_ready_s:
        changed = {
            **new,
            "metadata": {**new["metadata"], "annotations": annotations},
            "spec": {**new["spec"], "minReadySeconds": min_ready_s},
        }
        rollout.change(new, changed)
    rollout.annotations[REVISION] = annotations.get(REVISION, str(revision))
    if conditions.find(rollout.status["conditions"], "Progressing") is None:
        message = f'Found new replica set "{name_of(new)}"'
        set_condition(rollout, *progressing("True", "FoundNewReplicaSet", message))


def _create_new(rollout: Rollout, revision: int) -> None:
    deployment = rollout.deployment
    spec, digest = deployment["spec"], _hash(deployment, rollout.status)
    template, name = spec["template"], name_of_new(deployment, rollout.status)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
    selector = spec["selector"]
    budget = Budget.of(deployment)
    new: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": {
                **_annotations(deployment, {}, revision),
                DESIRED: str(rollout.replicas),
                MAXIMUM: str(rollout.replicas + budget.surge),
            },
            "ownerReferences": [controller_reference(DEPLOYMENTS, "Deployment", deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest},
            },
            "template": {
                **template,
                "metadata": {**(template.get("metadata") or {}), "labels": labels},
            },
        },
    }
    if spec.get("minReadySeconds"):
        new["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    size = new["spec"]["replicas"] = size_for_new(rollout, new)
    rollout.new = new
    rollout.actions.append(Create(REPLICA_SETS, new))
    if size > 0:
        message = f"Scaled up replica set {name} from 0 to {size}"
        rollout.actions.append(normal(rollout.regarding, "ScalingReplicaSet", message))
    rollout.annotations[REVISION] = str(revision)
    message = f'Created new replica set "{name}"'
    set_condition(rollout, *progressing("True", "NewReplicaSetCreated", message))


def size_for_new(rollout: Rollout, new: Object) -> int:
    """Return how large the new ReplicaSet may be now."""
    strategy = rollout.deployment["spec"].get("strategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return rollout.replicas
    others = [rs for rs in rollout.all if rs is not new]
    room = rollout.replicas + Budget.of(rollout.deployment).surge - total([*others, new])
    if room <= 0:
        return size_of(new)
    return size_of(new) + min(room, rollout.replicas - size_of(new))


def _annotations(deployment: Object, known: dict[str, str], revision: int) -> dict[str, str]:
    """Return the annotations of the new ReplicaSet, with the revision and its history."""
    own = annotations_of(deployment)
    result = {**known, **{k: v for k, v in own.items() if k not in OWN_ANNOTATIONS}}
    before = known.get(REVISION, "")
    if (int(before) if before.isdecimal() else 0) < revision:
        result[REVISION] = str(revision)
        if before:
            history = known.get(REVISION_HISTORY, "")
            entries = [entry for entry in history.split(",") if entry]
            entries.append(before)
            while len(",".join(entries)) > _HISTORY_MAX:
                entries.pop(0)
            result[REVISION_HISTORY] = ",".join(entries)
    return result
