"""What a namespace that ends says of what it waits for."""

from __future__ import annotations

from typing import Any

from roost.api.errors import Forbidden
from roost.api.kind import Resource
from roost.api.values import Object
from roost.controllers.namespace import View, reconcile, refused
from roost.decisions.meta import seconds_of
from roost.decisions.plan import AssertEmpty, Delete, Update
from roost.decisions.resources import CONFIG_MAPS, PODS

GONE = "2027-01-15T09:00:00Z"
NOW = seconds_of(GONE) + 5
FINE = {
    "NamespaceDeletionDiscoveryFailure": "ResourcesDiscovered",
    "NamespaceDeletionGroupVersionParsingFailure": "ParsedGroupVersions",
    "NamespaceDeletionContentFailure": "ContentDeleted",
    "NamespaceContentRemaining": "ContentRemoved",
    "NamespaceFinalizersRemaining": "ContentHasNoFinalizers",
}


def namespace() -> Object:
    metadata = {"name": "web", "deletionTimestamp": GONE, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}


def item(name: str, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "web", "uid": name, **metadata}}


def pod(name: str, grace_s: int = 30, **metadata: Any) -> Object:
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": grace_s}
    return {**item(name, **metadata), "spec": spec}


def of(*content: tuple[Resource, tuple[Object, ...]], **more: Any) -> View:
    return View(namespace(), content, (PODS, CONFIG_MAPS), (), more.pop("now", NOW), **more)


def told(plan: Any) -> dict[str, tuple[str, str]]:
    """Reason and message of what is not well."""
    (update,) = (a for a in plan.actions if isinstance(a, Update) and a.subresource == "status")
    conditions = update.object["status"]["conditions"]
    assert [c["type"] for c in conditions] == list(FINE)
    fine = {c["type"]: c["reason"] for c in conditions if c["status"] == "False"}
    assert fine == {kind: reason for kind, reason in FINE.items() if kind in fine}
    return {c["type"]: (c["reason"], c["message"]) for c in conditions if c["status"] == "True"}


def test_while_there_are_pods_only_they_go_and_are_counted() -> None:
    held = item("c", finalizers=["x/hold"])
    plan = reconcile(of((PODS, (pod("a"), pod("b"))), (CONFIG_MAPS, (held,))))
    assert [a.ref.name for a in plan.actions if isinstance(a, Delete)] == ["a", "b"]
    message = "Some resources are remaining: pods. has 2 resource instances"
    assert told(plan) == {"NamespaceContentRemaining": ("SomeResourcesRemain", message)}
    assert plan.wake_at == seconds_of(GONE) + 30


def test_what_goes_at_once_is_not_said_to_remain() -> None:
    plan = reconcile(of((CONFIG_MAPS, (item("c"),))))
    assert told(plan) == {}
    assert not [a for a in plan.actions if isinstance(a, AssertEmpty)]


def test_pods_that_outlive_their_grace_period_are_a_failure() -> None:
    going = pod("a", grace_s=3, deletionTimestamp=GONE)
    message = (
        "Failed to delete all resource types, 1 remaining: unexpected items still remain in "
        "namespace: web for gvr: /v1, Resource=pods"
    )
    failure = told(reconcile(of((PODS, (going,)))))["NamespaceDeletionContentFailure"]
    assert failure == ("ContentDeletionFailed", message)
    held = pod("a", grace_s=3, deletionTimestamp=GONE, finalizers=["x/hold"])
    assert "NamespaceDeletionContentFailure" not in told(reconcile(of((PODS, (held,)))))


def test_a_refused_deletion_is_told() -> None:
    view = of((CONFIG_MAPS, (item("c"),)))
    deletion = next(a for a in reconcile(view).actions if isinstance(a, Delete))
    plan = refused(view, deletion, Forbidden("not today"))
    message = "Failed to delete all resource types, 1 remaining: not today"
    assert told(plan)["NamespaceDeletionContentFailure"] == ("ContentDeletionFailed", message)


def test_nothing_ends_while_an_aggregated_api_cannot_be_asked() -> None:
    plan = reconcile(of(unavailable=("a.example/v1", "b.example/v1")))
    message = (
        "Discovery failed for some groups, 2 failing: unable to retrieve the complete list of "
        "server APIs: a.example/v1: stale GroupVersion discovery: a.example/v1, "
        "b.example/v1: stale GroupVersion discovery: b.example/v1"
    )
    assert told(plan) == {"NamespaceDeletionDiscoveryFailure": ("DiscoveryFailed", message)}
    assert not [a for a in plan.actions if isinstance(a, AssertEmpty)]
    over = reconcile(of())
    assert [a.subresource for a in over.actions if isinstance(a, Update)] == ["status", "finalize"]
