"""Budgets: what is expected follows from what the owners of pods want."""

from __future__ import annotations

from typing import Any

from fakes.objects import pod, running
from roost.api.errors import NotFound
from roost.api.values import Object
from roost.controllers.disruption import CONTROLLER, View, reconcile
from roost.decisions.asking import Ask, Told
from roost.decisions.plan import EmitEvent, Update

ASK = Ask("/apis/example.com/v1/namespaces/default/webs/w/scale")


def budget(**spec: Any) -> Object:
    return {
        "metadata": {"name": "b", "namespace": "default", "uid": "ub", "generation": 1},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, **spec},
    }


def owned(name: str) -> Object:
    owner = {
        "apiVersion": "example.com/v1", "kind": "Web", "name": "w", "uid": "uw", "controller": True,
    }  # fmt: skip
    return running(pod(name, ownerReferences=[owner]))


def decide(view: View) -> tuple[Object, list[EmitEvent]]:
    actions = reconcile(view).actions
    (update,) = [a for a in actions if isinstance(a, Update)]
    return update.object["status"], [a for a in actions if isinstance(a, EmitEvent)]


def test_the_scale_of_a_custom_resource_is_asked_for() -> None:
    view = View(
        budget(maxUnavailable=1), (owned("p"), owned("q")), 0, "", 0.0, others={"uw": ASK}
    )  # fmt: skip
    inquiry = CONTROLLER.inquiry
    assert inquiry is not None
    assert list(inquiry.asks(view)) == [ASK]
    answer = {"metadata": {"uid": "uw"}, "spec": {"replicas": 2}}
    status, _ = decide(inquiry.told(view, Told({ASK: answer})))
    assert (status["expectedPods"], status["disruptionsAllowed"]) == (2, 1)
    status, events = decide(inquiry.told(view, Told({ASK: NotFound("gone")})))
    assert status["disruptionsAllowed"] == 0
    assert events[0].message == (
        'Failed to calculate the number of expected pods: found no controllers for pod "p"'
    )


def test_pods_without_an_owner_are_told_of_but_are_no_fault() -> None:
    view = View(budget(maxUnavailable="50%"), (running(pod("p")),), 0, "", 0.0, unmanaged=True)
    status, (event,) = decide(view)
    assert (status["expectedPods"], status["disruptionsAllowed"]) == (0, 0)
    assert event.reason == "UnmanagedPods"
    assert "(selector: &LabelSelector{MatchLabels:map[string]string{a:b}," in event.message
    counted = View(budget(minAvailable=0), (running(pod("p")),), 0, "", 0.0, unmanaged=True)
    status, events = decide(counted)
    assert (status["disruptionsAllowed"], events) == (1, [])
