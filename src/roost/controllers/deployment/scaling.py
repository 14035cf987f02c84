"""How large each ReplicaSet of a Deployment should be: roll, recreate, or scale in proportion."""

from __future__ import annotations

from roost.api.values import Object
from roost.controllers.deployment.revision import revision_of, size_for_new
from roost.controllers.deployment.rollout import (
    DESIRED,
    MAXIMUM,
    Budget,
    Rollout,
    by_age,
    count_of,
    size_of,
    total,
    with_size,
)
from roost.decisions.meta import annotations_of, created_at, delete, deleting, name_of
from roost.decisions.resources import REPLICA_SETS

_NO_LIMIT = 2**31 - 1


def _noted(replica_set: Object, annotation: str) -> int | None:
    text = annotations_of(replica_set).get(annotation, "")
    return int(text) if text.isdecimal() else None


def was_scaled(rollout: Rollout) -> bool:
    """Say whether spec.replicas changed since the ReplicaSets were last scaled."""
    for replica_set in with_size(rollout.all):
        desired = _noted(replica_set, DESIRED)
        if desired is not None and desired != rollout.replicas:
            return True
    return False


def grow_new(rollout: Rollout) -> bool:
    """Scale the new ReplicaSet as far as the surge allows; say whether its size changes."""
    new = rollout.new
    if new is None or size_of(new) == rollout.replicas:
        return False
    if size_of(new) > rollout.replicas:
        return rollout.scale(new, rollout.replicas)
    return rollout.scale(new, size_for_new(rollout, new))


def shrink_old(rollout: Rollout) -> bool:
    """Scale old ReplicaSets down as far as availability allows: broken pods first."""
    new = rollout.new
    if new is None or total(rollout.old) == 0:
        return False
    minimum = rollout.replicas - Budget.of(rollout.deployment).unavailable
    new_missing = size_of(new) - count_of(new, "availableReplicas")
    room = total(rollout.all) - minimum - new_missing
    if room <= 0:
        return False
    cleaned = _shrink_broken(rollout, room)
    return _shrink_available(rollout, minimum) + cleaned > 0


def _shrink_broken(rollout: Rollout, room: int) -> int:
    done = 0
    for replica_set in by_age(rollout.old):
        broken = size_of(replica_set) - count_of(replica_set, "availableReplicas")
        if done >= room:
            break
        if size_of(replica_set) == 0 or broken <= 0:
            continue
        step = min(room - done, broken)
        rollout.scale(replica_set, size_of(replica_set) - step)
        done += step
    return done


def _shrink_available(rollout: Rollout, minimum: int) -> int:
    room = sum(count_of(rs, "availableReplicas") for rs in rollout.all) - minimum
    done = 0
    for replica_set in by_age(rollout.old):
        if done >= room:
            break
        step = min(size_of(replica_set), room - done)
        if step > 0:
            rollout.scale(replica_set, size_of(replica_set) - step)
            done += step
    return done


def empty_old(rollout: Rollout) -> bool:
    """Scale all old ReplicaSets to nothing; say whether any had a size."""
    scaled = False
    for replica_set in with_size(rollout.old):
        scaled = rollout.scale(replica_set, 0) or scaled
    return scaled


def scale(rollout: Rollout) -> None:
    """Follow a change of spec.replicas: the only one, or all in proportion to their sizes."""
    alone = _active_or_latest(rollout)
    if alone is not None:
        rollout.scale(alone, rollout.replicas)
        return
    if _saturated(rollout):
        empty_old(rollout)
        return
    strategy = rollout.deployment["spec"].get("strategy") or {}
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        _scale_in_proportion(rollout)


def _active_or_latest(rollout: Rollout) -> Object | None:
    sized = with_size(rollout.all)
    if len(sized) == 1:
        return sized[0]
    if sized:
        return None
    if rollout.new is not None:
        return rollout.new
    return by_age(rollout.old)[-1] if rollout.old else None


def _saturated(rollout: Rollout) -> bool:
    new, replicas = rollout.new, rollout.replicas
    return (
        new is not None
        and size_of(new) == replicas
        and _noted(new, DESIRED) == replicas
        and count_of(new, "availableReplicas") == replicas
    )


def _scale_in_proportion(rollout: Rollout) -> None:
    sets = with_size(rollout.all)
    surge = Budget.of(rollout.deployment).surge
    allowed = rollout.replicas + surge if rollout.replicas > 0 else 0
    missing = allowed - total(sets)
    # Where rounding leaves something over, the largest takes it; of equals, when growing the newest.
    age = 1 if missing < 0 else -1
    sets.sort(key=lambda rs: (-size_of(rs), age * created_at(rs), name_of(rs)))
    sizes = {name_of(rs): size_of(rs) for rs in sets}
    added = 0
    for replica_set in sets:
        share = _share(rollout, replica_set, missing, added)
        sizes[name_of(replica_set)] += share
        added += share
    if sets and missing:
        first = name_of(sets[0])
        sizes[first] = max(sizes[first] + missing - added, 0)
    for replica_set in sets:
        rollout.scale(replica_set, sizes[name_of(replica_set)])


def _share(rollout: Rollout, replica_set: Object, missing: int, added: int) -> int:
    if missing in (0, added):
        return 0
    size, allowed = size_of(replica_set), missing - added
    if rollout.replicas == 0:
        fraction = -size
    else:
        before = _noted(replica_set, MAXIMUM) or rollout.status.get("replicas", 0)
        maximum = rollout.replicas + Budget.of(rollout.deployment).surge
        # Half away from zero, in integers.
        fraction = (2 * size * maximum + before) // (2 * before) - size if before else 0
    return min(fraction, allowed) if missing > 0 else max(fraction, allowed)


def clean_up(rollout: Rollout) -> None:
    """Delete the oldest revisions beyond revisionHistoryLimit that are wholly scaled down."""
    limit = rollout.deployment["spec"].get("revisionHistoryLimit", 10)
    if limit >= _NO_LIMIT:
        return
    candidates = sorted((rs for rs in rollout.old if not deleting(rs)), key=_revision_then_age)
    for replica_set in candidates[: max(len(candidates) - limit, 0)]:
        behind = replica_set["metadata"].get("generation", 0) > count_of(
            replica_set, "observedGeneration"
        )
        if count_of(replica_set, "replicas") or size_of(replica_set) or behind:
            continue
        rollout.actions.append(delete(REPLICA_SETS, replica_set))


def _revision_then_age(replica_set: Object) -> tuple[int, float, str]:
    return revision_of(replica_set), created_at(replica_set), name_of(replica_set)
