"""kubectl apply and apply on the server's side: what is merged, what goes, who owns what."""

from __future__ import annotations

import pytest

from parity.manifests import config, deployment, service
from parity.target import Refused, Target
from roost.api.errors import Conflict, Invalid, NotFound
from roost.client.port import PatchType


def test_apply_creates_and_applying_again_changes_nothing(target: Target):
    target.apply(config("a", k="1"))
    before = target.get("configmaps", "a")["metadata"]["resourceVersion"]
    target.apply(config("a", k="1"))
    assert target.get("configmaps", "a")["metadata"]["resourceVersion"] == before


def test_apply_prunes_what_its_author_no_longer_names(target: Target):
    target.apply(config("a", k="1", gone="2"))
    target.patch("configmaps", "a", {"data": {"other": "3"}})
    target.apply(config("a", k="4"))
    assert target.get("configmaps", "a")["data"] == {"k": "4", "other": "3"}


def test_apply_takes_what_was_created_otherwise(target: Target):
    target.create(config("a", k="1", kept="2"))
    target.apply(config("a", k="3"))
    assert target.get("configmaps", "a")["data"] == {"k": "3", "kept": "2"}


def test_apply_leaves_replicas_that_others_set(target: Target):
    wanted = deployment("web", 1)
    del wanted["spec"]["replicas"]
    target.apply(wanted)
    target.patch("deployments", "web", {"spec": {"replicas": 3}})
    wanted["metadata"]["labels"]["x"] = "y"
    target.apply(wanted)
    assert target.get("deployments", "web")["spec"]["replicas"] == 3


def test_apply_merges_containers_by_name(target: Target):
    wanted = deployment("web", 0)
    target.apply(wanted)
    sidecar = {"name": "other", "image": "busybox:1"}
    spec = {"template": {"spec": {"containers": [sidecar]}}}
    target.patch("deployments", "web", {"spec": spec}, type=PatchType.STRATEGIC)
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    target.apply(wanted)
    containers = target.get("deployments", "web")["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in containers} == {"main", "other"}
    assert next(c for c in containers if c["name"] == "main")["env"][0]["value"] == "1"


def test_apply_merges_service_ports_by_number(target: Target):
    target.apply(service("web"))
    ip = target.get("services", "web")["spec"]["clusterIP"]
    wanted = service("web")
    wanted["spec"]["ports"].append({"name": "more", "port": 81, "targetPort": 8081})
    target.apply(wanted)
    spec = target.get("services", "web")["spec"]
    assert [one["port"] for one in spec["ports"]] == [80, 81]
    assert spec["clusterIP"] == ip


def test_apply_removes_an_annotation_but_keeps_foreign_ones(target: Target):
    wanted = config("a", meta={"annotations": {"mine": "1"}}, k="1")
    target.apply(wanted)
    target.patch("configmaps", "a", {"metadata": {"annotations": {"theirs": "2"}}})
    target.apply(config("a", k="1"))
    notes = target.get("configmaps", "a")["metadata"]["annotations"]
    assert "mine" not in notes
    assert notes["theirs"] == "2"


def test_apply_records_what_was_applied(target: Target):
    target.apply(config("a", k="1"))
    notes = target.get("configmaps", "a")["metadata"]["annotations"]
    assert '"k":"1"' in notes["kubectl.kubernetes.io/last-applied-configuration"]


def test_apply_of_several_documents(target: Target):
    text = "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: v}}\n"
        for name in ("one", "two")
    )
    target.apply(text)
    assert {"one", "two"} <= set(target.names("configmaps"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"spec": {"replicaz": 1}}, 'unknown field "spec.replicaz"'),
        ({"spec": {"replicas": -1}}, "must be greater than or equal to 0"),
        ({"spec": {"selector": {"matchLabels": {"no": "match"}}}}, "`selector` does not match"),
        ({"metadata": {"name": "Bad_Name"}}, "a lowercase RFC 1123"),
    ],
    ids=["unknown-field", "negative", "selector", "name"],
)
def test_apply_refuses(target: Target, body, words):
    wanted = deployment("web", 1)
    for key, value in body.items():
        wanted[key] = {**wanted[key], **value}
    with pytest.raises(Refused) as refused:
        target.apply(wanted)
    assert words in str(refused.value)


def test_apply_refuses_an_unknown_kind(target: Target):
    with pytest.raises(Refused) as refused:
        target.apply({"apiVersion": "x.example.com/v1", "kind": "Nope", "metadata": {"name": "a"}})
    assert 'no matches for kind "Nope" in version "x.example.com/v1"' in str(refused.value)


