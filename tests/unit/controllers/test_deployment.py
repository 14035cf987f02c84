"""What a Deployment says of itself, and rare ways of a rollout; the rest is in tests/properties."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.errors import AlreadyExists, Forbidden
from roost.api.values import Object
from roost.controllers.deployment import View, reconcile, refused
from roost.controllers.deployment.revision import name_of_new
from roost.decisions.meta import seconds_of
from roost.decisions.plan import Create, EmitEvent, Plan, Update
from roost.decisions.resources import DEPLOYMENTS, REPLICA_SETS

NOW = seconds_of("2027-01-15T09:00:00Z")


def deployment(replicas: int = 2, annotations: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {
            "name": "web", "namespace": "d", "uid": "u", "generation": 1,
            "annotations": annotations or {},
        },
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template("v1"),
            **spec,
        },
    }  # fmt: skip


def template(image: str, **labels: str) -> Object:
    return {
        "metadata": {"labels": {"app": "web", **labels}},
        "spec": {"containers": [{"image": image}]},
    }


def replica_set(name: str, image: str, revision: int, size: int = 0, **status: Any) -> Object:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u"}
    return {
        "metadata": {
            "name": name, "namespace": "d", "uid": f"uid-{name}",
            "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "creationTimestamp": f"2027-01-15T08:00:{revision:02d}Z",
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"replicas": size, "template": template(image, **{"pod-template-hash": name})},
        "status": status,
    }  # fmt: skip


def decide(body: Object, *sets: Object) -> Plan:
    return reconcile(View(body, sets, (), None, old_pods=False, now=NOW))


def status_of(plan: Plan) -> Object:
    (update,) = [a for a in plan.actions if isinstance(a, Update) and a.resource == DEPLOYMENTS]
    return update.object["status"]


def test_a_failure_to_make_pods_is_taken_over_with_its_times() -> None:
    failure = {
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no room",
        "lastTransitionTime": "2027-01-15T08:30:00Z",
    }  # fmt: skip
    status = status_of(decide(deployment(), replica_set("a", "v1", 1, 2, conditions=[failure])))
    (found,) = [c for c in status["conditions"] if c["type"] == "ReplicaFailure"]
    assert found == {**failure, "lastUpdateTime": "2027-01-15T08:30:00Z"}


def test_pods_that_end_are_counted_also_while_a_set_is_new() -> None:
    old = replica_set("a", "v0", 1, 2, observedGeneration=1, terminatingReplicas=3)
    new = replica_set("b", "v1", 2)
    assert status_of(decide(deployment(), old, new))["terminatingReplicas"] == 3
    del old["status"]["terminatingReplicas"]
    assert "terminatingReplicas" not in status_of(decide(deployment(), old, new))


def test_a_long_name_gives_way_to_the_hash() -> None:
    body = deployment()
    body["metadata"]["name"] = "a" * 250
    name = name_of_new(body, {})
    assert len(name) == 253
    assert name.rpartition("-")[0] == "a" * len(name.rpartition("-")[0])


def test_a_set_that_is_there_already_is_no_failure() -> None:
    body = deployment()
    view = View(body, (), (), None, old_pods=False, now=NOW)
    (create,) = [a for a in reconcile(view).actions if isinstance(a, Create)]
    assert refused(view, create, AlreadyExists("it is there")) == Plan()
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    assert refused(view, create, Forbidden("it ends", causes)) == Plan()
    event, update = refused(view, create, Forbidden("no")).actions
    assert isinstance(event, EmitEvent)
    assert event.reason == "ReplicaSetCreateError"
    assert isinstance(update, Update)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(e.reason, e.message) for e in plan.actions if isinstance(e, EmitEvent)]


def test_an_annotation_asks_for_an_old_revision() -> None:
    ask = {"deprecated.deployment.rollback.to": "0", "kept": "no"}
    first, second = replica_set("a", "v0", 1), replica_set("b", "v1", 2, 2)
    first["metadata"]["annotations"]["of-the-set"] = "yes"
    plan = decide(deployment(annotations=ask), first, second)
    (update,) = [a for a in plan.actions if isinstance(a, Update) and a.resource == DEPLOYMENTS]
    assert update.subresource == ""
    assert update.object["spec"]["template"] == template("v0")
    assert update.object["metadata"]["annotations"] == {"of-the-set": "yes"}
    assert told(plan) == [("DeploymentRollback", 'Rolled back deployment "web" to revision 1')]


def test_a_revision_that_is_not_there_or_the_same_is_said_and_the_request_goes() -> None:
    for revision, reason, text in (
        (7, "DeploymentRollbackRevisionNotFound", "Unable to find the revision to rollback to."),
        (0, "DeploymentRollbackRevisionNotFound", "Unable to find last revision."),
        (
            2, "DeploymentRollbackTemplateUnchanged",
            'The rollback revision contains the same template as current deployment "web"',
        ),
    ):  # fmt: skip
        body = deployment(annotations={"deprecated.deployment.rollback.to": str(revision)})
        plan = decide(body, replica_set("b", "v1", 2, 2))
        assert told(plan) == [(reason, text)]
        updates = [a for a in plan.actions if isinstance(a, Update) and a.resource == DEPLOYMENTS]
        assert updates[0].object["metadata"]["annotations"] == {}
        assert updates[0].object["spec"]["template"] == template("v1")


def test_a_scaled_set_alone_follows_and_keeps_its_notes() -> None:
    notes = {"deployment.kubernetes.io/desired-replicas": "2"}
    only = replica_set("a", "v1", 1, 2)
    only["metadata"]["annotations"].update(notes)
    plan = decide(deployment(5), only)
    (update,) = [a for a in plan.actions if isinstance(a, Update) and a.resource == REPLICA_SETS]
    assert update.object["spec"]["replicas"] == 5
    found = update.object["metadata"]["annotations"]
    assert found["deployment.kubernetes.io/desired-replicas"] == "5"
    assert found["deployment.kubernetes.io/max-replicas"] == "6"
    assert told(plan) == [("ScalingReplicaSet", "Scaled up replica set a from 2 to 5")]


def sized(body: Object, size: int, before: tuple[int, int], available: int | None = None) -> Object:
    """Return a set of a size, noted at (replicas, surge) of the deployment of `before`."""
    replicas, surge = before
    body["metadata"]["annotations"].update(
        {
            "deployment.kubernetes.io/desired-replicas": str(replicas),
            "deployment.kubernetes.io/max-replicas": str(replicas + surge),
        }
    )
    body["spec"]["replicas"] = size
    body["status"] = {
        "replicas": size,
        "availableReplicas": size if available is None else available,
    }
    return body


#: (replicas, surge) before and after; sizes, the newest first and None where it is not there; then.
PROPORTIONS: dict[str, tuple[tuple[int, int], tuple[int, int], list[int | None], list[int]]] = {
    "alone": ((10, 0), (12, 0), [10], [12]),
    "alone down": ((10, 0), (5, 0), [10], [5]),
    "both grow": ((5, 0), (10, 0), [2, 3], [4, 6]),
    "both shrink": ((5, 0), (3, 0), [2, 3], [1, 2]),
    "one goes": ((9, 0), (4, 0), [8, 1], [4, 0]),
    "three grow": ((7, 0), (10, 0), [2, 3, 2], [3, 4, 3]),
    "three shrink": ((13, 0), (8, 0), [2, 8, 3], [1, 5, 2]),
    "what is left over goes to the newest": ((3, 0), (4, 0), [1, 1, 1], [2, 1, 1]),
    "what is too much goes from the oldest": ((3, 0), (2, 0), [1, 1, 1], [1, 1, 0]),
    "no new one": ((4, 0), (5, 0), [None, 2, 2], [3, 2]),
    "to nothing": ((4, 0), (0, 0), [None, 2, 2], [0, 0]),
    "from nothing": ((0, 0), (6, 0), [0, 0, 0], [6, 0, 0]),
    "with a surge": ((10, 2), (20, 2), [6, 6], [11, 11]),
    "another surge": ((10, 3), (50, 6), [5, 8], [22, 34]),
    "another template": ((10, 0), (14, 0), [None, 7, 3], [10, 4]),
}


@pytest.mark.parametrize("case", PROPORTIONS)
def test_all_sets_are_scaled_in_proportion(case: str) -> None:
    before, (replicas, surge), sizes, expected = PROPORTIONS[case]
    strategy = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": 1}}
    sets = [
        sized(replica_set(f"s{at}", "v1" if at == 0 else f"old{at}", 9 - at), size, before)
        for at, size in enumerate(sizes)
        if size is not None
    ]
    # A paused deployment scales whatever its notes say.
    plan = decide(deployment(replicas, strategy=strategy, paused=True), *sets)
    found = {one["metadata"]["name"]: one["spec"]["replicas"] for one in sets}
    for action in plan.actions:
        if isinstance(action, Update) and action.resource == REPLICA_SETS:
            found[action.object["metadata"]["name"]] = action.object["spec"]["replicas"]
    assert list(found.values()) == expected


def test_a_new_set_of_the_size_whose_pods_are_broken_leaves_the_old_pods_alone() -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    new = sized(replica_set("b", "v1", 2), 2, (2, 1), available=1)
    old = sized(replica_set("a", "v0", 1), 1, (2, 1))
    plan = decide(deployment(2, strategy=strategy, paused=True), new, old)
    assert not [
        a
        for a in plan.actions
        if isinstance(a, Update)
        and a.resource == REPLICA_SETS
        and a.object["spec"]["replicas"] != {"a": 1, "b": 2}[a.object["metadata"]["name"]]
    ]
