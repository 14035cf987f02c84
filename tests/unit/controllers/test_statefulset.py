"""Plans of the StatefulSet controller, compared as values."""

from __future__ import annotations

from typing import Any

from fakes.objects import pod, running
from roost.api.errors import AlreadyExists, Forbidden
from roost.api.values import Object
from roost.controllers.claimretention import claim_owner
from roost.controllers.statefulset import CONTROLLER, View, reconcile, refused
from roost.decisions.controller import Key
from roost.decisions.meta import seconds_of
from roost.decisions.plan import Create, Delete, EmitEvent, Patch, Plan, Update
from roost.decisions.resources import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from roost.decisions.revisions import Found, history

NOW = seconds_of("2027-01-15T09:00:00Z")


def stateful_set(image: str = "v1", replicas: int = 3, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [{"image": image}]}}
    return {
        "metadata": {"name": "s", "namespace": "default", "uid": "ss", "generation": 1},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "s"}}, "template": template,
            **spec,
        },
    }  # fmt: skip


def revision_of(body: Object, number: int = 1) -> Object:
    made = history(STATEFUL_SETS, "StatefulSet", body, Found(()), 0).update
    return {**made, "revision": number}


OLD, NEW = stateful_set("v0"), stateful_set("v1")
OWNER = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "ss"}


def there(ordinal: int, of: Object = NEW, *, ready: bool = True, **more: Any) -> Object:
    name = more.pop("name", f"s-{ordinal}")
    labels = {
        "app": "s",
        "controller-revision-hash": revision_of(of)["metadata"]["name"],
        "statefulset.kubernetes.io/pod-name": f"s-{ordinal}",
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    owner = [{**OWNER, "controller": True}]
    body = pod(name, labels=labels, ownerReferences=owner, **more)
    return running(body) if ready else body


def decide(body: Object, *pods: Object, claims: tuple[Object, ...] = ()) -> Plan:
    revisions = Found((revision_of(OLD), revision_of(NEW, 2)))
    return reconcile(View(body, pods, (), revisions, claims, NOW))


def gone(plan: Plan) -> list[str]:
    return [a.ref.name for a in plan.actions if isinstance(a, Delete)]


def made(plan: Plan) -> list[str]:
    return [a.object["metadata"]["name"] for a in plan.actions if isinstance(a, Create)]


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(a.reason, a.message) for a in plan.actions if isinstance(a, EmitEvent)]


def test_an_update_goes_one_by_one_from_the_end() -> None:
    old = [there(n, OLD) for n in range(3)]
    assert gone(decide(NEW, *old)) == ["s-2"]
    assert gone(decide(NEW, *old[:2], there(2))) == ["s-1"]
    parallel = stateful_set(podManagementPolicy="Parallel")
    assert gone(decide(parallel, *old[:2], there(2, ready=False))) == []
    assert gone(decide(parallel, *old[:2])) == []


def test_an_update_in_parallel_waits_for_nothing_before_it() -> None:
    parallel = stateful_set(podManagementPolicy="Parallel")
    broken = there(0, OLD, ready=False)
    assert gone(decide(parallel, broken, there(1, OLD), there(2, OLD))) == ["s-2"]
    more = [there(n, OLD) for n in range(4)]
    assert gone(decide(parallel, *more)) == ["s-3", "s-2"]  # scaled down and updated


def test_the_number_that_may_be_down_is_one_whatever_is_said() -> None:
    strategy = {"rollingUpdate": {"maxUnavailable": 2}}
    old = [there(n, OLD) for n in range(3)]
    assert gone(decide(stateful_set(updateStrategy=strategy), *old)) == ["s-2"]


def test_scaling_down_waits_for_the_first_that_is_broken() -> None:
    one = stateful_set(replicas=1)
    assert gone(decide(one, there(0), there(1), there(2, ready=False))) == ["s-2"]
    broken = [there(n, ready=False) for n in (1, 2)]
    assert gone(decide(one, there(0), *broken)) == []
    parallel = stateful_set(replicas=1, podManagementPolicy="Parallel")
    assert gone(decide(parallel, there(0), *broken)) == ["s-2", "s-1"]


def test_a_pod_gets_its_labels_back() -> None:
    lost = there(0)
    del lost["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"]
    plan = decide(stateful_set(replicas=1), lost)
    (patch,) = [a for a in plan.actions if isinstance(a, Patch)]
    assert patch.body["metadata"]["labels"] == there(0)["metadata"]["labels"]
    assert told(plan) == [("SuccessfulUpdate", "update Pod s-0 in StatefulSet s successful")]


def test_a_pod_of_another_name_is_released() -> None:
    stray = there(0, name="stray")
    plan = decide(stateful_set(replicas=0), stray)
    (release,) = plan.actions
    assert isinstance(release, Patch)
    assert release.body["metadata"]["ownerReferences"] == []


CLAIMS = [{"metadata": {"name": "data"}, "spec": {}}]


