"""Values against schemas, and names against each other."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.crd.celtypes import declared, escape
from roost.api.crd.formats import unknown_formats
from roost.api.crd.kinds import served_of
from roost.api.crd.naming import settled
from roost.api.crd.values import ABSENT, compile_schema
from roost.api.validation.causes import Causes


def complaints(schema: Any, value: Any, old: Any = ABSENT) -> list[tuple[str, str, str]]:
    causes = Causes()
    compile_schema({"type": "object", "properties": {"v": schema}})(
        {"v": value}, old if old is ABSENT else {"v": old}, "", causes
    )
    return [(c.field, c.reason, c.message) for c in causes]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (
            {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
            1,
            "v in body should be greater than 1",
        ),
        ({"type": "number", "maximum": 1.5}, 1.6, "v in body should be less than or equal to 1.5"),
        ({"type": "number", "maximum": 1.5}, 2, "v in body should be less than or equal to 1"),
        ({"type": "number", "minimum": 2e6}, 0.5, "should be greater than or equal to 2e+06"),
        ({"type": "string", "format": "isbn"}, "0321751042", 'must be of type isbn: "0321751042"'),
        ({"type": "string", "format": "rgbcolor"}, "rgb(1,2,256)", 'rgbcolor: "rgb(1,2,256)"'),
        ({"type": "string", "format": "ssn"}, "111223333", 'must be of type ssn: "111223333"'),
        (
            {"type": "string", "format": "creditcard"},
            "4111111111111112",
            'must be of type creditcard: "4111111111111112"',
        ),
        ({"type": "string"}, 3.0, 'v in body must be of type string: "number"'),
        ({"type": "string", "format": "date"}, 5, 'v in body must be of type date: "int64"'),
        ({"type": "string", "format": "date"}, True, 'v in body must be of type date: ""'),
        (
            {"type": "object", "additionalProperties": False},
            {"a": 1},
            "v.a in body is a forbidden property",
        ),
        (
            {"type": "object", "maxProperties": 1, "required": ["c"]},
            {"a": 1, "b": 2},
            "Too many: 2: must have at most 1 item",
        ),
        ({"type": "string", "nullable": True, "enum": ["a"]}, None, 'supported values: "a"'),
        ({"type": "number", "multipleOf": 0.5}, 0.3, "v in body should be a multiple of 0.5"),
        ({"type": "string", "minLength": 2}, "a", "v in body should be at least 2 chars long"),
        ({"type": "string", "pattern": "^a"}, "b", "v in body should match '^a'"),
        ({"type": "string", "format": "ipv4"}, "x", 'v in body must be of type ipv4: "x"'),
        ({"type": "string", "format": "email"}, "a@b", 'must be of type email: "a@b"'),
        ({"type": "string", "format": "email"}, "a@b.c1", 'must be of type email: "a@b.c1"'),
        ({"type": "string", "format": "email"}, ".a@b.c", 'must be of type email: ".a@b.c"'),
        ({"type": "string", "format": "email"}, "a@-b.c", 'must be of type email: "a@-b.c"'),
        ({"type": "string", "format": "email"}, "a b@c.d", 'must be of type email: "a b@c.d"'),
        ({"type": "string", "format": "email"}, "a@b.", 'must be of type email: "a@b."'),
        ({"type": "string", "format": "quantity"}, "1Xi", 'must be of type quantity: "1Xi"'),
        ({"type": "string", "format": "k8s-short-name"}, "a.b", 'type k8s-short-name: "a.b"'),
        ({"type": "string", "format": "k8s-short-name"}, "A", 'type k8s-short-name: "A"'),
        ({"type": "string", "format": "k8s-long-name"}, "a..b", 'type k8s-long-name: "a..b"'),
        ({"type": "array", "minItems": 1}, [], "v in body should have at least 1 items"),
        ({"type": "object", "minProperties": 1}, {}, "v in body should have at least 1 properties"),
        ({"type": "string"}, None, 'v in body must be of type string: "null"'),
        (
            {"x-kubernetes-int-or-string": True},
            1.5,
            'v in body must be of type integer,string: "number"',
        ),
        (
            {"type": "object", "not": {"required": ["a"]}},
            {"a": 1},
            '"v" must not validate the schema (not)',
        ),
    ],
)
def test_refused(schema: Any, value: Any, message: str) -> None:
    found = complaints(schema, value)
    assert len(found) == 1
    assert found[0][2].endswith(message)
    assert complaints(schema, value, value) == []  # what has not changed is not judged again


def test_a_wrong_type_may_be_wrong_in_other_ways_too() -> None:
    assert complaints({"type": "string", "anyOf": [{"format": "ipv4"}]}, "x")[0][0] == "<nil>"
    assert not complaints({"type": "string", "format": "creditcard"}, "4111 1111 1111 1111")
    assert not complaints({"type": "string", "format": "isbn"}, "978-0321751041")
    found = complaints({"type": "integer", "enum": [1, 2]}, "x")
    assert [message for _, _, message in found] == [
        'Invalid value: "string": v in body must be of type integer: "string"',
        'Unsupported value: "x": supported values: "1", "2"',
    ]
    either = {
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }
    assert [path for path, _, _ in complaints(either, 1.5)] == ["v", "<nil>", "v"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "nullable": True}, None),
        ({"type": "integer"}, 2.0),
        ({"type": "number"}, 2),
        ({"type": "string", "format": "odd"}, "x"),
        ({"type": "string", "format": "quantity"}, "1.5Gi"),
        ({"type": "string", "format": "email"}, "a.b+c@d-e.example.org"),
        ({"type": "string", "format": "email"}, '"a b"@example.org.'),
        ({"type": "string", "format": "k8s-short-name"}, "a-1"),
        ({"type": "string", "format": "k8s-long-name"}, f"a-1.{'b' * 70}"),
        ({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1}),
    ],
)
def test_accepted(schema: Any, value: Any) -> None:
    assert complaints(schema, value) == []


def test_one_of_tells_what_is_missing() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    none, both = complaints(schema, {}), complaints(schema, {"a": 1, "b": 1})
    assert none[0][2].endswith("(oneOf). Found none valid")
    assert none[1] == ("v.a", "FieldValueRequired", "Required value")
    assert both[0][2].endswith("(oneOf). Found 2 valid alternatives")


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a", "a"),
        ("a-b.c/d", "a__dash__b__dot__c__slash__d"),
        ("in", "__in__"),
        ("a__b", "a__underscores__b"),
        ("1a", None),
        ("a b", None),
    ],
)
def test_names_of_properties_in_rules(name: str, escaped: str | None) -> None:
    assert escape(name) == escaped


def test_sizes_follow_from_the_schema() -> None:
    of = declared({"type": "array", "items": {"type": "string", "maxLength": 7}})
    assert of is not None
    assert of.params[0].max_elements == 7
    assert of.max_elements == (3 * 1024 * 1024 - 2) // 3


def named(name: str, **names: Any) -> dict[str, Any]:
    wanted = {
        "plural": name,
        "singular": name[:-1],
        "kind": name.title(),
        "listKind": f"{name}List",
        **names,
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {}}}
    spec = {"group": "g.io", "scope": "Cluster", "names": wanted, "versions": [version]}
    return {"metadata": {"name": f"{name}.g.io"}, "spec": spec}


def test_names_are_kept_once_they_are_accepted() -> None:
    first = named("toys")
    first["status"] = settled(first, [], "t1")
    second = named("games", kind="Toys", shortNames=["toys", "g"])
    status = settled(second, [first], "t2")
    assert status["acceptedNames"] == {
        "plural": "games",
        "singular": "game",
        "listKind": "gamesList",
    }
    assert [c["reason"] for c in status["conditions"]] == ["KindConflict", "NotAccepted"]
    second["status"] = status
    assert settled(second, [], "t3")["conditions"][1]["status"] == "True"
    again = settled(first, [{**second, "status": {"acceptedNames": first["spec"]["names"]}}], "t4")
    assert again == first["status"]


def test_a_deprecated_version_warns_and_names_a_better_one() -> None:
    definition = named("toys")
    old = {
        **definition["spec"]["versions"][0],
        "name": "v1beta1",
        "storage": False,
        "deprecated": True,
    }
    definition["spec"]["versions"].append(old)
    kinds = {one.kind.version: one.kind for one in served_of(definition)}
    assert kinds["v1beta1"].warning == "g.io/v1beta1 Toys is deprecated; use g.io/v1 Toys"
    assert (kinds["v1"].warning, kinds["v1"].convert) == ("", None)


@pytest.mark.parametrize("key", ["anyOf", "oneOf"])
def test_the_alternative_that_looked_at_the_most_complains(key: str) -> None:
    texts = {"type": "object", "properties": {n: {"type": "string"} for n in ("a", "b")}}
    either = [
        {"required": ["c"]},
        {"properties": {"a": {"pattern": "^x"}}, "required": ["d"]},
        {"properties": {"a": {"pattern": "^y"}}},
    ]
    found = complaints({**texts, key: either}, {"a": "z"})
    assert [field for field, _, _ in found] == ["<nil>", "v.a", "v.d"]
    assert complaints({**texts, key: either}, {"b": "z", "e": 1, "a": "y"}) == []
    found = complaints({**texts, key: [either[0], {"maxProperties": 0}]}, {"a": "z"})
    assert [field for field, _, _ in found] == ["<nil>", "v.c"]


def test_alternatives_within_alternatives() -> None:
    inner = [{"properties": {"a": {"enum": ["x"]}, "b": {"minLength": 9}}}]
    schema = {"type": "object", "anyOf": [{"required": ["c"]}, {"oneOf": inner}]}
    found = complaints(schema, {"a": "z", "b": "z"})
    assert [field for field, _, _ in found] == ["<nil>", "<nil>", "v.a", "v.b"]


@pytest.mark.parametrize("value", [None, 1, 1.5, "z", ["z"], True])
def test_alternatives_are_weighed_for_every_kind_of_value(value: Any) -> None:
    texts = {"anyOf": [{"not": {}}, {"not": {}, "format": "ipv4", "items": {"type": "string"}}]}
    said = complaints(texts, value)
    assert said == [] if value is None else said[0][0] == "<nil>"


CHECKED = "value must be of type integer with format int32 in v"


@pytest.mark.parametrize(
    ("schema", "value", "messages"),
    [
        ({"type": "integer"}, 1e3, []),
        ({"type": "integer"}, 1000000000.0001, []),
        ({"type": "integer"}, 1000000.5, ['must be of type integer: "number"']),
        ({"type": "integer"}, 1e17, ['must be of type integer: "number"']),
        ({"type": "integer"}, 1 << 60, []),
        ({"x-kubernetes-int-or-string": True}, 2.0**63, ['integer,string: "number"']),
        ({"type": "integer", "format": "int32"}, 1e3, []),
        (
            {"type": "integer", "format": "int32"},
            1.5,
            ['must be of type int32: "float64"', f"Checked {CHECKED}"],
        ),
        (
            {"type": "integer", "format": "int32", "maximum": 4294967295},
            1,
            [f"Maximum boundary {CHECKED}"],
        ),
        (
            {"type": "integer", "format": "int32", "minimum": 0.5, "maximum": 4294967295},
            0,
            [
                f"Minimum boundary {CHECKED}",
                "should be greater than or equal to 0.5",
                f"Maximum boundary {CHECKED}",
            ],
        ),
        (
            {"type": "integer", "format": "int32", "multipleOf": 0.5},
            1,
            [f"MultipleOf {CHECKED}"],
        ),
        ({"type": "integer", "format": "int64", "maximum": 4294967295}, 1, []),
        ({"type": "number", "format": "float", "maximum": 1e39}, 1, ["with format float in v"]),
        ({"type": "number", "format": "double", "maximum": 1e39}, 1, []),
        ({"type": "number", "multipleOf": 0.1}, 0.3, []),
        ({"type": "number", "enum": [1, 2]}, 1.5, []),
        ({"type": "number", "enum": [1.5]}, 1, ["Unsupported value"]),
    ],
)
def test_numbers(schema: Any, value: Any, messages: list[str]) -> None:
    found = [message for _, _, message in complaints(schema, value)]
    assert len(found) == len(messages)
    for told, wanted in zip(found, messages, strict=True):
        assert wanted in told


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "integer", "format": "int32"}, []),
        ({"type": "integer", "anyOf": [{"format": "int32"}]}, ["int32"]),
        ({"type": "number", "format": "int32"}, ["int32"]),
        ({"type": "number", "format": "double"}, []),
        ({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "k8s-long-name"}]}, []),
        ({"type": "object", "format": "date"}, ["date"]),
    ],
)
def test_formats_that_nobody_knows(schema: Any, named: list[str]) -> None:
    told = [f'unrecognized format "{name}"' for name in named]
    assert list(unknown_formats(schema)) == told
