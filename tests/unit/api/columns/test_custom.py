"""Columns of custom resources and their JSON paths."""

from typing import Any

import pytest

from roost.api.columns.custom import compile_path, custom_columns

VALUE = {
    "metadata": {
        "name": "x",
        "labels": {"a.b/c": "l"},
        "creationTimestamp": "1970-01-01T00:00:00Z",
    },
    "spec": {"size": 3, "items": [{"k": 1}, {"k": 2}], "on": False},
    "status": {"conditions": [{"type": "A", "status": "x"}, {"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("{.spec.size}", [3]),
        (".spec.absent.deep", []),
        (r".metadata.labels.a\.b/c", ["l"]),
        (".metadata.labels['a.b/c']", ["l"]),
        ('.metadata.labels["a.b/c"]', ["l"]),
        (".spec.items[1].k", [2]),
        (".spec.items[-1].k", [2]),
        (".spec.items[5].k", []),
        (".spec.items[*].k", [1, 2]),
        (".spec.items[0:1].k", [1]),
        (".spec.items[?(@.k>1)].k", [2]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        (".status.conditions[?(@.status>1)].type", []),
        (".spec.items[?(@.k)].k", [1, 2]),
        (".spec.items[?(@.none)].k", []),
        (".spec.items[0,1].k", [1, 2]),
        (".spec.items[1,5,0].k", [2, 1]),
        (".spec['on','size']", [False, 3]),
        (".spec.items[0:2:2].k", [1]),
        ("..k", [1, 2]),
        (".status..type", ["A", "Ready"]),
        (".status..[0].type", ["A"]),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    assert compile_path(path)(VALUE) == found


@pytest.mark.parametrize(
    "path", ["x", ".a[", ".a[?(@.x==y)]", "..", ".a[-]", ".a[0:1:0]", ".a...b"]
)
def test_bad_paths(path: str) -> None:
    with pytest.raises(ValueError):
        compile_path(path)


def row(*printed: dict[str, Any]) -> list[Any]:
    return [column.cell(VALUE, 90.0) for column in custom_columns(printed)]


def test_cells_are_of_the_type_of_their_column() -> None:
    def column(path: str, kind: str) -> dict[str, Any]:
        return {"name": "N", "type": kind, "jsonPath": path}

    assert row(
        column(".spec.size", "integer"),
        column(".spec.size", "string"),
        column(".spec.size", "boolean"),
        column(".spec.on", "boolean"),
        column(".spec.on", "integer"),
        column(".spec.items[*].k", "string"),
        column(".spec.items[0]", "string"),
        column(".metadata.creationTimestamp", "date"),
        column(".metadata.name", "date"),
        column(".spec.absent", "string"),
    ) == ["x", 3, "3", None, False, None, "1", '{"k":1}', "90s", "<invalid>", None]


def test_at_a_path_that_makes_no_sense_the_columns_end() -> None:
    paths = (".spec.size", ".spec[", ".spec.on")
    printed = [{"name": path, "type": "string", "jsonPath": path} for path in paths]
    assert [column.name for column in custom_columns(printed)] == ["Name", ".spec.size"]


def test_without_columns_there_are_name_and_age() -> None:
    columns = custom_columns(None)
    assert [(c.name, c.type) for c in columns] == [("Name", "string"), ("Age", "date")]
    assert row() == ["x", "90s"]


def test_descriptions() -> None:
    path = {"name": "S", "type": "integer", "jsonPath": ".spec.size"}
    assert custom_columns([path])[1].description == (
        "Custom resource definition column (in JSONPath format): .spec.size"
    )
    assert custom_columns([{**path, "description": "how big"}])[1].description == "how big"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<no value>"),
        (2.0, "2"),
        (1.5, "1.5"),
        (-0.25, "-0.25"),
        (123456.5, "123456.5"),
        (1000000.0, "1e+06"),
        (-1.25e-7, "-1.25e-07"),
        (0.0001, "0.0001"),
        (0.0, "0"),
        (10, "10"),
    ],
)
def test_text_is_as_go_prints_it(value: Any, text: str) -> None:
    (_, column) = custom_columns([{"name": "N", "type": "string", "jsonPath": ".spec"}])
    assert column.cell({"spec": value}, 0.0) == text
