"""The *API operations* tests of flowcontrol.go, validatingadmissionpolicy.go and
mutatingadmissionpolicy.go: one course of requests over each kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from conformance_names import unique
from goclient import AGGREGATED, MERGE, GoClient

pytestmark = pytest.mark.slow

FLOWS = "flowcontrol.apiserver.k8s.io"
ADMISSION = "admissionregistration.k8s.io"

FLOW_SCHEMA = {
    "matchingPrecedence": 10000,
    "priorityLevelConfiguration": {"name": "global-default"},
    "distinguisherMethod": {"type": "ByUser"},
    "rules": [
        {
            "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }
    ],
}
PRIORITY = {
    "type": "Limited",
    "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
}
RULES = {
    "resourceRules": [
        {
            "operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
            "resources": ["deployments"],
        }
    ]
}  # fmt: skip
MUTATING = {
    "reinvocationPolicy": "Never",
    "mutations": [
        {
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {"expression": "Object{spec: Object.spec{replicas: 100}}"},
        }
    ],
    "matchConstraints": RULES,
}
VALIDATING = {
    "validations": [{"expression": "object.spec.replicas <= 100"}],
    "matchConstraints": RULES,
}
BINDING = {"policyName": "replicalimit-policy.example.com"}


@dataclass(frozen=True)
class Course:
    """A kind, an object of it, and what is changed in its spec by a patch and an update."""

    group: str
    kind: str
    plural: str
    spec: dict[str, Any]
    patched: dict[str, Any] = field(default_factory=dict)
    updated: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] | None = None


COURSES = [
    Course(
        FLOWS, "FlowSchema", "flowschemas", FLOW_SCHEMA,
        {"matchingPrecedence": 9999}, {"matchingPrecedence": 9000}, {},
    ),
    Course(
        FLOWS, "PriorityLevelConfiguration", "prioritylevelconfigurations", PRIORITY,
        {"limited": {"nominalConcurrencyShares": 4}},
        {"limited": {"nominalConcurrencyShares": 6, "limitResponse": {"type": "Reject"}}}, {},
    ),
    Course(
        ADMISSION, "MutatingAdmissionPolicy", "mutatingadmissionpolicies", MUTATING,
        {"reinvocationPolicy": "IfNeeded"}, {"reinvocationPolicy": "Never"},
    ),
    Course(
        ADMISSION, "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", BINDING
    ),
    Course(
        ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", VALIDATING,
        {"failurePolicy": "Ignore"}, {"failurePolicy": "Fail"}, {},
    ),
    Course(
        ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings",
        {**BINDING, "validationActions": ["Deny"]},
    ),
]  # fmt: skip


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.kind)
def test_api_operations(api: GoClient, space: str, course: Course):
    """API priority and fairness should support FlowSchema API operations, and the like"""
    group = course.group
    # ServerGroups asks for the aggregated form.
    listed = api.get("/apis", accept=AGGREGATED)["items"]
    found = next(entry for entry in listed if entry["metadata"]["name"] == group)
    assert "v1" in {version["version"] for version in found["versions"]}
    assert "v1" in {version["version"] for version in api.get(f"/apis/{group}")["versions"]}
    resources = {entry["name"] for entry in api.get(f"/apis/{group}/v1")["resources"]}
    assert course.plural in resources
    assert course.status is None or f"{course.plural}/status" in resources

    client = api.typed(f"{group}/v1", course.kind, course.plural)
    mark = unique("")
    template = {
        "metadata": {"generateName": "e2e-example-", "labels": {"example-e2e-label": mark}},
        "spec": course.spec,
    }
    label = f"example-e2e-label={mark}"
    for _ in range(2):
        client.create("", template)
    made = client.create("", template)
    name = made["metadata"]["name"]
    read = client.get("", name)
    assert read["metadata"]["uid"] == made["metadata"]["uid"]
    assert read["metadata"]["resourceVersion"].isdecimal()
    page = client.list(labelSelector=label)
    assert len(page["items"]) == 3
    since = page["metadata"]["resourceVersion"]
    with client.watch(resourceVersion=since, labelSelector=label) as watch:
        change = {"metadata": {"annotations": {"patched": "true"}}, "spec": course.patched}
        patched = client.patch("", name, change, MERGE)
        assert patched["metadata"]["annotations"]["patched"] == "true"
        assert included(course.patched, patched["spec"])
        versions = (int(it["metadata"]["resourceVersion"]) for it in (made, patched))
        assert next(versions) < next(versions)

        def update(value: dict[str, Any]) -> None:
            value["metadata"]["annotations"]["updated"] = "true"
            value["spec"].update(course.updated)

        updated = client.changed("", name, update)
        assert updated["metadata"]["annotations"]["updated"] == "true"
        assert included(course.updated, updated["spec"])
        seen: dict[str, str] = {}
        while "patched" not in seen:
            event = watch.next()
            assert event.type == "MODIFIED"
            seen = event.object["metadata"].get("annotations") or {}
    if course.status is not None:
        has_status(api, course, made)
    client.delete("", name)
    assert client.gone("", name)
    assert len(client.items(labelSelector=label)) == 2
    client.delete_collection("", label)
    assert client.items(labelSelector=label) == []


def included(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(included(value, whole.get(key)) for key, value in part.items())
    return bool(part == whole)


def has_status(api: GoClient, course: Course, made: dict[str, Any]) -> None:
    """Read, patch and update the status."""
    name, version = made["metadata"]["name"], f"{course.group}/v1"
    raw = api.dynamic(version, course.plural).get("", name, "status")
    assert (raw["apiVersion"], raw["kind"]) == (version, course.kind)
    assert raw["metadata"]["uid"] == made["metadata"]["uid"]
    if course.group == ADMISSION:
        stamp: dict[str, Any] = {"lastTransitionTime": "2026-01-02T03:04:05Z", "message": "e2e"}
    else:
        stamp = {}
    client = api.typed(version, course.kind, course.plural)
    condition = {"type": "PatchStatusFailed", "status": "False", "reason": "e2e", **stamp}
    patched = client.patch("", name, {"status": {"conditions": [condition]}}, MERGE, "status")
    assert "PatchStatusFailed" in {it["type"] for it in patched["status"]["conditions"]}
    another = {
        "type": "StatusUpdateFailed", "status": "False", "reason": "E2E", **stamp,
        "message": "Set from an e2e test",
    }  # fmt: skip
    updated = client.changed(
        "", name, lambda found: found["status"].setdefault("conditions", []).append(another),
        "status",
    )  # fmt: skip
    assert "StatusUpdateFailed" in {it["type"] for it in updated["status"]["conditions"]}
