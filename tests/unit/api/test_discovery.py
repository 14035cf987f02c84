import json
from pathlib import Path

from roost.api import discovery
from roost.api.registry import builtin

RECORDED = json.loads((Path(__file__).parent / "discovery.json").read_text())
REGISTRY = builtin()


def test_legacy_documents_are_those_of_the_real_server():
    assert discovery.group(REGISTRY, "autoscaling") == RECORDED["/apis/autoscaling"]
    for path in ("/apis/autoscaling/v1", "/apis/apps/v1", "/apis/apiextensions.k8s.io/v1"):
        _, _, group, version = path.split("/")
        assert discovery.resource_list(REGISTRY, group, version) == RECORDED[path]


def test_core_resources_are_those_of_the_real_server():
    document = discovery.resource_list(REGISTRY, "", "v1")
    assert document is not None
    assert "apiVersion" not in document
    pods = [item for item in document["resources"] if item["name"].startswith("pods")]
    assert pods == RECORDED["pods of /api/v1"]


def test_the_group_list_prefers_the_first_version():
    groups = discovery.group_list(REGISTRY)["groups"]
    assert [group["name"] for group in groups] == RECORDED["group order"]
    by_name = {group["name"]: group for group in groups}
    assert by_name["autoscaling"]["preferredVersion"]["version"] == "v2"


def test_aggregated_documents_are_those_of_the_real_server():
    document = discovery.aggregated(REGISTRY, core=False)
    assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
    by_name = {item["metadata"]["name"]: item for item in document["items"]}
    assert by_name["apps"] == RECORDED["aggregated apps"]
    (core,) = discovery.aggregated(REGISTRY, core=True)["items"]
    assert core["metadata"] == {}
    pods = [item for item in core["versions"][0]["resources"] if item["resource"] == "pods"]
    assert pods == RECORDED["aggregated pods"]


def test_every_kind_and_subresource_appears_in_both_forms():
    aggregated = {
        (group["metadata"].get("name", ""), version["version"], item["resource"]): {
            sub["subresource"] for sub in item.get("subresources", [])
        }
        for core in (True, False)
        for group in discovery.aggregated(REGISTRY, core=core)["items"]
        for version in group["versions"]
        for item in version["resources"]
    }
    for kind in REGISTRY.kinds():
        assert aggregated.pop((kind.group, kind.version, kind.plural)) == set(kind.subresources)
        document = discovery.resource_list(REGISTRY, kind.group, kind.version)
        assert document is not None
        names = {item["name"] for item in document["resources"]}
        assert kind.plural in names
        assert {f"{kind.plural}/{name}" for name in kind.subresources} <= names
    assert not aggregated


def test_what_is_not_served_has_no_document():
    assert discovery.group(REGISTRY, "example.com") is None
    assert discovery.group(REGISTRY, "") is None
    assert discovery.resource_list(REGISTRY, "apps", "v2") is None
