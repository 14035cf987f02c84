"""What is told of a ValidatingAdmissionPolicy in its status."""

from __future__ import annotations

from typing import Any

import pytest

from roost.controllers.policystatus import CONTROLLER, POLICIES
from roost.decisions.plan import NOTHING, Patch


def policy(*expressions: str, resource: str = "configmaps", observed: int = 0, **spec: Any) -> dict:
    group = "apps" if resource == "deployments" else ""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}
    return {
        "metadata": {"name": "p", "generation": 1, "uid": "u"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": each} for each in expressions],
            **spec,
        },
        "status": {"observedGeneration": observed} if observed else {},
    }


def status(value: dict) -> dict:
    (patch,) = CONTROLLER.reconcile(value).actions
    assert isinstance(patch, Patch)
    assert (patch.ref.resource, patch.ref.name, patch.subresource) == (POLICIES, "p", "status")
    found: dict = patch.body["status"]
    return found


def warnings(value: dict) -> list[dict]:
    return status(value)["typeChecking"]["expressionWarnings"] or []


def test_generation_is_looked_at_once():
    assert status(policy("true"))["observedGeneration"] == 1
    assert CONTROLLER.reconcile(policy("true", observed=1)) is NOTHING


def test_unknown_field_is_told_with_its_kind_and_place():
    assert warnings(policy("true", "object.nosuch.field == 1")) == [
        {
            "fieldRef": "spec.validations[1].expression",
            "warning": "/v1, Kind=ConfigMap: ERROR: <input>:1:7: undefined field 'nosuch'\n"
            " | object.nosuch.field == 1\n | ......^\n",
        }
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas < 5 && oldObject.metadata.name == 'x'",
        "object.spec.template.spec.containers.all(c, c.image.startsWith('x'))",
        "object.spec.strategy.rollingUpdate.maxSurge == '25%'",
        "has(object.metadata.labels) && object.metadata.labels['a'] == 'b'",
        "object.metadata.creationTimestamp < timestamp('2024-01-01T00:00:00Z')",
        "variables.two == 2",
        "params.anything == 1 && request.operation == 'CREATE'",
    ],
)
def test_what_fits_is_not_told(expression):
    variables = [{"name": "two", "expression": "object.spec.replicas + 1"}]
    kind = {"apiVersion": "x.example/v1", "kind": "Limit"}
    value = policy(expression, resource="deployments", variables=variables, paramKind=kind)
    assert warnings(value) == []


def test_wrong_type_is_told():
    (warning,) = warnings(policy("object.spec.replicas == 'x'", resource="deployments"))
    assert "found no matching overload for '_==_' applied to '(int, string)'" in warning["warning"]


@pytest.mark.parametrize("resource", ["*", "configmaps/status", "nosuch"])
def test_kinds_that_are_not_named_are_not_checked(resource):
    assert warnings(policy("object.nosuch == 1", resource=resource)) == []


def test_messages_are_checked_too():
    value = policy("true")
    value["spec"]["validations"][0]["messageExpression"] = "object.nosuch"
    (warning,) = warnings(value)
    assert warning["fieldRef"] == "spec.validations[0].messageExpression"