def test_apply_refuses_to_change_what_cannot_change(target: Target):
    target.apply(deployment("web", 0))
    wanted = deployment("web", 0)
    wanted["spec"]["selector"] = {"matchLabels": {"a": "b"}}
    wanted["spec"]["template"]["metadata"]["labels"] = {"a": "b"}
    with pytest.raises(Refused) as refused:
        target.apply(wanted)
    assert "field is immutable" in str(refused.value)


# -- on the server's side


def test_server_side_apply_creates_and_owns(target: Target):
    made = target.serve_apply(config("a", k="1"), "one")
    [entry] = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")
    assert entry["fieldsV1"] == {"f:data": {"f:k": {}}}


def test_server_side_apply_prunes_its_own_fields_only(target: Target):
    target.serve_apply(config("a", mine="1", both="2"), "one")
    target.serve_apply(config("a", both="2", theirs="3"), "two")
    target.serve_apply(config("a"), "one")
    assert target.get("configmaps", "a")["data"] == {"both": "2", "theirs": "3"}


def test_server_side_apply_conflicts(target: Target):
    target.serve_apply(config("a", k="1"), "one")
    with pytest.raises(Conflict) as refused:
        target.serve_apply(config("a", k="2"), "two")
    assert 'conflict with "one": .data.k' in str(refused.value)
    assert refused.value.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}
    ]


def test_server_side_apply_can_be_forced(target: Target):
    target.serve_apply(config("a", k="1"), "one")
    made = target.serve_apply(config("a", k="2"), "two", force=True)
    assert made["data"] == {"k": "2"}
    assert {entry["manager"] for entry in made["metadata"]["managedFields"]} == {"two"}


def test_server_side_apply_of_the_same_value_is_shared(target: Target):
    target.serve_apply(config("a", k="1"), "one")
    made = target.serve_apply(config("a", k="1"), "two")
    assert {entry["manager"] for entry in made["metadata"]["managedFields"]} == {"one", "two"}


def test_an_update_takes_a_field_from_its_applier(target: Target):
    target.serve_apply(config("a", k="1"), "one")
    target.patch("configmaps", "a", {"data": {"k": "2"}}, manager="editor")
    with pytest.raises(Conflict) as refused:
        target.serve_apply(config("a", k="1"), "one")
    assert 'conflict with "editor"' in str(refused.value)


def test_server_side_apply_merges_ports_of_services(target: Target):
    target.serve_apply(service("web"), "one")
    other = service("web")
    other["spec"] = {"ports": [{"name": "more", "port": 81, "protocol": "TCP"}]}
    made = target.serve_apply(other, "two")
    assert sorted(one["port"] for one in made["spec"]["ports"]) == [80, 81]


def test_server_side_apply_needs_a_manager(target: Target):
    with pytest.raises(Invalid) as refused:
        target.serve_apply(config("a"), "")
    assert "fieldManager: Required value: is required for apply patch" in str(refused.value)


# -- patches


def test_merge_patch_removes_with_null(target: Target):
    target.create(config("a", k="1", gone="2"))
    made = target.patch("configmaps", "a", {"data": {"gone": None}})
    assert made["data"] == {"k": "1"}


def test_json_patch(target: Target):
    target.create(config("a", k="1"))
    steps = [
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "add", "path": "/data/n", "value": "3"},
    ]
    made = target.patch("configmaps", "a", steps, type=PatchType.JSON)
    assert made["data"] == {"k": "2", "n": "3"}


def test_strategic_patch_deletes_from_a_list(target: Target):
    target.create(service("web", sessionAffinity="None"))
    more = {"spec": {"ports": [{"name": "b", "port": 81}]}}
    made = target.patch("services", "web", more, type=PatchType.STRATEGIC)
    assert len(made["spec"]["ports"]) == 2
    less = {"spec": {"ports": [{"port": 81, "$patch": "delete"}]}}
    made = target.patch("services", "web", less, type=PatchType.STRATEGIC)
    assert [one["port"] for one in made["spec"]["ports"]] == [80]


def test_update_with_an_old_version_conflicts(target: Target):
    made = target.create(config("a", k="1"))
    target.patch("configmaps", "a", {"data": {"k": "2"}})
    with pytest.raises(Conflict) as refused:
        target.update("configmaps", {**made, "data": {"k": "3"}})
    assert "the object has been modified" in str(refused.value)


def test_patch_of_what_is_not_there(target: Target):
    with pytest.raises(NotFound) as refused:
        target.patch("configmaps", "none", {"data": {}})
    assert str(refused.value) == 'configmaps "none" not found'
