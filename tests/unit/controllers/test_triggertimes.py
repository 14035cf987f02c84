"""Since when endpoints should be otherwise."""

from __future__ import annotations

from roost.api.values import Object
from roost.controllers import endpoints
from roost.controllers.triggertimes import ANNOTATION, TriggerTimes, marked
from roost.decisions.controller import Key
from roost.decisions.plan import NOTHING, Create, Update


def at(minute: int) -> str:
    return f"2027-01-15T09:{minute:02}:00Z"


def service() -> Object:
    metadata = {"name": "web", "namespace": "n", "uid": "u", "creationTimestamp": at(0)}
    return {"metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}


def pod(name: str, minute: int) -> Object:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": at(minute)}
    status = {"podIP": f"10.0.0.{minute}", "conditions": [ready]}
    return {"metadata": {"name": name, "namespace": "n"}, "spec": {}, "status": status}


def test_the_oldest_change_that_was_not_seen_counts() -> None:
    times = TriggerTimes()
    assert times.compute(service(), [pod("a", 1)]) == at(0), "the Service is new"
    assert times.compute(service(), [pod("a", 1)]) == ""
    assert times.compute(service(), [pod("a", 5), pod("b", 3), pod("c", 4)]) == at(3)
    assert times.compute(service(), [pod("a", 5)]) == ""
    times.forget(Key("n", "web"))
    assert times.compute(service(), []) == at(0)


def test_the_time_is_written_with_what_is_written_anyway() -> None:
    (create,) = endpoints.reconcile(endpoints.View(service(), (pod("a", 1),), None, at(0))).actions
    assert isinstance(create, Create)
    made = create.object
    assert made["metadata"]["annotations"] == {ANNOTATION: at(0)}
    same = endpoints.View(service(), (pod("a", 1),), made, at(7))
    assert endpoints.reconcile(same) == NOTHING
    (update,) = endpoints.reconcile(endpoints.View(service(), (), made)).actions
    assert isinstance(update, Update)
    assert "annotations" not in update.object["metadata"]
    assert marked({"metadata": {"annotations": {"x": "y"}}}, "")["metadata"] == {
        "annotations": {"x": "y"}
    }
