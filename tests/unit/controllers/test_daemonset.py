"""Plans of the DaemonSet controller, compared as values."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.objects import node, pod, running
from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.controllers.daemonpods import pod_of, tolerations_of
from roost.controllers.daemonset import View, reconcile, refused
from roost.decisions.meta import seconds_of
from roost.decisions.plan import Create, Delete, EmitEvent, Patch, Plan, Update
from roost.decisions.resources import CONTROLLER_REVISIONS, DAEMON_SETS, PODS
from roost.decisions.revisions import Found, history

NOW = seconds_of("2027-01-15T09:00:00Z")
NODES = tuple(node(name) for name in ("n1", "n2", "n3"))
AWAY = {"key": "away", "effect": "NoSchedule"}


def daemon_set(image: str = "v1", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"image": image}]}}
    return {
        "metadata": {"name": "d", "namespace": "default", "uid": "ds", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template, **spec},
    }


def revision_of(body: Object, number: int = 1) -> Object:
    made = history(DAEMON_SETS, "DaemonSet", body, Found(()), 0).update
    return {**made, "revision": number}


def digest(body: Object) -> str:
    label: str = revision_of(body)["metadata"]["labels"]["controller-revision-hash"]
    return label


def there(name: str, on: str, of: Object, *, ready: bool = True, **more: Any) -> Object:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "ds"}
    labels = {"app": "d", "controller-revision-hash": digest(of), **more.pop("labels", {})}
    body = pod(
        name, nodeName=on, labels=labels, ownerReferences=[{**owner, "controller": True}], **more
    )
    return running(body) if ready else body


def decide(body: Object, *pods: Object, nodes: tuple[Object, ...] = NODES, **more: Any) -> Plan:
    old = [revision_of(daemon_set("v0"))] if "v0" not in str(body) else []
    found = Found((*old, revision_of(body, 2)))
    return reconcile(View(body, pods, (), found, nodes, NOW, **more))


def made(plan: Plan) -> list[str]:
    """Return the nodes that get a pod."""
    found = []
    for action in plan.actions:
        if isinstance(action, Create) and action.resource == PODS:
            required = action.object["spec"]["affinity"]["nodeAffinity"]
            (term,) = required["requiredDuringSchedulingIgnoredDuringExecution"][
                "nodeSelectorTerms"
            ]
            found += term["matchFields"][0]["values"]
    return found


def gone(plan: Plan) -> list[str]:
    return [a.ref.name for a in plan.actions if isinstance(a, Delete) and a.ref.resource == PODS]


def status_of(plan: Plan) -> Object:
    (update,) = [a for a in plan.actions if isinstance(a, Update)]
    return update.object["status"]


def ending(body: Object) -> Object:
    body["metadata"]["deletionTimestamp"] = "2027-01-15T08:59:00Z"
    return body


def test_every_node_gets_a_pod_that_goes_nowhere_else() -> None:
    body = daemon_set()
    terms = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    body["spec"]["template"]["spec"]["affinity"] = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
            "preferredDuringSchedulingIgnoredDuringExecution": ["kept"],
        }
    }
    pinned = pod_of(body, revision_of(body), "n1")["spec"]["affinity"]["nodeAffinity"]
    here = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert pinned == {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [here]}]
        },
        "preferredDuringSchedulingIgnoredDuringExecution": ["kept"],
    }
    assert made(decide(daemon_set())) == ["n1", "n2", "n3"]


def test_a_toleration_for_a_while_becomes_one_for_good() -> None:
    key = "node.kubernetes.io/not-ready"
    mine = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    found = tolerations_of({"tolerations": [mine, {"operator": "Exists", "key": "x"}]})
    assert found[0] == {"key": key, "operator": "Exists", "effect": "NoExecute"}
    assert [one["key"].rpartition("/")[2] for one in found[1:]] == [
        "x", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable",
    ]  # fmt: skip


def test_a_pod_that_has_ended_and_goes_is_replaced_at_once() -> None:
    body = daemon_set()
    over = ending(there("over", "n1", body, ready=False, status={"phase": "Failed"}))
    assert made(decide(body, over, nodes=NODES[:1])) == ["n1"]
    going = ending(there("going", "n1", body))
    assert made(decide(body, going, nodes=NODES[:1])) == []


def test_failed_pods_go_and_their_node_rests_until_the_template_changes() -> None:
    body = {**daemon_set(), "status": {"observedGeneration": 1}}
    failed = there("a", "n1", body, ready=False, status={"phase": "Failed"})
    plan = decide(body, failed, nodes=NODES[:1])
    assert gone(plan) == ["a"]
    assert status_of(plan)["currentNumberScheduled"] == 1
    plan = decide(body, failed, nodes=NODES[:1], failures=plan.remember)
    assert (gone(plan), plan.wake_at) == ([], NOW + 1)
    body["status"]["observedGeneration"] = 2
    assert gone(decide(body, failed, nodes=NODES[:1], failures=plan.remember)) == ["a"]


def test_an_update_replaces_what_is_broken_and_as_much_as_may_be_down() -> None:
    old, body = daemon_set("v0"), daemon_set()
    up = [there(f"p{n}", f"n{n}", old) for n in (1, 2, 3)]
    assert len(gone(decide(body, *up))) == 1
    body["spec"]["updateStrategy"] = {"rollingUpdate": {"maxUnavailable": 2}}
    assert len(gone(decide(body, *up))) == 2
    broken = there("p3", "n3", old, ready=False)
    assert gone(decide(body, *up[:2], broken)) == ["p3", "p1"]
    body["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert gone(decide(body, *up[:2], broken)) == []


def test_an_old_pod_where_none_should_be_made_takes_part_in_an_update() -> None:
    old, body = daemon_set("v0"), daemon_set()
    tainted = (NODES[0], {**NODES[1], "spec": {"taints": [AWAY]}})
    stray, new = there("stray", "n2", old), there("new", "n1", body)
    assert gone(decide(body, stray, new, nodes=tainted)) == ["stray"]
    assert status_of(decide(body, stray, new, nodes=tainted))["numberMisscheduled"] == 1


SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_surge_makes_new_pods_beside_old_ones_a_few_at_a_time() -> None:
    old, body = daemon_set("v0"), daemon_set(updateStrategy=SURGE)
    up = [there(f"p{n}", f"n{n}", old) for n in (1, 2, 3)]
    assert made(decide(body, *up)) == ["n1"]
    fresh = there("fresh", "n1", body, ready=False)
    assert made(decide(body, *up, fresh)) == []
    assert gone(decide(body, *up, running(fresh))) == ["p1"]
    going = ending(there("p1", "n1", body))
    assert made(decide(body, going, nodes=NODES[:1])) == ["n1"]


def test_a_surge_makes_no_pods_where_they_fail_time_and_again() -> None:
    body = daemon_set(updateStrategy=SURGE)
    failed = there("a", "n1", body, ready=False, status={"phase": "Failed"})
    plan = decide(body, failed, nodes=NODES[:1])
    assert (gone(plan), made(plan)) == (["a"], ["n1"])
    again = there("b", "n1", body, ready=False, status={"phase": "Failed"})
    plan = decide(body, again, nodes=NODES[:1], failures=plan.remember)
    assert (gone(plan), made(plan), plan.wake_at) == ([], [], NOW + 1)


def test_a_surge_leaves_a_pod_that_may_stay_until_enough_are_up_elsewhere() -> None:
    old, body = daemon_set("v0"), daemon_set(updateStrategy=SURGE)
    tainted = (NODES[0], {**NODES[1], "spec": {"taints": [AWAY]}})
    stray = there("stray", "n2", old)
    waiting = there("new", "n1", body, ready=False)
    assert gone(decide(body, stray, waiting, nodes=tainted)) == []
    assert gone(decide(body, stray, running(waiting), nodes=tainted)) == ["stray"]
    broken = there("stray", "n2", old, ready=False)
    assert gone(decide(body, broken, waiting, nodes=tainted)) == ["stray"]
    assert made(decide(body, broken, waiting, nodes=tainted)) == []


def test_a_pod_of_the_generation_is_new_whatever_its_hash() -> None:
    old, body = daemon_set("v0"), daemon_set()
    body["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "7"}
    known = there("a", "n1", old, labels={"pod-template-generation": "7"})
    plan = decide(body, known, nodes=NODES[:1])
    assert gone(plan) == []
    assert status_of(plan)["updatedNumberScheduled"] == 1


def test_revisions_of_before_are_adopted_and_a_taken_name_is_counted() -> None:
    body = daemon_set()
    found = revision_of(body)
    del found["metadata"]["ownerReferences"]
    plan = reconcile(View(body, (), (), Found((), (found,), found), (), NOW))
    assert [a.ref.resource for a in plan.actions if isinstance(a, Patch)] == [CONTROLLER_REVISIONS]
    other = {**found, "data": {"spec": {}}}
    plan = reconcile(View(body, (), (), Found((), (), other), (), NOW))
    assert status_of(plan)["collisionCount"] == 1
    assert len(plan.actions) == 1


def test_a_revision_has_the_annotations_of_its_owner() -> None:
    body = daemon_set()
    body["metadata"]["annotations"] = {"kubernetes.io/change-cause": "me", "other": "too"}
    assert revision_of(body)["metadata"]["annotations"] == body["metadata"]["annotations"]


@pytest.mark.parametrize(("limit", "names"), [(2, []), (1, ["d-1"]), (0, ["d-1"])])
def test_old_revisions_go_if_no_pod_uses_them(limit: int, names: list[str]) -> None:
    body, used = daemon_set(revisionHistoryLimit=limit), daemon_set("v0")
    revisions = [revision_of(used, 1), revision_of(daemon_set("v-1"), 2), revision_of(body, 3)]
    revisions[1]["metadata"]["name"] = "d-1"
    kept = there("a", "n1", used)
    plan = reconcile(View(body, (kept,), (), Found(tuple(revisions)), NODES[:1], NOW))
    deleted = [a.ref for a in plan.actions if isinstance(a, Delete)]
    assert [r.name for r in deleted if r.resource == CONTROLLER_REVISIONS] == names


def test_a_set_that_is_deleted_is_left_alone_and_refusals_are_told() -> None:
    body = ending(daemon_set())
    assert decide(body) == Plan()
    view = View(daemon_set(), (), (), Found(()), NODES, NOW)
    (event,) = refused(view, Create(PODS, {}), Forbidden("no")).actions
    assert isinstance(event, EmitEvent)
    assert (event.reason, event.message) == ("FailedCreate", "Error creating: no")
    causes = {"causes": [{"reason": "NamespaceTerminating"}]}
    assert refused(view, Create(PODS, {}), Forbidden("it ends", causes)) == Plan()
