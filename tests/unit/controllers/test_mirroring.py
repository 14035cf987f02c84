"""Slices for Endpoints that somebody keeps by hand."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object
from roost.controllers.endpointslicemirroring import MAX_ENDPOINTS, View, reconcile
from roost.decisions.plan import NOTHING, Create, Delete, EmitEvent, Plan, Update


def endpoints(*subsets: Object, **annotations: str) -> Object:
    metadata = {"name": "db", "namespace": "n", "uid": "u", "labels": {"team": "a"}}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "subsets": list(subsets)}


def subset(*ips: str, port: int = 80, away: tuple[str, ...] = ()) -> Object:
    return {
        "addresses": [{"ip": ip} for ip in ips],
        "notReadyAddresses": [{"ip": ip} for ip in away],
        "ports": [{"port": port}],
    }


def made(plan: Plan) -> list[Object]:
    return [action.object for action in plan.actions if isinstance(action, Create)]


def stored(plan: Plan) -> tuple[Object, ...]:
    named = ({**body["metadata"], "name": f"db-{at}"} for at, body in enumerate(made(plan)))
    return tuple({**b, "metadata": m} for b, m in zip(made(plan), named, strict=True))


def test_each_set_of_ports_and_family_has_its_slice() -> None:
    both = endpoints(subset("10.0.0.1", "fd00::1"), subset("10.0.0.2", away=("10.0.0.3",)),
                     subset("10.0.0.4", port=81))  # fmt: skip
    plan = reconcile(View(both, ()))
    found = [
        (s["addressType"], s["ports"][0]["port"], [e["addresses"][0] for e in s["endpoints"]])
        for s in made(plan)
    ]
    assert found == [
        ("IPv4", 80, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("IPv6", 80, ["fd00::1"]),
        ("IPv4", 81, ["10.0.0.4"]),
    ]
    readiness = [e["conditions"]["ready"] for e in made(plan)[0]["endpoints"]]
    assert readiness == [True, True, False]
    assert reconcile(View(both, stored(plan))) == NOTHING
    (less,) = reconcile(View(endpoints(subset("10.0.0.1")), stored(plan)[:1])).actions
    assert isinstance(less, Update)
    gone = reconcile(View(None, stored(plan)))
    assert [type(action) for action in gone.actions] == [Delete] * 3


def test_labels_and_annotations_are_taken_over() -> None:
    kept: dict[str, Any] = {"mine": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    plan = reconcile(View(endpoints(subset("10.0.0.1"), **kept), ()))
    (body,) = made(plan)
    assert body["metadata"]["annotations"] == {"mine": "x"}
    assert body["metadata"]["labels"]["team"] == "a"
    (update,) = reconcile(View(endpoints(subset("10.0.0.1")), stored(plan))).actions
    assert isinstance(update, Update)
    assert "annotations" not in update.object["metadata"]


def test_more_than_a_thousand_addresses_are_too_many() -> None:
    many = subset(*(f"10.0.{n // 250}.{n % 250}" for n in range(MAX_ENDPOINTS + 5)))
    event, create = reconcile(View(endpoints(many), ())).actions
    assert isinstance(create, Create)
    assert len(create.object["endpoints"]) == MAX_ENDPOINTS
    assert isinstance(event, EmitEvent)
    assert event.reason == "TooManyAddressesToMirror"
    assert event.message == (
        "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
        "5 addresses were skipped"
    )