def test_a_pod_waits_for_its_claim_to_be_gone() -> None:
    body = stateful_set(replicas=1, volumeClaimTemplates=CLAIMS)
    claim = {"metadata": {
        "name": "data-s-0", "namespace": "default", "uid": "c",
        "deletionTimestamp": "2027-01-15T08:59:00Z",
    }}  # fmt: skip
    plan = decide(body, claims=(claim,))
    assert made(plan) == []
    assert told(plan) == [
        (
            "FailedCreate",
            "create Pod s-0 in StatefulSet s failed error: pvc data-s-0 is being deleted",
        )
    ]
    (watch,) = [w for w in CONTROLLER.watches if w.resource == PERSISTENT_VOLUME_CLAIMS]

    class Sets:
        def all(self, _namespace: str) -> list[Object]:
            return [body]

    caches: Any = {STATEFUL_SETS: Sets()}
    assert list(watch.keys(claim, caches)) == [Key("default", "s")]


def test_a_set_that_is_deleted_only_counts() -> None:
    body = stateful_set(replicas=5)
    body["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:00Z"
    (update,) = decide(body, there(0)).actions
    assert isinstance(update, Update)
    assert update.object["status"]["replicas"] == 1


def test_revisions_of_before_are_adopted_and_a_taken_name_is_counted() -> None:
    """A set that was deleted without its dependents and made again finds its revision there."""
    found = revision_of(NEW)
    free = {**found, "metadata": {**found["metadata"], "ownerReferences": []}}
    plan = reconcile(View(NEW, (), (), Found((), (free,), free), (), NOW))
    assert [a.ref.resource for a in plan.actions if isinstance(a, Patch)] == [CONTROLLER_REVISIONS]
    other = {**found, "data": {"spec": {}}}
    (update,) = reconcile(View(NEW, (), (), Found((), (), other), (), NOW)).actions
    assert isinstance(update, Update)
    assert update.object["status"]["collisionCount"] == 1


def test_refusals_are_told() -> None:
    view = View(stateful_set(replicas=1), (), (), Found((revision_of(NEW),)), (), NOW)
    claim = {"metadata": {"name": "data-s-0"}}
    plan = refused(view, Create(PERSISTENT_VOLUME_CLAIMS, claim), Forbidden("no"))
    assert told(plan) == [
        ("FailedCreate", "create Claim data-s-0 for Pod s-0 in StatefulSet s failed error: no"),
        (
            "FailedCreate",
            "create Pod s-0 in StatefulSet s failed error: failed to create PVC data-s-0: no",
        ),
    ]
    taken = AlreadyExists("it is there")
    assert told(refused(view, Create(PODS, {"metadata": {"name": "s-0"}}), taken)) == []
    plan = refused(view, Create(PODS, {"metadata": {"name": "s-0"}}), Forbidden("no"))
    assert told(plan) == [("FailedCreate", "create Pod s-0 in StatefulSet s failed error: no")]


def claim(*references: Object) -> Object:
    return {"metadata": {
        "name": "data-s-0", "namespace": "default", "uid": "c", "resourceVersion": "3",
        "ownerReferences": list(references),
    }}  # fmt: skip


def reference(kind: str, name: str, uid: str, *, controls: bool = True) -> Object:
    version = "apps/v1" if kind == "StatefulSet" else "v1"
    found = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
    return {**found, "controller": True} if controls else found


def owners_after(policy: Object, *references: Object, condemned: bool = False) -> Any:
    """Return (uids of the owners after the change, or None if there is none; events)."""
    body = stateful_set(persistentVolumeClaimRetentionPolicy=policy)
    actions = list(claim_owner(body, there(0), claim(*references), condemned=condemned))
    changes = [a.body["metadata"]["ownerReferences"] for a in actions if isinstance(a, Patch)]
    uids = [one["uid"] for one in changes[0]] if changes else None
    return uids, [a.reason for a in actions if isinstance(a, EmitEvent)]


KEEP = {"whenDeleted": "Retain", "whenScaled": "Retain"}
DELETE = {"whenDeleted": "Delete", "whenScaled": "Delete"}
BY_SET, BY_POD = reference("StatefulSet", "s", "ss"), reference("Pod", "s-0", "uid-s-0")
OTHER = reference("Thing", "t", "t")


def test_claims_belong_to_whom_the_policy_says() -> None:
    assert owners_after(KEEP) == (None, [])
    assert owners_after(KEEP, BY_SET) == ([], [])
    assert owners_after(DELETE) == (["ss"], [])
    assert owners_after(DELETE, BY_SET) == (None, [])
    assert owners_after(DELETE, BY_SET, condemned=True) == (["uid-s-0"], [])
    assert owners_after(DELETE, BY_POD) == (["ss"], [])
    assert owners_after(DELETE, reference("StatefulSet", "s", "ss", controls=False)) == (["ss"], [])


def test_claims_of_somebody_else_are_left_to_them() -> None:
    assert owners_after(DELETE, OTHER) == (None, ["ConflictingController"])
    assert owners_after(DELETE, OTHER, BY_SET) == (["t"], ["ConflictingController"])
    assert owners_after(KEEP, OTHER) == (None, [])
    before = reference("Pod", "s-0", "earlier")
    assert owners_after(DELETE, before) == (None, ["ConflictingController"])
    assert owners_after(KEEP, before) == (None, [])
