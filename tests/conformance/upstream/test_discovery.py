"""test/e2e/apimachinery/discovery.go and aggregated_discovery.go."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from crdfixture import allow_all, custom_resource
from goclient import AGGREGATED, GoClient, poll

pytestmark = pytest.mark.slow
LEVEL = "privileged"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

#: What each server must have: group and version, and a resource of it.
EXPECTED = {
    "admissionregistration.k8s.io/v1": "validatingwebhookconfigurations",
    "apiextensions.k8s.io/v1": "customresourcedefinitions",
    "apiregistration.k8s.io/v1": "apiservices",
    "apps/v1": "deployments",
    "authentication.k8s.io/v1": "tokenreviews",
    "authorization.k8s.io/v1": "selfsubjectaccessreviews",
    "autoscaling/v1": "horizontalpodautoscalers",
    "autoscaling/v2": "horizontalpodautoscalers",
    "batch/v1": "jobs",
    "certificates.k8s.io/v1": "certificatesigningrequests",
    "coordination.k8s.io/v1": "leases",
    "discovery.k8s.io/v1": "endpointslices",
    "events.k8s.io/v1": "events",
    "networking.k8s.io/v1": "ingresses",
    "node.k8s.io/v1": "runtimeclasses",
    "policy/v1": "poddisruptionbudgets",
    "scheduling.k8s.io/v1": "priorityclasses",
    "storage.k8s.io/v1": "csinodes",
}


def test_groups_have_a_preferred_version(api: GoClient):
    """Discovery should validate PreferredVersion for each APIGroup"""
    groups = api.get("/apis/")["groups"]
    assert groups
    for group in groups:
        found = api.get(f"/apis/{group['name']}/")
        preferred = found["preferredVersion"]["groupVersion"]
        assert preferred in {version["groupVersion"] for version in found["versions"]}


def test_versions_have_resources(api: GoClient):
    """Discovery should locate the groupVersion and a resource within each APIGroup"""
    for version, resource in {"v1": "namespaces", **EXPECTED}.items():
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        found = api.get(path)
        assert found["groupVersion"] == version
        assert resource in {entry["name"] for entry in found["resources"]}


def aggregated(api: GoClient, path: str, accept: str) -> set[tuple[str, str]]:
    """Return (group/version, resource) of an aggregated document, whose type is checked."""
    reply = api.send("GET", path, accept=accept, accept_encoding="gzip")
    body = reply.body
    if reply.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    media, *rest = reply.headers["content-type"].replace(" ", "").split(";")
    params = dict(pair.split("=", 1) for pair in rest)
    assert media == "application/json"
    assert params == {"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}
    assert reply.headers["vary"] == "Accept"
    again = api.send("GET", path, accept=accept, if_none_match=reply.headers["etag"])
    assert (again.code, again.body) == (304, b"")
    found = set()
    for group in json.loads(body)["items"]:
        for version in group["versions"]:
            name = group["metadata"].get("name", "")
            whole = f"{name}/{version['version']}" if name else version["version"]
            for resource in version.get("resources", ()):
                found.add((whole, resource["resource"]))
    return found


def test_raw_aggregated_documents(api: GoClient):
    """AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers"""
    assert set(EXPECTED.items()) <= aggregated(api, "/apis", V2)
    assert ("v1", "namespaces") in aggregated(api, "/api", V2)


def test_aggregated_documents_by_the_client(api: GoClient):
    """AggregatedDiscovery should support aggregated discovery interface"""
    found = aggregated(api, "/api", AGGREGATED) | aggregated(api, "/apis", AGGREGATED)
    assert {("v1", "namespaces"), *EXPECTED.items()} <= found


@pytest.mark.parametrize("accept", [V2, AGGREGATED])
def test_crds_in_aggregated_documents(api: GoClient, space: str, accept: str):
    """AggregatedDiscovery should support raw aggregated discovery request for CRDs; should support
    aggregated discovery interface for CRDs"""
    definition: dict[str, Any] = allow_all("testcrd", "v1", scope="Namespaced")
    with custom_resource(api, definition) as made:
        wanted = (f"{made['spec']['group']}/v1", "testcrds")
        poll(lambda: wanted in aggregated(api, "/apis", accept))


def test_crds_are_a_resource(api: GoClient):
    """CustomResourceDefinition resources should include custom resource definition resources in
    discovery documents"""
    groups = {group["name"]: group for group in api.get("/apis")["groups"]}
    for group in (groups["apiextensions.k8s.io"], api.get("/apis/apiextensions.k8s.io")):
        assert group["name"] == "apiextensions.k8s.io"
        assert "v1" in {version["version"] for version in group["versions"]}
    listed = api.get("/apis/apiextensions.k8s.io/v1")
    assert listed["groupVersion"] == "apiextensions.k8s.io/v1"
    assert "customresourcedefinitions" in {entry["name"] for entry in listed["resources"]}
