"""Tables as answers."""

import json

import pytest

from roost.api.errors import BadRequest
from roost.api.groups import ALL_KINDS
from roost.api.kind import Kind
from roost.api.table import bare, definitions, partial_metadata, table
from roost.api.values import Object


def kind_of(plural: str) -> Kind:
    return next(kind for kind in ALL_KINDS if kind.plural == plural)


def named(name: str, **more: object) -> Object:
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": name}, **more}


def test_a_table_has_definitions_and_rows() -> None:
    value = named("c", data={"a": "1"})
    out = table(kind_of("configmaps"), [value], now=0.0, metadata={"resourceVersion": "7"})
    assert out["kind"] == "Table"
    assert out["apiVersion"] == "meta.k8s.io/v1"
    assert out["metadata"] == {"resourceVersion": "7"}
    assert [column["name"] for column in out["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert out["rows"] == [{"cells": ["c", 1, "<unknown>"], "object": partial_metadata(value)}]


def test_descriptions_come_from_the_schema() -> None:
    first, data, _ = definitions(kind_of("configmaps").columns)
    assert first == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": first["description"],
        "priority": 0,
    }
    assert first["description"].startswith("Name must be unique within a namespace.")
    assert data["description"].startswith("Data contains the configuration data.")


def test_no_description_is_missing_in_the_schema() -> None:
    for kind in ALL_KINDS:
        for column in definitions(kind.columns):
            assert column["description"] or column["name"] == "Handler", (kind.name, column)
            assert not column["description"].startswith("schema:")


def test_a_kind_without_columns_has_name_and_time() -> None:
    value = named("l")
    value["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    out = table(kind_of("limitranges"), [value], now=0.0, metadata={})
    assert [(c["name"], c["type"]) for c in out["columnDefinitions"]] == [
        ("Name", "string"),
        ("Created At", "date"),
    ]
    assert out["rows"][0]["cells"] == ["l", "2026-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("include", "shown"),
    [("None", None), ("Object", named("c")), ("", partial_metadata(named("c")))],
)
def test_what_a_row_includes(include: str, shown: Object | None) -> None:
    out = table(
        kind_of("configmaps"), [named("c")], now=0.0, metadata={}, include=include,
        with_definitions=False,
    )  # fmt: skip
    assert out["rows"][0]["object"] == shown
    assert out["columnDefinitions"] is None


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        table(kind_of("configmaps"), [], now=0.0, metadata={}, include="Some")
    assert caught.value.message == (
        'Unable to convert to Table as requested: includeObject: Invalid value: "Some": '
        "must be 'Metadata', 'Object', 'None', or empty"
    )


def test_pods_that_are_done_have_row_conditions() -> None:
    done, runs = named("d", status={"phase": "Succeeded"}), named("r", status={"phase": "Running"})
    rows = table(kind_of("pods"), [done, runs], now=0.0, metadata={})["rows"]
    assert rows[0]["conditions"][0]["type"] == "Completed"
    assert "conditions" not in rows[1]


def test_flow_schemas_come_by_precedence() -> None:
    values = [
        named("b", spec={"matchingPrecedence": 9}),
        named("a", spec={"matchingPrecedence": 1}),
    ]
    rows = table(kind_of("flowschemas"), values, now=0.0, metadata={})["rows"]
    assert [row["cells"][0] for row in rows] == ["a", "b"]


def test_the_old_annotation_of_a_daemon_set_is_of_its_versions_only() -> None:
    annotations = {"deprecated.daemonset.template.generation": "1", "a": "b"}
    value = named("d")
    value["metadata"]["annotations"] = annotations
    rows = table(kind_of("daemonsets"), [value], now=0.0, metadata={})["rows"]
    assert rows[0]["object"]["metadata"]["annotations"] == {"a": "b"}
    assert value["metadata"]["annotations"] == annotations


def test_an_older_version_shows_what_all_versions_share() -> None:
    (kind,) = [k for k in ALL_KINDS if (k.name, k.version) == ("HorizontalPodAutoscaler", "v1")]
    metric = {"type": "Pods", "pods": {"metricName": "m", "targetAverageValue": "5"}}
    note = {"autoscaling.alpha.kubernetes.io/metrics": json.dumps([metric])}
    spec = {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    value = {"metadata": {"name": "h", "annotations": note}, "spec": spec}
    (row,) = table(kind, [value], now=0.0, metadata={})["rows"]
    assert row["cells"][2] == "cpu: <unknown>/50%, <unknown>/5"
    assert row["object"]["metadata"] == {"name": "h"}
    assert bare(kind, value)["metadata"] == {"name": "h"}
    (row,) = table(kind, [value], now=0.0, metadata={}, include="Object")["rows"]
    assert row["object"] == value
