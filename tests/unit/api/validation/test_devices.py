"""Rules of claims, classes and slices of devices."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
GROUP = "resource.k8s.io"


def claim(**exactly: Any) -> dict[str, Any]:
    request = {"name": "a", "exactly": {"deviceClassName": "c", **exactly}}
    return {"spec": {"devices": {"requests": [request]}}}


@pytest.mark.parametrize(
    "expression",
    [
        'device.driver == "gpu.example.com"',
        'device.attributes["gpu.example.com"].model == "A"',
        'device.capacity["gpu.example.com"].memory.compareTo(quantity("1Gi")) >= 0',
        'cel.bind(d, device.attributes["e.com"], d.oneBool && d.anotherBool)',
        'device.attributes["e.com"].version.isGreaterThan(semver("1.0.0"))',
        "device.allowMultipleAllocations",
        'device.attributes["e.com"].flag',
    ],
)
def test_expressions_that_choose_devices(refused: Refused, expression: str) -> None:
    body = claim(selectors=[{"cel": {"expression": expression}}])
    assert refused(GROUP, "ResourceClaim", body) == []


def test_wrong_expressions(refused: Refused) -> None:
    path = "spec.devices.requests[0].exactly.selectors[0].cel"
    for expression, fault in (
        ("device.driver", "must evaluate to bool or the unknown type, not string"),
        (
            "device.nope",
            (
                "compilation failed: ERROR: <input>:1:7: undefined field 'nope'\\n | device.nope\\n"
                " | ......^"
            ),
        ),
    ):
        body = claim(selectors=[{"cel": {"expression": expression}}])
        expected = [f'{path}.expression: Invalid value: "{expression}": {fault}']
        assert refused(GROUP, "ResourceClaim", body) == [
            one.replace("\\n", "\n") for one in expected
        ]
    long = claim(selectors=[{"cel": {"expression": "true ||" * 2000 + "true"}}])
    assert refused(GROUP, "ResourceClaim", long) == [
        f"{path}.expression: Too long: may not be more than 10240 bytes"
    ]
    costly = "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, "
    costly += "device.attributes.all(d, a == b || c == d))))"
    assert refused(GROUP, "ResourceClaim", claim(selectors=[{"cel": {"expression": costly}}])) == [
        f"{path}.expression: Forbidden: too complex, exceeds cost limit"
    ]
    assert refused(GROUP, "ResourceClaim", claim(selectors=[{}])) == [f"{path}: Required value"]


def test_requests(refused: Refused) -> None:
    spec = {
        "devices": {
            "requests": [
                {"name": "a"},
                {"name": "a", "firstAvailable": [{"name": "x", "deviceClassName": "c"}] * 2},
            ],
            "constraints": [
                {"requests": ["a/x", "a/x"], "matchAttribute": "plain"},
                {"requests": ["a/y"], "distinctAttribute": "e.com/"},
            ],
            "config": [{"requests": ["b"]}, {"opaque": {"driver": "d", "parameters": [1]}}],
        }
    }
    path = "spec.devices"
    not_a_request = (
        "must be the name of a request in the claim or the name of a request and a subrequest "
        "separated by '/'"
    )
    assert refused(GROUP, "ResourceClaim", {"spec": spec}) == [
        f"{path}.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
        f'{path}.requests[1].firstAvailable[1]: Duplicate value: "x"',
        f'{path}.requests[1]: Duplicate value: "a"',
        f'{path}.constraints[0].requests[1]: Duplicate value: "a/x"',
        (
            f'{path}.constraints[0].matchAttribute: Invalid value: "plain": '
            "a fully qualified name must be a domain and a name separated by a slash"
        ),
        f'{path}.constraints[1].requests[0]: Invalid value: "a/y": {not_a_request}',
        f'{path}.constraints[1].distinctAttribute: Invalid value: "": the name must not be empty',
        f'{path}.config[0].requests[0]: Invalid value: "b": {not_a_request}',
        f"{path}.config[0].opaque: Required value",
        (
            f'{path}.config[1].opaque.parameters: Invalid value: "<value omitted>": '
            "must be a valid JSON object"
        ),
    ]


def test_tolerations(refused: Refused) -> None:
    body = claim(
        tolerations=[{"operator": "Exists", "value": "x"}, {"operator": "Odd", "effect": "E"}]
    )
    path = "spec.devices.requests[0].exactly.tolerations"
    assert refused(GROUP, "ResourceClaim", body) == [
        f'{path}[0].value: Invalid value: "x": must be empty for operator `Exists`',
        f'{path}[1].operator: Unsupported value: "Odd": supported values: "Equal", "Exists"',
        (
            f'{path}[1].effect: Unsupported value: "E": supported values: '
            '"NoExecute", "NoSchedule", "None"'
        ),
    ]


def test_a_template_is_for_ever(refused: Refused) -> None:
    old = {"spec": {"spec": claim()["spec"]}}
    new = {"spec": {"metadata": {"labels": {"a": "b"}}, "spec": {"devices": {}}}}
    assert refused(GROUP, "ResourceClaimTemplate", new, old) == [
        (
            'spec: Invalid value: {"labels":{"a":"b"},"Spec":{"Devices":{"Requests":null,'
            '"Constraints":null,"Config":null}}}: field is immutable'
        )
    ]


def test_a_class(refused: Refused) -> None:
    assert refused(GROUP, "DeviceClass", {"spec": {"extendedResourceName": "cpu"}}) == [
        'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'
    ]


def test_a_slice(refused: Refused) -> None:
    pool = {"name": "p", "resourceSliceCount": 1}
    spec = {"driver": "d", "pool": pool}
    assert refused(GROUP, "ResourceSlice", {"spec": spec}) == [
        (
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
            "`perDeviceNodeSelection` is required"
        )
    ]
    both = {**spec, "nodeName": "n", "allNodes": True}
    assert refused(GROUP, "ResourceSlice", {"spec": both}) == [
        (
            'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, '
            "`nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, "
            "but multiple fields are set"
        )
    ]
    device = {
        "name": "d0",
        "attributes": {"v": {"version": "1.0"}, "w": {"int": 1, "bool": True}, "x": {}},
        "capacity": {"m": {"value": "1Gi", "requestPolicy": {"default": "1Mi"}}},
        "taints": [{"key": "k"}],
        "bindingConditions": ["a"],
        "nodeName": "n",
    }
    causes = refused(
        GROUP, "ResourceSlice", {"spec": {**spec, "allNodes": True, "devices": [device]}}
    )
    path = "spec.devices[0]"
    assert causes == [
        (
            f'{path}.attributes[v].version: Invalid value: "1.0": '
            "must be a string compatible with semver.org spec 2.0.0"
        ),
        (
            f'{path}.attributes[w]: Invalid value: {{"IntValue":1,"BoolValue":true,"StringValue":null,'
            '"VersionValue":null}: exactly one value must be specified'
        ),
        f'{path}.attributes[x]: Invalid value: "": exactly one value must be specified',
        f"{path}.capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true",
        f"{path}.taints[0].effect: Required value",
        (
            f"{path}: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
        ),
        (
            f"{path}.bindingFailureConditions: Invalid value: null: "
            "bindingFailureConditions are required to use bindingConditions"
        ),
    ]


def test_how_much_may_be_asked_for(refused: Refused) -> None:
    def causes(**policy: Any) -> list[str]:
        device = {
            "name": "d",
            "allowMultipleAllocations": True,
            "capacity": {"m": {"value": "10", "requestPolicy": policy}},
        }
        pool = {"name": "p", "resourceSliceCount": 1}
        spec = {"driver": "d", "pool": pool, "allNodes": True, "devices": [device]}
        found = refused(GROUP, "ResourceSlice", {"spec": spec})
        return [cause.removeprefix("spec.devices[0].capacity[m].requestPolicy.") for cause in found]

    assert causes(validValues=["1"]) == [
        "default: Required value: required when validValues is defined"
    ]
    assert causes(default="2", validValues=["4", "1", "20"]) == [
        'validValues[1]: Invalid value: "1": values must be sorted in ascending order',
        'validValues[2]: Invalid value: "20": option is larger than capacity value: 10',
        'validValues: Invalid value: "2": default value is not valid according to the requestPolicy',
    ]
    assert causes(default="3", validRange={"min": "2", "max": "11", "step": "2"}) == [
        'validRange.max: Invalid value: "11": max is larger than capacity value: 10',
        'validRange.step: Invalid value: "3": value is not a multiple of a given step (2) from (2)',
        'validRange.step: Invalid value: "11": value is not a multiple of a given step (2) from (2)',
    ]
