"""Which volume a claim gets, and what is wrong with one that it names."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.values import Object
from roost.controllers.volumebinding.volumes import VolumeView, reconcile_volume
from roost.decisions.plan import NOTHING, AssertAbsent, Patch
from roost.decisions.volumes import best_match, default_class, misfit


def claim(size: str = "1Gi", **spec: Any) -> Object:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {
        "metadata": {"name": "c", "namespace": "n", "uid": "uc"}, "spec": {**asked, **spec},
    }  # fmt: skip


def volume(name: str, size: str = "1Gi", *modes: str, phase: str = "Available", **more: Any) -> Any:
    metadata = {"name": name, "uid": f"u{name}", "resourceVersion": "1", **more.pop("meta", {})}
    spec = {
        "capacity": {"storage": size}, "accessModes": list(modes or ("ReadWriteOnce",)), **more,
    }  # fmt: skip
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def name(found: Object | None) -> str:
    return "" if found is None else found["metadata"]["name"]


def test_fewest_modes_then_smallest_then_by_name() -> None:
    many = volume("many", "1Gi", "ReadWriteOnce", "ReadWriteMany")
    found = best_match(claim(), [many, volume("z", "2Gi"), volume("b", "3Gi"), volume("a", "2Gi")])
    assert name(found) == "a"
    assert name(best_match(claim(accessModes=["ReadWriteMany"]), [volume("a"), many])) == "many"


@pytest.mark.parametrize(
    "unfit",
    [
        volume("v", "1Mi"),
        volume("v", phase="Released"),
        volume("v", storageClassName="x"),
        volume("v", volumeMode="Block"),
        volume("v", volumeAttributesClassName="x"),
        volume("v", claimRef={"namespace": "n", "name": "other"}),
        volume("v", claimRef={"namespace": "n", "name": "c", "uid": "an earlier one"}),
        volume("v", meta={"deletionTimestamp": "t"}),
    ],
)
def test_what_does_not_fit_is_not_taken(unfit: Object) -> None:
    assert best_match(claim(), [unfit]) is None


def test_a_reserved_volume_is_taken_whatever_its_class_unless_the_node_is_far() -> None:
    reserved = volume("r", claimRef={"namespace": "n", "name": "c"}, storageClassName="x")
    volumes = [volume("a"), reserved]
    assert name(best_match(claim(), volumes, only_reserved=True)) == "r"
    assert best_match(claim(), [volume("a")], only_reserved=True) is None
    assert best_match(claim(), volumes, lambda one: one is not reserved) is not reserved


def test_a_selector_chooses() -> None:
    wanted = claim(selector={"matchLabels": {"a": "b"}})
    labelled = volume("l", "9Gi", meta={"labels": {"a": "b"}})
    assert name(best_match(wanted, [volume("a"), labelled])) == "l"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (volume("v", "1Mi"), "requested PV is too small"),
        (volume("v", storageClassName="x"), "storageClassName does not match"),
        (volume("v", volumeMode="Block"), "incompatible volumeMode"),
        (volume("v", "1Gi", "ReadOnlyMany"), "incompatible accessMode"),
        (volume("v"), ""),
    ],
)
def test_why_a_named_volume_is_refused(found: Object, why: str) -> None:
    assert misfit(found, claim()) == why


def test_the_newest_default_class_wins() -> None:
    def a_class(title: str, made: str, mark: str = "true") -> Object:
        annotations = {"storageclass.kubernetes.io/is-default-class": mark}
        return {
            "metadata": {"name": title, "creationTimestamp": made, "annotations": annotations}
        }  # fmt: skip

    classes = [a_class("b", "2026-01-02"), a_class("a", "2026-01-02"), a_class("c", "2026-01-01"),
               a_class("d", "2026-01-03", "false")]  # fmt: skip
    assert name(default_class(classes)) == "a"
    assert default_class([]) is None


MINE = {"namespace": "n", "name": "c", "uid": "uc"}


def phases(view: VolumeView) -> list[Any]:
    actions = reconcile_volume(view).actions
    return [a.body["status"]["phase"] for a in actions if getattr(a, "subresource", "")]


def test_what_becomes_of_a_volume() -> None:
    assert phases(VolumeView(volume("v", phase="Pending"), None)) == ["Available"]
    bound = volume("v", phase="Bound", claimRef=MINE)
    assert reconcile_volume(VolumeView(bound, claim(volumeName="v"))) == NOTHING
    sure, released = reconcile_volume(VolumeView(bound, None)).actions
    assert isinstance(sure, AssertAbsent)
    assert isinstance(released, Patch)
    gone = volume("v", phase="Released", claimRef=MINE, persistentVolumeReclaimPolicy="Delete")
    assert phases(VolumeView(gone, None)) == ["Failed"]
    provisioned = {"annotations": {"pv.kubernetes.io/provisioned-by": "x"}}
    ours = volume("v", phase="Released", claimRef=MINE, meta=provisioned)
    assert reconcile_volume(VolumeView(ours, None)) == NOTHING


def test_a_volume_whose_claim_chose_another_is_free_again() -> None:
    by_us = {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}}
    found = volume("v", phase="Bound", claimRef=MINE, meta=by_us)
    unbound, _ = reconcile_volume(VolumeView(found, claim(volumeName="w"))).actions
    assert isinstance(unbound, Patch)
    body: Any = unbound.body
    assert body["spec"] == {"claimRef": None}
    kept, _ = reconcile_volume(
        VolumeView(volume("v", phase="Bound", claimRef=MINE), claim(volumeName="w"))
    ).actions
    assert isinstance(kept, Patch)
    body = kept.body
    assert body["spec"] == {"claimRef": {"uid": None}}
