"""test/e2e/apimachinery/custom_resource_definition.go, crd_watch.go and field_validation.go."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

import crdfixture as fixture
from goclient import APPLY, JSON_PATCH, PROTOBUF, GoClient, Refused, poll

pytestmark = pytest.mark.slow


def test_crds_are_created_and_deleted(api: GoClient, space: str):
    """Simple CustomResourceDefinition creating/deleting custom resource definition objects works"""
    made = fixture.create_unprimed(api, fixture.random_name())
    fixture.delete(api, made)


def test_crds_are_listed(api: GoClient, space: str):
    """Simple CustomResourceDefinition listing custom resource definition objects works"""
    mark = str(uuid4())
    made = {}
    for _ in range(10):
        value = fixture.random_name()
        value["metadata"]["labels"] = {"e2e-list-test-uuid": mark}
        found = fixture.create_unprimed(api, value)
        made[found["metadata"]["name"]] = found
    other = fixture.create_unprimed(api, fixture.random_name())
    crds = fixture.definitions(api)
    label = f"e2e-list-test-uuid={mark}"
    listed = crds.items(labelSelector=label)
    assert {item["metadata"]["name"]: item["spec"] for item in listed} == {
        name: found["spec"] for name, found in made.items()
    }
    crds.delete_collection("", label)
    for found in listed:
        for name in fixture.served(found):
            poll(lambda found=found, name=name: not fixture.discovered(api, found, name))
    crds.get("", other["metadata"]["name"])
    fixture.delete(api, other)


def test_crds_have_a_status(api: GoClient, space: str):
    """Simple CustomResourceDefinition getting/updating/patching custom resource definition status
    sub-resource works"""
    made = fixture.create_unprimed(api, fixture.random_name())
    name = made["metadata"]["name"]
    raw = api.dynamic("apiextensions.k8s.io/v1", "customresourcedefinitions")
    crds = fixture.definitions(api)

    def written() -> dict[str, Any] | None:
        found = raw.get("", name, "status")
        assert found["spec"] == made["spec"]
        bare = {"type": "", "status": "", "lastTransitionTime": None, "message": "updated"}
        found["status"]["conditions"].append(bare)
        try:
            return crds.update("", found, "status")
        except Refused as refused:
            if refused.reason != "Conflict":
                raise
            return None

    updated = poll(written)
    assert updated is not None
    assert only_message(updated, "updated")
    change = [{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]
    patched = crds.patch("", name, change, JSON_PATCH, "status")
    assert only_message(patched, "patched")
    fixture.delete(api, made)


def only_message(crd: dict[str, Any], message: str) -> bool:
    """Say whether a condition says nothing but this."""
    return any(
        {key: value for key, value in condition.items() if value} == {"message": message}
        for condition in crd["status"]["conditions"]
    )


def test_custom_resources_get_defaults(api: GoClient, space: str):
    """CustomResourceDefinition resources custom resource defaulting for requests and from storage
    works"""
    text = {"type": "string"}
    schema = {**fixture.ANYTHING, "properties": {"a": text, "b": text}}
    made = fixture.create_unprimed(api, fixture.random_name(schema=schema))
    things, crds = fixture.objects_of(api, made), fixture.definitions(api)
    things.create("", {"metadata": {"name": "cr-1"}})
    where = "/spec/versions/0/schema/openAPIV3Schema/properties/"
    give_a = [{"op": "add", "path": f"{where}a/default", "value": "A"}]
    crds.patch("", made["metadata"]["name"], give_a, JSON_PATCH)
    poll(lambda: things.get("", "cr-1").get("a") == "A")
    assert things.create("", {"metadata": {"name": "cr-2"}})["a"] == "A"
    give_b = [
        {"op": "remove", "path": f"{where}a/default"},
        {"op": "add", "path": f"{where}b/default", "value": "B"},
    ]
    crds.patch("", made["metadata"]["name"], give_b, JSON_PATCH)
    poll(lambda: things.get("", "cr-2").get("b") == "B")
    assert things.get("", "cr-2")["a"] == "A"
    fixture.delete(api, made)


def test_custom_resources_are_watched(api: GoClient, space: str):
    """CustomResourceDefinition Watch watch on custom resource definition objects"""
    noxu = fixture.definition(
        "noxu", "mygroup.example.com", [fixture.version("v1beta1")],
        singular="nonenglishnoxu", kind="WishIHadChosenNoxu", listKind="NoxuItemList",
        shortNames=["foo", "bar", "abc", "def"], categories=["all"],
    )  # fmt: skip
    with fixture.custom_resource(api, noxu) as made:
        things = fixture.objects_of(api, made)
        assert things.list()["kind"] == "NoxuItemList"
        with (
            things.watch(fieldSelector="metadata.name=name1", timeoutSeconds="600") as a,
            things.watch(fieldSelector="metadata.name=name2", timeoutSeconds="600") as b,
        ):
            for name, mine, other in (("name1", a, b), ("name2", b, a)):
                given = {
                    "metadata": {"name": name, "namespace": ""},
                    "content": {"key": "value"},
                    "num": {"num1": 9223372036854775807, "num2": 1000000},
                }
                found = things.create("", given)
                assert found["metadata"]["uid"]
                mine.expect("ADDED", found)
                other.expect_none("ADDED")
            for name, mine, other in (("name1", a, b), ("name2", b, a)):
                dummy = [{"op": "add", "path": "/dummy", "value": "test"}]
                things.patch("", name, dummy, JSON_PATCH)
                mine.expect("MODIFIED")
                other.expect_none("MODIFIED")
            for name, mine, other in (("name1", a, b), ("name2", b, a)):
                things.delete("", name)
                mine.expect("DELETED")
                other.expect_none("DELETED")


DEPLOYMENT = """{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "my-dep", %s "labels": {"app": "nginx"}},
    "spec": {%s
        "selector": {"matchLabels": {"app": "nginx"}},
        "template": {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": [{"name":  "nginx", "image": "nginx:latest"}]}
        }
    }
}"""


@pytest.mark.parametrize(
    ("metadata", "spec", "message"),
    [
        (
            "", '"unknownField": "foo", "replicas": 2, "replicas": 3,',
            'unknown field "spec.unknownField", duplicate field "spec.replicas"',
        ),
        (
            '"unknownMeta": "foo",', "",
            'unknown field "metadata.unknownMeta"',
        ),
    ],
)  # fmt: skip
def test_typed_objects_are_validated_strictly(
    api: GoClient, space: str, metadata: str, spec: str, message: str
):
    """FieldValidation should detect unknown and duplicate fields of a typed object; should detect
    unknown metadata fields of a typed object"""
    reply = api.send(
        "POST", f"/apis/apps/v1/namespaces/{space}/deployments",
        query={"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"},
        body=(DEPLOYMENT % (metadata, spec)).encode(), accept=f"{PROTOBUF}, */*",
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        reply.value()
    assert refused.value.code == 400
    assert f"strict decoding error: {message}" in refused.value.message


PORTS: dict[str, Any] = {
    "type": "array",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "x-kubernetes-list-type": "map",
    "items": {
        "type": "object",
        "properties": {
            "containerPort": {"format": "int32", "type": "integer"},
            "hostIP": {"type": "string"},
            "hostPort": {"format": "int32", "type": "integer"},
            "name": {"type": "string"},
            "protocol": {"type": "string"},
        },
        "required": ["containerPort", "protocol"],
    },
}
CRON = {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"}
SPEC = {"foo": {"type": "string"}, "cronSpec": CRON, "ports": PORTS}
EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
    },
}
REST = """\
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


