"""Which pods are given up first."""

from __future__ import annotations

from typing import Any

from fakes.objects import pod, running
from roost.api.values import Object
from roost.decisions.meta import seconds_of
from roost.decisions.pods import early_rank, victim_order

NOW = seconds_of("2027-01-15T09:00:00Z")


def there(name: str, since: str = "2027-01-15T08:00:00Z", **status: Any) -> Object:
    body = running(pod(name, nodeName="n1"), since)
    body["status"].update(status)
    return body


def order(*pods: Object, related: dict[str, int] | None = None) -> list[str]:
    key = victim_order(lambda one: (related or {}).get(one["metadata"]["name"], 0), NOW)
    return [one["metadata"]["name"] for one in sorted(pods, key=key)]


def restarted(name: str, plain: int, beside: int = 0, **more: Any) -> Object:
    body = there(
        name, containerStatuses=[{"name": "main", "restartCount": plain}],
        initContainerStatuses=[
            {"name": "side", "restartCount": beside}, {"name": "first", "restartCount": 99},
        ], **more,
    )  # fmt: skip
    body["spec"]["initContainers"] = [
        {"name": "side", "restartPolicy": "Always"},
        {"name": "first"},
    ]
    return body


def test_what_came_less_far_goes_first() -> None:
    free, waiting = pod("free"), pod("waiting", nodeName="n1")
    unready = there("unready")
    unready["status"]["conditions"][0]["status"] = "False"
    assert order(there("good"), unready, waiting, free) == ["free", "waiting", "unready", "good"]


def test_a_crowded_node_loses_first_and_then_what_is_ready_for_a_shorter_time() -> None:
    old, young = there("old", "2027-01-15T01:00:00Z"), there("young", "2027-01-15T08:59:00Z")
    assert order(old, young) == ["young", "old"]
    assert order(old, young, related={"old": 2, "young": 1}) == ["old", "young"]


def test_a_cost_that_is_no_plain_number_is_none() -> None:
    def costly(name: str, cost: str) -> Object:
        body = there(name)
        body["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
        return body

    assert order(costly("a", "2"), costly("b", "-1")) == ["b", "a"]
    for odd in ("+9", "09", "1_0", "99999999999", "x"):
        assert order(costly("a", "2"), costly("b", odd)) == ["b", "a"]


def test_restarts_of_containers_count_before_those_of_sidecars() -> None:
    assert order(restarted("a", 1, 9), restarted("b", 2)) == ["b", "a"]
    assert order(restarted("a", 1), restarted("b", 1, 3)) == ["b", "a"]


def test_times_that_are_close_leave_it_to_the_uid() -> None:
    """Whatever comes after, such as restarts, does not count then."""
    calm, shaky = restarted("a", 0), restarted("b", 9)
    calm["status"]["conditions"][0]["lastTransitionTime"] = "2027-01-15T08:00:01Z"
    assert order(shaky, calm) == ["a", "b"]


def early(*pods: Object) -> list[str]:
    return [one["metadata"]["name"] for one in sorted(pods, key=early_rank)]


def test_a_job_looks_at_exact_times_and_at_no_cost() -> None:
    first, second = there("first", "2027-01-15T08:00:00Z"), there("second", "2027-01-15T08:00:01Z")
    first["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "-9"}
    assert early(first, second) == ["second", "first"]
    old, new = there("old"), there("new")
    old["metadata"]["creationTimestamp"] = "2027-01-15T07:00:00Z"
    new["metadata"]["creationTimestamp"] = "2027-01-15T07:30:00Z"
    assert early(old, new) == ["new", "old"]
    assert early(old, new, restarted("shaky", 1)) == ["shaky", "new", "old"]
