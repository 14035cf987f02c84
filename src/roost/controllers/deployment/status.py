"""The status of a Deployment: counts, Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from roost.api.values import Object
from roost.controllers.deployment.rollout import Budget, Rollout, count_of, total
from roost.decisions import conditions
from roost.decisions.meta import annotations_of, name_of, seconds_of, stamp
from roost.decisions.plan import Action, Update
from roost.decisions.resources import DEPLOYMENTS

_NO_DEADLINE = 2**31 - 1
_TIMED_OUT = "ProgressDeadlineExceeded"
_COMPLETE = "NewReplicaSetAvailable"


def deadline_s(deployment: Object) -> int | None:
    """Return progressDeadlineSeconds, None if there is none."""
    seconds: int = deployment["spec"].get("progressDeadlineSeconds", _NO_DEADLINE)
    return None if seconds == _NO_DEADLINE else seconds


def progressing(status: str, reason: str, message: str) -> tuple[str, str, str, str]:
    return "Progressing", status, reason, message


def set_condition(rollout: Rollout, type: str, status: str, reason: str, message: str) -> None:
    """Put a condition at the end of the list; one of equal status and reason stays as it is.

    Progressing is kept only for a deployment that has a deadline.
    """
    if type == "Progressing" and deadline_s(rollout.deployment) is None:
        return
    now = stamp(rollout.now)
    _put(rollout, conditions.make(type, status, reason, message, now, lastUpdateTime=now))


def _put(rollout: Rollout, made: Object) -> None:
    current = conditions.find(rollout.status["conditions"], made["type"])
    if current is not None and current["status"] == made["status"]:
        if current.get("reason") == made.get("reason"):
            return
        made["lastTransitionTime"] = current["lastTransitionTime"]
    others = conditions.without(rollout.status["conditions"], made["type"])
    rollout.status["conditions"] = [*others, made]


def _taken_over(failure: Object) -> Object:
    """Return the condition of a ReplicaSet as one of the deployment, with the times that it has."""
    since = failure.get("lastTransitionTime")
    return {
        "type": "ReplicaFailure",
        "status": failure["status"],
        "lastUpdateTime": since,
        "lastTransitionTime": since,
        **{key: failure[key] for key in ("reason", "message") if failure.get(key)},
    }


def count(rollout: Rollout) -> None:
    """Set the counts and Available."""
    sets, status = rollout.all, rollout.status
    available = sum(count_of(rs, "availableReplicas") for rs in sets)
    new = rollout.new
    status.update(
        observedGeneration=rollout.deployment["metadata"].get("generation", 0),
        replicas=sum(count_of(rs, "replicas") for rs in sets),
        updatedReplicas=count_of(new, "replicas") if new is not None else 0,
        readyReplicas=sum(count_of(rs, "readyReplicas") for rs in sets),
        availableReplicas=available,
        unavailableReplicas=max(total(sets) - available, 0),
    )
    # One that its controller has not seen yet has no pods at all.
    seen = [rs for rs in sets if count_of(rs, "observedGeneration")]
    if all("terminatingReplicas" in (rs.get("status") or {}) for rs in seen):
        status["terminatingReplicas"] = sum(count_of(rs, "terminatingReplicas") for rs in sets)
    else:
        status.pop("terminatingReplicas", None)
    if available >= rollout.replicas - Budget.of(rollout.deployment).unavailable:
        message = "Deployment has minimum availability."
        set_condition(rollout, "Available", "True", "MinimumReplicasAvailable", message)
    else:
        message = "Deployment does not have minimum availability."
        set_condition(rollout, "Available", "False", "MinimumReplicasUnavailable", message)


def complete(rollout: Rollout, status: Object) -> bool:
    """Say whether all pods that should be there are there, available and of the new template."""
    wanted = rollout.replicas
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    generation = rollout.deployment["metadata"].get("generation", 0)
    return (
        all(status.get(name, 0) == wanted for name in counts)
        and status.get("observedGeneration", 0) >= generation
    )


def judge_progress(rollout: Rollout, before: Object) -> None:
    """Set Progressing from what changed since the status `before`, and ReplicaFailure."""
    status = rollout.status
    if deadline_s(rollout.deployment) is None:
        status["conditions"] = conditions.without(status["conditions"], "Progressing")
    current = conditions.find(status["conditions"], "Progressing")
    finished = (
        status["replicas"] == status["updatedReplicas"]
        and current is not None
        and current.get("reason") == _COMPLETE
    )
    if deadline_s(rollout.deployment) is not None and not finished:
        _judge(rollout, before, current)
    failures = [
        failure
        for rs in ([rollout.new] if rollout.new is not None else []) + rollout.all
        if (failure := _failure(rs)) is not None
    ]
    if failures:
        _put(rollout, _taken_over(failures[0]))
    else:
        status["conditions"] = conditions.without(status["conditions"], "ReplicaFailure")
    _wake_for_deadline(rollout)


def _judge(rollout: Rollout, before: Object, current: Object | None) -> None:
    status, new = rollout.status, rollout.new
    subject = f'Deployment "{name_of(rollout.deployment)}"'
    if new is not None:
        subject = f'ReplicaSet "{name_of(new)}"'
    if complete(rollout, status):
        message = f"{subject} has successfully progressed."
        set_condition(rollout, *progressing("True", _COMPLETE, message))
    elif _moved(before, status):
        others = conditions.without(status["conditions"], "Progressing")
        status["conditions"] = others
        set_condition(
            rollout, *progressing("True", "ReplicaSetUpdated", f"{subject} is progressing.")
        )
        if current is not None and current["status"] == "True":
            made = status["conditions"][-1]
            made["lastTransitionTime"] = current["lastTransitionTime"]
    elif _timed_out(rollout, current):
        message = f"{subject} has timed out progressing."
        set_condition(rollout, *progressing("False", _TIMED_OUT, message))


def _moved(before: Object, after: Object) -> bool:
    def grew(name: str) -> bool:
        return bool(after.get(name, 0) > before.get(name, 0))

    def outdated(status: Object) -> int:
        count: int = status.get("replicas", 0) - status.get("updatedReplicas", 0)
        return count

    return (
        grew("updatedReplicas")
        or outdated(after) < outdated(before)
        or grew("readyReplicas")
        or grew("availableReplicas")
    )


def _timed_out(rollout: Rollout, current: Object | None) -> bool:
    limit = deadline_s(rollout.deployment)
    if current is None or limit is None or current.get("reason") == _COMPLETE:
        return False
    if current.get("reason") == _TIMED_OUT:
        return True
    return seconds_of(current.get("lastUpdateTime")) + limit < rollout.now


def _wake_for_deadline(rollout: Rollout) -> None:
    current = conditions.find(rollout.status["conditions"], "Progressing")
    limit = deadline_s(rollout.deployment)
    if current is None or limit is None or current.get("reason") in {_TIMED_OUT, _COMPLETE}:
        return  # what was complete once does not time out, whatever becomes of its pods
    if not complete(rollout, rollout.status):
        rollout.wake(seconds_of(current.get("lastUpdateTime")) + limit + 1)


def _failure(replica_set: Object) -> Object | None:
    return conditions.find((replica_set.get("status") or {}).get("conditions"), "ReplicaFailure")


def check_pause(rollout: Rollout) -> None:
    """Say in Progressing that the deployment was paused or resumed."""
    current = conditions.find(rollout.status["conditions"], "Progressing") or {}
    if current.get("reason") == _TIMED_OUT:
        return
    paused = rollout.deployment["spec"].get("paused", False)
    noted = current.get("reason") == "DeploymentPaused"
    if paused and not noted:
        set_condition(rollout, *progressing("Unknown", "DeploymentPaused", "Deployment is paused"))
    elif noted and not paused:
        set_condition(
            rollout, *progressing("Unknown", "DeploymentResumed", "Deployment is resumed")
        )


def write(rollout: Rollout) -> list[Action]:
    """Return the write of status and revision annotation, if they say anything new."""
    deployment = rollout.deployment
    old = deployment.get("status") or {}
    new = {k: v for k, v in rollout.status.items() if v or k == "terminatingReplicas"}
    if new == old and rollout.annotations == annotations_of(deployment):
        return []
    metadata = {**deployment["metadata"], "annotations": rollout.annotations}
    return [Update(DEPLOYMENTS, {**deployment, "metadata": metadata, "status": new}, "status")]
