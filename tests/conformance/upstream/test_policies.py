"""test/e2e/apimachinery/validatingadmissionpolicy.go and mutatingadmissionpolicy.go: what they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from goclient import GoClient, Refused, Resource, poll

pytestmark = pytest.mark.slow
GROUP = "admissionregistration.k8s.io/v1"
Object = dict[str, Any]


def workload(name: str, replicas: int) -> Object:
    labels = {"app": "nginx"}
    spec = {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


@contextmanager
def policy(api: GoClient, space: str, kind: str, spec: Object) -> Iterator[None]:
    """Yield with a policy for Deployments of the namespace, which is labelled with its own name."""
    api.typed("v1", "Namespace", "namespaces").changed(
        "", space, lambda found: found["metadata"]["labels"].update({space: "true"})
    )
    selector = {"namespaceSelector": {"matchLabels": {space: "true"}}}
    rule = {
        "operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
        "resources": ["deployments"],
    }  # fmt: skip
    plural = f"{kind.lower()}admissionpolic"
    policies = api.typed(GROUP, f"{kind}AdmissionPolicy", f"{plural}ies")
    bindings = api.typed(GROUP, f"{kind}AdmissionPolicyBinding", f"{plural}ybindings")
    name, binding = f"{space}.policy.example.com", f"{space}.binding.example.com"
    matching = {"matchConstraints": {**selector, "resourceRules": [rule]}}
    policies.create("", {"metadata": {"name": name}, "spec": {**spec, **matching}})
    bound: Object = {"policyName": name, "matchResources": selector}
    if kind == "Validating":
        bound["validationActions"] = ["Deny"]
    bindings.create("", {"metadata": {"name": binding}, "spec": bound})
    yield
    bindings.delete("", binding)
    policies.delete("", name)


def marker_denied(deployments: Resource, space: str) -> bool:
    """Create a Deployment with one replica; say whether it is invalid."""
    try:
        deployments.create(space, workload("marker-deployment", 1))
    except Refused as refused:
        if refused.reason != "Invalid":
            raise
        return True
    deployments.delete(space, "marker-deployment")
    return False


def replica_sets_are_free(api: GoClient, space: str) -> None:
    sets = api.typed("apps/v1", "ReplicaSet", "replicasets")
    sets.create(space, workload("non-replicated", 1))
    sets.delete(space, "non-replicated")


def test_a_deployment_is_validated(api: GoClient, space: str):
    """ValidatingAdmissionPolicy should validate against a Deployment"""
    deployments = api.typed("apps/v1", "Deployment", "deployments")
    validations = [
        {
            "expression": "object.spec.replicas > 1",
            "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
        },
        {
            "expression": f"namespaceObject.metadata.name == '{space}'",
            "message": "Internal error! Other namespace should not be allowed.",
        },
    ]
    with policy(api, space, "Validating", {"validations": validations}):
        poll(lambda: marker_denied(deployments, space))
        deployments.create(space, workload("replicated", 2))
        deployments.delete(space, "replicated")
        replica_sets_are_free(api, space)


def test_expressions_refer_to_variables(api: GoClient, space: str):
    """ValidatingAdmissionPolicy should allow expressions to refer variables."""
    deployments = api.typed("apps/v1", "Deployment", "deployments")
    spec = {
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    }
    with policy(api, space, "Validating", spec):
        poll(lambda: marker_denied(deployments, space))
        deployments.create(space, workload("replicated", 3))
        deployments.delete(space, "replicated")
        replica_sets_are_free(api, space)


ANNOTATED = """
    Object{
        metadata: Object.metadata{
            annotations: {
                "mutated-by": "admission-policy"
            }
        }
    }"""


@pytest.mark.parametrize(
    ("expression", "mutated"),
    [
        (
            ANNOTATED,
            lambda made: (
                (made["metadata"].get("annotations") or {}).get("mutated-by") == "admission-policy"
            ),
        ),
        (
            "Object{spec: Object.spec{replicas: 1337}}",
            lambda made: made["spec"]["replicas"] == 1337,
        ),
    ],
    ids=["annotations", "replicas"],
)
def test_a_deployment_is_mutated(api: GoClient, space: str, expression: str, mutated: Any):
    """MutatingAdmissionPolicy should mutate a Deployment; with annotations"""
    deployments = api.typed("apps/v1", "Deployment", "deployments")
    mutation = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": expression},
    }
    spec = {"mutations": [mutation], "reinvocationPolicy": "Never"}

    def marked() -> bool:
        made = deployments.create(space, workload("marker-deployment", 1))
        deployments.delete(space, "marker-deployment")
        return bool(mutated(made))

    with policy(api, space, "Mutating", spec):
        poll(marked)


def test_expressions_are_type_checked(api: GoClient, space: str):
    """ValidatingAdmissionPolicy should type check validation expressions (not of the conformance
    programme)"""
    policies = api.typed(GROUP, "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
    rule = {
        "operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
        "resources": ["deployments"],
    }  # fmt: skip

    def checked(name: str, validation: Object) -> list[Object]:
        spec = {"validations": [validation], "matchConstraints": {"resourceRules": [rule]}}
        policies.create("", {"metadata": {"name": name}, "spec": spec})
        status = poll(lambda: (policies.get("", name).get("status") or {}).get("typeChecking"), 10)
        policies.delete("", name)
        return list(status.get("expressionWarnings") or ())

    confused = {
        "expression": "object.spec.replicas > '1'",
        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
    }
    first, second = checked(f"{space}.confused", confused)
    assert first["fieldRef"] == "spec.validations[0].expression"
    assert "found no matching overload for '_>_' applied to '(int, string)'" in first["warning"]
    assert second["fieldRef"] == "spec.validations[0].messageExpression"
    assert "found no matching overload for '_+_' applied to '(string, int)'" in second["warning"]
