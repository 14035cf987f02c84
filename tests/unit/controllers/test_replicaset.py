"""Plans of the ReplicaSet controller, compared as values."""

from __future__ import annotations

from typing import Any

from fakes.objects import pod, running
from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.controllers.replicaset import View, reconcile, refused
from roost.decisions.meta import normal, seconds_of
from roost.decisions.plan import AssertAlive, Create, Delete, EmitEvent, Patch, Plan, Ref, Update
from roost.decisions.resources import PODS, REPLICA_SETS

NOW = seconds_of("2027-01-15T09:00:00Z")
OWNER = {
    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True,
    "blockOwnerDeletion": True,
}  # fmt: skip
ABOUT = {
    "kind": "ReplicaSet", "namespace": "default", "name": "web", "uid": "rs",
    "apiVersion": "apps/v1", "resourceVersion": "5",
}  # fmt: skip


def replica_set(replicas: int, status: Object | None = None, **metadata: Any) -> Object:
    return {
        "metadata": {
            "name": "web", "namespace": "default", "uid": "rs", "resourceVersion": "5",
            "generation": 1, **metadata,
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
                "spec": {"containers": [{"name": "c"}]},
            },
        },
        "status": status or {"replicas": 0},
    }  # fmt: skip


def mine(name: str, **more: Any) -> Object:
    body = pod(name, labels={"app": "web"}, ownerReferences=[OWNER], nodeName="n1", **more)
    body["metadata"]["resourceVersion"] = "7"
    return body


def counts(replicas: int, ready: int = 0, terminating: int = 0) -> Object:
    status: Object = {"replicas": replicas, "terminatingReplicas": terminating}
    if replicas:
        status["fullyLabeledReplicas"] = replicas
    if ready:
        status["readyReplicas"] = status["availableReplicas"] = ready
    return {**status, "observedGeneration": 1}


def view(rs: Object, *owned: Object, orphans: tuple[Object, ...] = ()) -> View:
    return View(rs, owned, orphans, (), NOW)


def test_missing_pods_are_made_from_the_template() -> None:
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "ownerReferences": [OWNER],
            "labels": {"app": "web"},
            "annotations": {"a": "b"},
        },
        "spec": {"containers": [{"name": "c"}]},
    }
    event = normal(ABOUT, "SuccessfulCreate", "Created pod: {name}")
    rs = replica_set(2, counts(0))
    assert reconcile(view(rs)) == Plan((Create(PODS, made, announce=event),) * 2)


def test_nothing_to_do_is_no_plan() -> None:
    rs = replica_set(1, counts(1, ready=1))
    assert reconcile(view(rs, running(mine("a")))) == Plan()


def test_the_status_follows_the_pods() -> None:
    rs = replica_set(2, counts(0))
    gone = mine("c")
    gone["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:00Z"
    plan = reconcile(view(rs, running(mine("a")), mine("b"), gone))
    status = counts(2, ready=1, terminating=1)
    assert plan == Plan((Update(REPLICA_SETS, {**rs, "status": status}, "status"),))


def test_surplus_pods_go_the_worst_first() -> None:
    rs = replica_set(1, counts(3, ready=2))
    old, young, waiting = (
        running(mine("old"), "2027-01-15T01:00:00Z"),
        running(mine("young"), "2027-01-15T08:59:00Z"),
        mine("waiting"),
    )
    plan = reconcile(view(rs, old, young, waiting))
    assert plan.actions[:2] == (
        Delete(Ref(PODS, "default", "waiting", "uid-waiting")),
        Delete(Ref(PODS, "default", "young", "uid-young")),
    )
    assert [e.message for e in plan.actions if isinstance(e, EmitEvent)] == [
        "Deleted pod: waiting", "Deleted pod: young",
    ]  # fmt: skip


def test_a_higher_deletion_cost_saves_a_pod() -> None:
    cost = {"controller.kubernetes.io/pod-deletion-cost": "10"}
    dear, cheap = running(mine("dear", annotations=cost)), running(mine("cheap"))
    plan = reconcile(view(replica_set(1, counts(2, ready=2)), dear, cheap))
    assert plan.actions[0] == Delete(Ref(PODS, "default", "cheap", "uid-cheap"))


def test_a_free_pod_that_matches_is_adopted_after_a_live_look() -> None:
    free = mine("free")
    del free["metadata"]["ownerReferences"]
    rs = replica_set(1, counts(1))
    metadata = {"ownerReferences": [OWNER], "uid": "uid-free", "resourceVersion": "7"}
    assert reconcile(view(rs, orphans=(free,))) == Plan(
        (
            AssertAlive(Ref(REPLICA_SETS, "default", "web", "rs")),
            Patch(Ref(PODS, "default", "free", "uid-free"), {"metadata": metadata}),
        )
    )


def test_a_pod_that_no_longer_matches_is_released_and_replaced() -> None:
    lost = mine("lost")
    lost["metadata"]["labels"] = {"app": "other"}
    plan = reconcile(view(replica_set(1, counts(0)), lost))
    metadata = {"ownerReferences": [], "uid": "uid-lost", "resourceVersion": "7"}
    assert plan.actions[0] == Patch(
        Ref(PODS, "default", "lost", "uid-lost"), {"metadata": metadata}
    )
    assert isinstance(plan.actions[1], Create)


def test_a_replica_set_that_is_being_deleted_does_nothing_to_pods() -> None:
    rs = replica_set(3, counts(1), deletionTimestamp="2027-01-15T08:00:00Z")
    assert reconcile(view(rs, mine("a"))) == Plan()


def test_a_pod_that_is_ready_but_not_long_enough_wakes_us_up() -> None:
    rs = replica_set(1, {**counts(1), "readyReplicas": 1})
    rs["spec"]["minReadySeconds"] = 30
    plan = reconcile(view(rs, running(mine("a"), "2027-01-15T08:59:50Z")))
    assert plan == Plan(wake_at=NOW + 20)


def test_a_refusal_becomes_an_event_and_a_condition() -> None:
    rs = replica_set(1, counts(0))
    action = Create(PODS, {})
    plan = refused(view(rs), action, Forbidden("exceeded quota"))
    event, update = plan.actions
    assert event == EmitEvent(ABOUT, "Warning", "FailedCreate", "Error creating: exceeded quota")
    assert isinstance(update, Update)
    assert update.object["status"]["conditions"] == [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": "2027-01-15T09:00:00Z",
            "reason": "FailedCreate",
            "message": "exceeded quota",
        }
    ]


def test_what_has_ended_is_neither_adopted_nor_released_nor_counted() -> None:
    over = mine("over", status={"phase": "Failed"})
    over["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:00Z"
    other = mine("other", status={"phase": "Succeeded"})
    other["metadata"]["labels"] = {"app": "other"}
    free = mine("free", status={"phase": "Succeeded"})
    del free["metadata"]["ownerReferences"]
    rs = replica_set(0, counts(0))
    assert reconcile(view(rs, over, other, orphans=(free,))) == Plan()


def test_a_namespace_that_ends_is_no_failure() -> None:
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    assert refused(view(replica_set(1)), Create(PODS, {}), Forbidden("it ends", causes)) == Plan()