def schema(*, preserve: bool = False, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "object", "properties": {**more, **SPEC}}
    if preserve:
        spec["x-kubernetes-preserve-unknown-fields"] = True
    return {"type": "object", "properties": {"spec": spec}}


@contextmanager
def applying(api: GoClient, wanted: dict[str, Any] | None) -> Any:
    """Yield a function that applies a document, whose %s is the head, strictly."""
    with fixture.custom_resource(api, fixture.many_versions(wanted)) as made:
        spec = made["spec"]

        def apply(document: str) -> tuple[int, str]:
            head = f"\napiVersion: {spec['group']}/v1beta1\nkind: {spec['names']['kind']}"
            reply = api.send(
                "PATCH", f"/apis/{spec['group']}/v1beta1/{spec['names']['plural']}/mytest",
                query={"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"},
                body=(head + "\nmetadata:\n  name: mytest\n" + document).encode(),
                content_type=APPLY, accept="application/json, */*",
            )  # fmt: skip
            return reply.code, reply.body.decode()

        yield apply


def test_valid_custom_resource_is_applied(api: GoClient, space: str):
    """FieldValidation should create/apply a valid CR for CRD with validation schema"""
    with applying(api, schema()) as apply:
        assert apply(f"spec:\n  foo: foo1\n{REST}")[0] == 201


def test_unknown_fields_without_a_schema(api: GoClient, space: str):
    """FieldValidation should create/apply a CR with unknown fields for CRD with no validation
    schema"""
    with applying(api, None) as apply:
        assert apply(f"spec:\n  unknown: uk1\n{REST}")[0] == 201


def test_unknown_fields_with_a_schema(api: GoClient, space: str):
    """FieldValidation should create/apply an invalid CR with extra properties for CRD with
    validation schema"""
    with applying(api, schema()) as apply:
        code, said = apply(f"unknownField: unknown\nspec:\n  foo: foo1\n{REST}")
        assert code >= 400
        assert ".unknownField: field not declared in schema" in said


def test_unknown_metadata_of_custom_resources(api: GoClient, space: str):
    """FieldValidation should detect unknown metadata fields in both the root and embedded object
    of a CR"""
    with applying(api, schema(preserve=True, template=EMBEDDED)) as apply:
        _, said = apply(
            "  unknownMeta: unknown\nspec:\n  template:\n    apiversion: foo/v1\n    kind: Sub\n"
            "    metadata:\n        unknownSubMeta: unknown\n        name: subobject\n"
            f"        namespace: {space}\n  foo: foo1\n{REST}"
        )
        one = ".spec.template.metadata.unknownSubMeta: field not declared in schema"
        other = ".metadata.unknownMeta: field not declared in schema"
        assert one in said or other in said, said


def test_duplicates_in_custom_resources(api: GoClient, space: str):
    """FieldValidation should detect duplicates in a CR when preserving unknown fields"""
    with applying(api, schema(preserve=True)) as apply:
        code, said = apply(f"spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2\n{REST}")
        assert code >= 400
        assert r"line 9: key \"foo\" already set in map" in said
