"""What a write may set, and what the server sets itself."""

from typing import Any

import pytest

from roost.api.defaults.services import endpoint_slice
from roost.api.groups import ALL_KINDS
from roost.api.kind import Change
from roost.api.schema.decode import decode
from roost.api.schema.nodes import node
from roost.api.strategies.pods import quality_of_service
from roost.api.strategies.services import ENDPOINT_SLICE

KINDS = {(kind.group, kind.version, kind.name): kind for kind in ALL_KINDS}


def prepared(
    group: str,
    name: str,
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    subresource: str = "",
) -> dict[str, Any]:
    hook = KINDS[group, "v1", name].prepare
    assert hook is not None
    new.setdefault("metadata", {})
    hook(Change(new, old, subresource, "2026-01-01T00:00:00Z"))
    return new


def deployment(replicas: int, status: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"metadata": meta, "spec": {"replicas": replicas}, "status": status}


def test_a_new_object_has_no_status_of_its_own() -> None:
    value = prepared("apps", "Deployment", deployment(1, {"replicas": 9}))
    assert value["status"] == {}
    assert value["metadata"]["generation"] == 1


def test_generation_counts_changes_of_the_spec_only() -> None:
    old = deployment(1, {"replicas": 1}, generation=4)
    same = prepared("apps", "Deployment", deployment(1, {}, labels={"a": "b"}), old)
    more = prepared("apps", "Deployment", deployment(2, {}), old)
    assert same["metadata"]["generation"] == 4
    assert more["metadata"]["generation"] == 5
    assert more["status"] == {"replicas": 1}


def test_through_status_the_spec_stays() -> None:
    old = deployment(1, {}, generation=4, labels={"a": "b"})
    new = prepared(
        "apps", "Deployment", deployment(9, {"replicas": 1}, generation=9), old, "status"
    )
    assert new["spec"] == {"replicas": 1}
    assert new["status"] == {"replicas": 1}
    assert new["metadata"]["labels"] == {"a": "b"}


def test_a_new_pod_waits() -> None:
    value = prepared("", "Pod", {"spec": {"containers": [{}]}, "status": {"phase": "Running"}})
    assert value["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
        (
            {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "1000m", "memory": "1Gi"},
            },
            "Guaranteed",
        ),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Mi"}},
            "Burstable",
        ),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], quality: str) -> None:
    assert quality_of_service({"containers": [{"resources": resources}]}) == quality


def test_a_job_selects_its_own_pods() -> None:
    body = {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"metadata": {}}}}
    value = prepared("batch", "Job", body)
    labels = value["spec"]["template"]["metadata"]["labels"]
    assert value["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "j"
    assert labels["controller-uid"] == "u"


def test_a_namespace_begins_active_and_cannot_drop_its_finalizer() -> None:
    value = prepared("", "Namespace", {})
    assert value["status"] == {"phase": "Active"}
    assert value["spec"] == {"finalizers": ["kubernetes"]}
    later = prepared("", "Namespace", {"spec": {"finalizers": []}}, value)
    assert later["spec"] == {"finalizers": ["kubernetes"]}


def test_every_strategy_bears_an_almost_empty_object() -> None:
    for kind in ALL_KINDS:
        if kind.prepare is None:
            continue
        for subresource in ("", "status"):
            old = {"metadata": {"name": "x", "uid": "u"}}
            kind.prepare(Change({"metadata": {"name": "x"}}, old, subresource))
        kind.prepare(Change({"metadata": {"name": "x", "uid": "u"}}))


def test_empty_lists_of_a_slice_are_null_once_somebody_owns_them() -> None:
    body, _ = decode(
        node("io.k8s.api.discovery.v1.EndpointSlice"),
        {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [], "ports": []},
    )
    change = Change(body)
    endpoint_slice(change)
    assert (body["endpoints"], body["ports"]) == ([], [])
    ENDPOINT_SLICE(change)
    assert (body["endpoints"], body["ports"]) == (None, None)


def test_agents_are_not_configured_through_their_nodes_any_more() -> None:
    spec, status = {"configSource": {"configMap": {}}}, {"config": {"error": "x"}}
    made = prepared("", "Node", {"spec": dict(spec), "status": dict(status)})
    assert made["spec"] == {}
    assert made["status"] == {}
    old = {"metadata": {}, "spec": spec, "status": status}
    assert prepared("", "Node", {"spec": dict(spec)}, old)["spec"] == spec
    assert prepared("", "Node", {"spec": dict(spec)}, made)["spec"] == {}
    told = prepared("", "Node", {"status": dict(status)}, old, "status")
    assert told["status"] == status
    assert prepared("", "Node", {"status": dict(status)}, made, "status")["status"] == {}


def test_a_limit_range_without_a_name_is_named_by_its_uid() -> None:
    assert prepared("", "LimitRange", {"metadata": {"uid": "u"}})["metadata"]["name"] == "u"
    named = prepared("", "LimitRange", {"metadata": {"uid": "u", "name": "n"}})
    assert named["metadata"]["name"] == "n"


def test_secrets_of_a_service_account_are_names() -> None:
    secrets = [{"name": "a", "namespace": "b", "kind": "Secret"}, {"kind": "Secret"}]
    made = prepared("", "ServiceAccount", {"secrets": secrets})
    assert made["secrets"] == [{"name": "a"}, {}]
    assert prepared("", "ServiceAccount", {"secrets": secrets}, made)["secrets"] == made["secrets"]
