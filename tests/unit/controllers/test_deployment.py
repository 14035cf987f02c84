"""What a Deployment says of itself, and rare ways of a rollout; the rest is in tests/properties."""

from __future__ import annotations

from typing import Any

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
