"""Recounting what quotas limit, without taking away what was only just promised."""

from __future__ import annotations

from roost.api.values import Object
from roost.controllers.resourcequota import QUIET_S, RESYNC_S, View, reconcile
from roost.decisions.plan import Plan, Update
from roost.decisions.resources import RESOURCE_QUOTAS

NOW = 1_800_000_000.0


def quota(hard: dict[str, str], used: dict[str, str] | None = None) -> Object:
    body: Object = {"metadata": {"name": "q", "namespace": "d"}, "spec": {"hard": hard}}
    if used is not None:
        body["status"] = {"hard": hard, "used": used}
    return body


def decide(body: Object, *usages: dict[str, str | int], quiet_s: float = 10.0) -> Plan:
    return reconcile(View(body, usages, quiet_s, NOW))


def test_sums_are_written_for_what_is_limited() -> None:
    body = quota({"pods": "2", "requests.cpu": "1"})
    usages: list[dict[str, str | int]] = [
        {"pods": 1, "requests.cpu": "250m", "requests.memory": "1Gi"},
        {"pods": 1, "requests.cpu": "0.25"},
    ]
    status = {"hard": body["spec"]["hard"], "used": {"pods": "2", "requests.cpu": "500m"}}
    expected = Update(RESOURCE_QUOTAS, {**body, "status": status}, "status")
    assert decide(body, *usages) == Plan((expected,), NOW + RESYNC_S)


def test_what_is_right_is_not_written_again() -> None:
    assert decide(quota({"pods": "2"}, {"pods": "1"}), {"pods": 1}) == Plan(wake_at=NOW + RESYNC_S)


def test_a_promise_is_not_taken_back_at_once() -> None:
    body = quota({"pods": "2"}, {"pods": "2"})
    assert decide(body, {"pods": 1}, quiet_s=0.1) == Plan(wake_at=NOW + QUIET_S - 0.1)
    (update,) = decide(body, {"pods": 1}, quiet_s=QUIET_S).actions
    assert isinstance(update, Update)
    assert update.object["status"]["used"] == {"pods": "1"}


def test_more_is_written_at_once() -> None:
    (update,) = decide(quota({"pods": "2"}, {"pods": "0"}), {"pods": 1}, quiet_s=0.0).actions
    assert isinstance(update, Update)
    assert update.object["status"]["used"] == {"pods": "1"}
