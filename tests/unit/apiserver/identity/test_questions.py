"""What access reviews may not ask, in the words of a real server."""

from typing import Any

import pytest

from roost.apiserver.questions import local_faults, self_faults, subject_faults

ASKED = {"resource": "pods", "verb": "get"}
SELECTOR = "spec.resourceAttributes.fieldSelector"


def asking(**more: Any) -> dict[str, Any]:
    return {"spec": {"user": "u", "resourceAttributes": {**ASKED, **more}}}


def told(faults: Any) -> list[str]:
    return [f"{fault.field}: {fault.message}" for fault in faults]


@pytest.mark.parametrize(
    ("selector", "fault"),
    [
        (
            {"rawSelector": "a=b", "requirements": [{"key": "k", "operator": "Exists"}]},
            ".rawSelector: Invalid value: \"a=b\": may not specified at the same time as requirements",
        ),
        (
            {},
            (f".requirements: Required value: when {SELECTOR} is specified, requirements or "
            "rawSelector is required"),
        ),
        (
            {"requirements": [{"operator": "Newer"}]},
            ".requirements[0].key: Required value: must be specified",
        ),
        (
            {"requirements": [{"key": "a", "operator": "In"}]},
            (".requirements[0].values: Required value: must be specified when `operator` is "
            "'In' or 'NotIn'"),
        ),
    ],
)  # fmt: skip
def test_selectors_of_fields(selector: Any, fault: str) -> None:
    assert told(subject_faults(asking(fieldSelector=selector))) == [SELECTOR + fault]


def test_selectors_of_labels() -> None:
    one = {"key": "a b", "operator": "Exists", "values": ["x"]}
    found = told(self_faults(asking(labelSelector={"requirements": [one]})))
    path = "spec.resourceAttributes.labelSelector.requirements[0]"
    assert found[0].startswith(f"{path}.values: Forbidden: may not be specified")
    assert found[1].startswith(f'{path}.key: Invalid value: "a b": name part must consist of')


def test_metadata_must_be_empty() -> None:
    managed = [{"manager": "m"}]
    body = {**asking(), "metadata": {"managedFields": managed}}
    assert subject_faults(body) == []
    body["metadata"] = {"managedFields": managed, "name": "x"}
    shown = '{"name":"x","managedFields":[{"manager":"m"}]}'
    assert told(subject_faults(body)) == [f"metadata: Invalid value: {shown}: must be empty"]
    fields = {"f:spec": {"f:user": {}, "f:resourceAttributes": {"f:verb": {}, ".": {}}}}
    body["metadata"] = {"labels": {"b": "1", "a": "2"}, "managedFields": [{"fieldsV1": fields}]}
    shown = (
        '{"labels":{"a":"2","b":"1"},"managedFields":[{"fieldsV1":'
        '{"f:spec":{"f:resourceAttributes":{".":{},"f:verb":{}},"f:user":{}}}}]}'
    )
    assert told(subject_faults(body)) == [f"metadata: Invalid value: {shown}: must be empty"]
    body["metadata"] = {"managedFields": managed, "name": "x"}
    body["spec"]["resourceAttributes"]["namespace"] = "ns"
    assert told(local_faults(body, "ns")) == [
        (
            'metadata: Invalid value: {"name":"x","namespace":"ns","managedFields":[{"manager":"m"}]}: '
            "must be empty except for namespace"
        )
    ]
