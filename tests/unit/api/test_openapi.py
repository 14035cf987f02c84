import json

import pytest

from roost.api.kind import Kind, Subresource
from roost.api.openapi.documents import Documents
from roost.api.openapi.schemas import definition_to_v2
from roost.api.registry import builtin

RELEASE = "v1.36.2"
POD = {"group": "", "version": "v1", "kind": "Pod"}
GADGET = Kind(
    "example.com",
    "v1",
    "Gadget",
    "gadgets",
    namespaced=True,
    schema="com.example.v1.Gadget",
    singular="gadget",
    subresources={"status": Subresource(("get", "patch", "update"), "Gadget")},
)
GADGET_SCHEMA = {
    "type": "object",
    "description": "Gadget does things",
    "properties": {
        "metadata": {
            "allOf": [
                {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
            ]
        },
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "nullable": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
    },
    "x-kubernetes-group-version-kind": [
        {"group": "example.com", "version": "v1", "kind": "Gadget"}
    ],
}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(builtin(), RELEASE)


@pytest.fixture(scope="module")
def v2(documents):
    return json.loads(documents.v2().body)


@pytest.fixture(scope="module")
def core(documents):
    return json.loads(documents.v3("api/v1").body)


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def lookup(document, reference):
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_every_reference_of_v2_leads_somewhere(v2):
    for reference in set(references(v2)):
        assert lookup(v2, reference)


@pytest.mark.slow
def test_every_path_of_the_index_has_a_document_whose_references_lead_somewhere(documents):
    index = json.loads(documents.index())["paths"]
    assert {"api", "api/v1", "apis", "apis/apps", "apis/autoscaling/v2", "version"} <= set(index)
    for path, entry in index.items():
        encoded = documents.v3(path)
        assert entry == {"serverRelativeURL": f"/openapi/v3/{path}?hash={encoded.hash}"}
        document = json.loads(encoded.body)
        for reference in set(references(document)):
            assert lookup(document, reference)


@pytest.mark.slow
def test_every_kind_has_its_operations_in_both_versions(documents, v2):
    for kind in builtin().kinds():
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.name}
        prefix = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
        v3 = json.loads(documents.v3(prefix).body)
        for document in (v2, v3):
            actions = {
                operation["x-kubernetes-action"]
                for item in document["paths"].values()
                for operation in item.values()
                if isinstance(operation, dict)
                and operation.get("x-kubernetes-group-version-kind") == gvk
            }
            renamed = {"create": "post", "update": "put", "watch": "watchlist"}
            assert {renamed.get(verb, verb) for verb in kind.verbs} <= actions


def test_patch_takes_field_validation_which_is_how_kubectl_knows_the_server_validates(v2, core):
    path = "/api/v1/namespaces/{namespace}/pods/{name}"
    patch = core["paths"][path]["patch"]
    names = [parameter["name"] for parameter in patch["parameters"]]
    assert names == ["dryRun", "fieldManager", "fieldValidation", "force"]
    assert patch["x-kubernetes-group-version-kind"] == POD
    older = v2["paths"][path]["patch"]
    assert {"$ref": "#/parameters/fieldValidation"} in older["parameters"]
    assert "application/apply-patch+yaml" in older["consumes"]


def test_explain_finds_the_kind_of_a_resource_by_its_list_path(core):
    listed = core["paths"]["/api/v1/namespaces/{namespace}/pods"]["get"]
    assert listed["x-kubernetes-group-version-kind"] == POD
    assert listed["x-kubernetes-action"] == "list"


def test_v3_schemas_are_described_wrapped_and_defaulted(core):
    schemas = core["components"]["schemas"]
    container = schemas["io.k8s.api.core.v1.Container"]
    assert container["description"]
    assert container["properties"]["name"]["default"] == ""
    ports = container["properties"]["ports"]
    prefix = "#/components/schemas/"
    assert ports["items"] == {
        "allOf": [{"$ref": f"{prefix}io.k8s.api.core.v1.ContainerPort"}],
        "default": {},
    }
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"
    port = schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]
    assert port["protocol"]["default"] == "TCP"
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [POD]
    assert pod["properties"]["spec"]["default"] == {}
    quantity = schemas["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity["oneOf"] == [{"type": "string"}, {"type": "number"}]


def test_deletion_answers_with_what_the_kind_says(v2):
    def answer(path):
        schema = v2["paths"][path]["delete"]["responses"]["200"]["schema"]
        return schema["$ref"].rpartition(".")[2]

    assert answer("/api/v1/namespaces/{namespace}/pods/{name}") == "Pod"
    assert answer("/api/v1/namespaces/{namespace}/configmaps/{name}") == "Status"


def test_what_is_not_served_has_no_document(documents):
    for path in ("apis/example.com/v1", "apis/apps/v2", "", "nonsense"):
        assert documents.v3(path) is None


def test_the_same_facts_give_the_same_bytes_and_hash(documents):
    again = Documents(builtin(), RELEASE)
    assert again.v3("apis/apps/v1") == documents.v3("apis/apps/v1")
    assert documents.v3("apis/apps/v1") == documents.v3("apis/apps/v1")
    assert again.index() == documents.index()


@pytest.mark.slow
def test_a_custom_resource_appears_and_disappears():
    registry = builtin()
    documents = Documents(registry, RELEASE)
    before, apps = documents.v2(), documents.v3("apis/apps/v1")
    registry.add([GADGET])
    documents.set_custom({GADGET.schema: GADGET_SCHEMA})
    encoded = documents.v3("apis/example.com/v1")
    assert encoded is not None
    document = json.loads(encoded.body)
    assert document["components"]["schemas"][GADGET.schema] == GADGET_SCHEMA
    assert f"{GADGET.schema}List" in document["components"]["schemas"]
    assert "/apis/example.com/v1/namespaces/{namespace}/gadgets/{name}/status" in document["paths"]
    assert documents.v3("apis/apps/v1") == apps

    older = documents.v2()
    assert older.hash != before.hash
    properties = json.loads(older.body)["definitions"][GADGET.schema]["properties"]
    assert properties["metadata"] == {
        "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    }
    assert properties["spec"]["properties"] == {
        "size": {},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }

    documents.set_custom({GADGET.schema: {**GADGET_SCHEMA, "description": "other"}})
    changed = documents.v3("apis/example.com/v1")
    assert changed is not None
    assert changed.hash != encoded.hash
    registry.remove([GADGET.resource])
    documents.set_custom({})
    assert documents.v3("apis/example.com/v1") is None
    assert documents.v2() == before


KEEP = {"x-kubernetes-preserve-unknown-fields": True}
SAID = {"x-kubernetes-group-version-kind": [{"group": "g", "version": "v1", "kind": "K"}]}


@pytest.mark.parametrize(
    ("schema", "older"),
    [
        ({"type": "object", "description": "d", "properties": {"a": {}}, **KEEP, **SAID},
         {"type": "object", **SAID}),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {}, **KEEP}}},
         {"type": "object", "properties": {"a": KEEP}}),
        ({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}, **KEEP}}},
         {"type": "object", "properties": {"a": {"type": "object", **KEEP}}}),
        ({"type": "object", "required": ["a", "b"],
          "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string"}}},
         {"type": "object", "required": ["b"], "properties": {"a": {}, "b": {"type": "string"}}}),
    ],
)  # fmt: skip
def test_what_v2_cannot_say_of_custom_resources(schema, older):
    assert definition_to_v2(schema) == older
