"""Patches as documents, and the apply of a Scale."""

import json
from typing import Any

import pytest

from roost.api.errors import BadRequest, Conflict, Invalid
from roost.api.groups import ALL_KINDS
from roost.api.schema.body import expected
from roost.apiserver.options import WriteOptions
from roost.apiserver.patching import patched_object, shown_json, touches_metadata
from roost.apiserver.patchreading import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    read_configuration,
    read_patch,
)
from roost.apiserver.scaleapplying import applied_scale

DEPLOYMENT = next(k for k in ALL_KINDS if (k.group, k.name) == ("apps", "Deployment"))
MAP = "Go value of type map[string]interface {}"


@pytest.mark.parametrize(
    ("media", "body", "complaints"),
    [
        (MERGE_PATCH, b'{"a":{"b":1,"b":2}}', ['duplicate field "a.b"']),
        (STRATEGIC_PATCH, b'{"l":[{"b":1,"b":2}]}', ['duplicate field "l[0].b"']),
        (
            JSON_PATCH,
            b'[{"op":"add","x":1,"op":"add"}]',
            ['json patch duplicate field "[0].op"', 'json patch unknown field "[0].x"'],
        ),
    ],
)
def test_what_a_strict_reader_complains_of(media: str, body: bytes, complaints: list[str]) -> None:
    assert read_patch(media, body)[1] == complaints


@pytest.mark.parametrize(
    ("media", "body", "message"),
    [
        (MERGE_PATCH, b"null", "Invalid JSON Patch"),
        (MERGE_PATCH, b"[]", f"error decoding patch: json: cannot unmarshal array into {MAP}"),
        (STRATEGIC_PATCH, b"5", f"json: cannot unmarshal number into {MAP}"),
        (
            JSON_PATCH,
            b'[{"path":true}]',
            (
                "error decoding patch: json: cannot unmarshal bool into Go struct field "
                "jsonPatchOp.path of type string"
            ),
        ),
    ],
)
def test_what_is_no_patch(media: str, body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_patch(media, body)
    assert caught.value.message == message


def test_configurations_are_objects() -> None:
    assert read_configuration(b"") == ({}, [])
    with pytest.raises(BadRequest, match="while decoding JSON: json: cannot unmarshal array into"):
        read_configuration(b"- a")


def parent(replicas: int) -> dict[str, Any]:
    owner = {
        "manager": "alice", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:paused": {}, "f:replicas": {}}},
    }  # fmt: skip
    meta = {"name": "d", "namespace": "n", "resourceVersion": "1", "managedFields": [owner]}
    return {"metadata": meta, "spec": {"replicas": replicas, "paused": True}}


def scaled(replicas: int, **options: Any) -> dict[str, Any]:
    config = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d"},
        "spec": {"replicas": replicas},
    }
    given = WriteOptions(field_manager="bob", **options)
    return applied_scale(DEPLOYMENT, parent(2), config, given, "2026-01-01T00:00:00Z")[1]


def owners(value: dict[str, Any]) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in value["metadata"]["managedFields"]}


def test_the_owner_of_replicas_owns_those_of_the_scale() -> None:
    with pytest.raises(Conflict) as caught:
        scaled(3)
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "alice": .spec.replicas'
    )


def test_replicas_may_be_taken() -> None:
    changed = scaled(3, force=True)
    assert changed["spec"]["replicas"] == 3
    assert owners(changed) == {
        "alice": {"f:spec": {"f:paused": {}}},
        "bob": {"f:spec": {"f:replicas": {}}},
    }
    (entry,) = [e for e in changed["metadata"]["managedFields"] if e["manager"] == "bob"]
    assert (entry["subresource"], entry["apiVersion"], "time" in entry) == (
        "scale",
        "apps/v1",
        False,
    )


def test_replicas_may_be_shared() -> None:
    assert owners(scaled(2)) == {
        "alice": {"f:spec": {"f:paused": {}, "f:replicas": {}}},
        "bob": {"f:spec": {"f:replicas": {}}},
    }


@pytest.mark.parametrize(
    ("media", "patch", "touched"),
    [
        (MERGE_PATCH, {"metadata": {"labels": None}}, True),
        (MERGE_PATCH, {"metadata": None, "data": {}}, False),
        (JSON_PATCH, [{"op": "add", "path": "/metadata/labels", "value": {}}], True),
        (JSON_PATCH, [{"op": "copy", "from": "/metadata/name", "path": "/data/a"}], True),
        (JSON_PATCH, [{"op": "replace", "path": "/metadata", "value": {}}], False),
    ],
)
def test_metadata_that_a_patch_looks_into_are_shown_sorted(
    media: str, patch: Any, touched: bool
) -> None:
    assert touches_metadata(media, patch) is touched
    shown = shown_json({"metadata": {"uid": "u", "name": "n", "labels": {}}}, sort_metadata=touched)
    assert list(json.loads(shown)["metadata"]) == (
        ["labels", "name", "uid"] if touched else ["name", "uid", "labels"]
    )


def test_who_asks_for_no_complaints_gets_none() -> None:
    assert read_patch(JSON_PATCH, b'[{"op":1,"x":2}]', lenient=True) == ([{"op": 1, "x": 2}], [])
    with pytest.raises(BadRequest) as caught:
        read_patch(JSON_PATCH, b"[", lenient=True)
    assert caught.value.message == "unexpected end of JSON input"


def test_shown_documents_are_written_for_pages() -> None:
    assert shown_json({"data": {"a": "<&"}}) == r'{"data":{"a":"\u003c\u0026"}}'


def test_a_document_cannot_become_a_list() -> None:
    node = expected("", "v1", "ConfigMap").node
    patch = [{"op": "replace", "path": "", "value": ["<"]}]
    with pytest.raises(Invalid, match=r"patch: Invalid value: .*003c.*get version.kind; json"):
        patched_object(JSON_PATCH, {"data": {}}, patch, node)
