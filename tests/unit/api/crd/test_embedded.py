"""Objects in objects, and what numbers and allOf are told."""

from typing import Any

import pytest

from roost.api.crd.kinds import Judge
from roost.api.kind import Change

EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


def judged(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {"type": "object", "properties": {"s": schema}}
    judge = Judge(whole, namespaced=True, replicas=None)
    body = {"metadata": {"name": "a", "namespace": "b"}, "s": value}
    return [f"{cause.field}: {cause.message}" for cause in judge(Change(body))]


@pytest.mark.parametrize(
    ("value", "causes"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}, []),
        (
            {},
            [
                "s.apiVersion: Required value: must not be empty",
                "s.kind: Required value: must not be empty",
            ],
        ),
        (
            {"apiVersion": "a/b/c", "kind": ""},
            [
                's.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
                's.kind: Invalid value: "": must not be empty',
            ],
        ),
        (
            {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a/b"}},
            ["s.metadata.name: Invalid value: \"a/b\": may not contain '/'"],
        ),
    ],
)
def test_embedded_objects(value: Any, causes: list[str]) -> None:
    assert judged(EMBEDDED, value) == causes


def test_all_of() -> None:
    schema = {"type": "string", "allOf": [{"minLength": 3}, {"pattern": "^a"}]}
    short = 's: Invalid value: "%s": s in body should be at least 3 chars long'
    told = '<nil>: Invalid value: "": "s" must validate all the schemas (allOf)'
    assert judged(schema, "aaa") == []
    assert judged(schema, "a") == [short % "a", told]
    assert judged(schema, "b")[-1] == f"{told}. None validated"


def test_integers_of_a_format() -> None:
    assert judged({"type": "integer", "format": "int32"}, 1 << 31) == [
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in s'
    ]
