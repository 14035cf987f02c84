"""VolumeAttachments of CSI volumes, and ResourceClaims of pods."""

from __future__ import annotations

from typing import Any

from fakes.objects import pod
from roost.api.values import Object
from roost.controllers import attachdetach, resourceclaim
from roost.controllers.attachdetach import attachment_name
from roost.controllers.resourceclaim import ClaimView, PodView
from roost.decisions.plan import AssertAbsent, Create, Delete, Patch

VOLUME: Object = {
    "metadata": {"name": "v", "uid": "uv"},
    "spec": {"csi": {"driver": "d.example.com", "volumeHandle": "h"}},
}
NAME = attachment_name(VOLUME, "n1")
IN_USE = "kubernetes.io/csi/d.example.com^h"


def node(**status: Any) -> Object:
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    return {"metadata": {"name": "n1", "uid": "un", "annotations": annotations}, "status": status}


def attachment(*, attached: bool) -> Object:
    spec = {
        "attacher": "d.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "v"},
    }  # fmt: skip
    return {"metadata": {"name": NAME, "uid": "ua"}, "spec": spec, "status": {"attached": attached}}


def attach(
    on: Object | None, *attachments: Object, used: bool = True, unattached: tuple[str, ...] = ()
) -> tuple[Any, ...]:
    wanted = {"v": (VOLUME, pod("p", nodeName="n1"))} if used else {}
    seen = attachdetach.View(on, "n1", wanted, attachments, {"v": VOLUME}, frozenset(unattached))
    return attachdetach.reconcile(seen).actions


def test_a_volume_is_attached_where_it_is_used() -> None:
    (made,) = attach(node())
    assert isinstance(made, Create)
    assert made.object["metadata"]["name"] == NAME
    assert made.object["spec"]["nodeName"] == "n1"
    assert attach(node(), attachment(attached=False)) == ()
    assert attach(node(), unattached=("d.example.com",)) == ()


def test_the_node_is_told_what_is_attached() -> None:
    event, told = attach(node(), attachment(attached=True))
    assert event.reason == "SuccessfulAttachVolume"
    assert told.body["status"]["volumesAttached"] == [{"name": IN_USE, "devicePath": ""}]
    known = node(volumesAttached=[{"name": IN_USE, "devicePath": ""}])
    assert attach(known, attachment(attached=True)) == ()


def test_a_volume_is_detached_when_the_node_has_let_go_of_it() -> None:
    (gone,) = attach(node(), attachment(attached=True), used=False)
    assert isinstance(gone, Delete)
    assert attach(node(volumesInUse=[IN_USE]), attachment(attached=True), used=False) == ()
    (gone,) = attach(None, attachment(attached=True), used=False)
    assert isinstance(gone, Delete)


TEMPLATE: Object = {
    "metadata": {"name": "t", "namespace": "default"},
    "spec": {"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {}}},
}
WANTS = [{"name": "gpu", "resourceClaimTemplateName": "t"}]


def claim(*, reserved: tuple[Object, ...] = (), **more: Any) -> Object:
    owner = {"kind": "Pod", "name": "p", "uid": "uid-p", "controller": True, "apiVersion": "v1"}
    metadata = {
        "name": "p-gpu-x", "namespace": "default", "uid": "uc", "resourceVersion": "1",
        "annotations": {resourceclaim.CLAIM_NAME: "gpu"}, "ownerReferences": [owner], **more,
    }  # fmt: skip
    return {"metadata": metadata, "spec": {}, "status": {"reservedFor": list(reserved)}}


def test_a_pod_gets_a_claim_and_is_told_its_name() -> None:
    body = pod("p", resourceClaims=WANTS)
    (made,) = resourceclaim.reconcile(PodView(body, (), (TEMPLATE,))).actions
    assert isinstance(made, Create)
    metadata = made.object["metadata"]
    assert (metadata["generateName"], metadata["labels"]) == ("p-gpu-", {"a": "b"})
    (told,) = resourceclaim.reconcile(PodView(body, (claim(),), (TEMPLATE,))).actions
    assert isinstance(told, Patch)
    status: Any = told.body
    assert status["status"]["resourceClaimStatuses"] == [
        {"name": "gpu", "resourceClaimName": "p-gpu-x"}
    ]
    (event,) = resourceclaim.reconcile(PodView(body, (), ())).actions
    assert getattr(event, "reason", "") == "FailedResourceClaimCreation"


def test_reservations_of_pods_that_ended_are_given_back() -> None:
    consumer = {"resource": "pods", "name": "p", "uid": "uid-p"}
    lost = {"resource": "pods", "name": "q", "uid": "uid-q"}
    living = pod("p", nodeName="n")
    ended = pod("p", nodeName="n", status={"phase": "Succeeded"})
    held = claim(reserved=(consumer,))
    assert resourceclaim.reconcile(ClaimView(held, (living,), living)).actions == ()
    (patch,) = resourceclaim.reconcile(ClaimView(held, (ended,), ended)).actions
    assert isinstance(patch, Patch)
    body: Any = patch.body
    assert body["status"] == {"reservedFor": None}
    both = claim(reserved=(consumer, lost))
    sure, patch = resourceclaim.reconcile(ClaimView(both, (living,), living)).actions
    assert isinstance(sure, AssertAbsent)
    (gone,) = resourceclaim.reconcile(ClaimView(claim(), (), ended)).actions
    assert isinstance(gone, Delete)
