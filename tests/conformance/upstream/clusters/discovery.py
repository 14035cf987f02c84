"""The discovery that many upstream tests begin with, as client-go asks for it."""

from __future__ import annotations

from typedclient import JSON, PROTOBUF, GoClient

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


def check_discovery(client: GoClient, api_version: str, *resources: str) -> None:
    """Assert that a group, its version and its resources are in all three documents."""
    group, _, version = api_version.partition("/")
    groups = client.ask("GET", "/apis", Accept=AGGREGATED)["items"]
    found = next(item for item in groups if item["metadata"]["name"] == group)
    assert version in [item["version"] for item in found["versions"]]
    for accept in (JSON, f"{PROTOBUF}, */*"):
        answer = client.ask("GET", f"/apis/{group}", Accept=accept)
        assert answer["kind"] == "APIGroup"
        assert version in [item["version"] for item in answer["versions"]]
        answer = client.ask("GET", f"/apis/{api_version}", Accept=accept)
        assert {item["name"] for item in answer["resources"]} >= set(resources)
