"""What a definition's schema may not say, in the real server's words."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.crd.judging import check_schema, check_selectable
from roost.api.validation.causes import Causes

TEXT = {"type": "string"}
KEYED = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}


def judged(schema: Any) -> list[tuple[str, str]]:
    causes = Causes()
    check_schema({"type": "object", "properties": {"s": schema}}, "root", causes)
    return [(c.field.removeprefix("root.properties[s]"), c.message) for c in causes]


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        ({}, ".type", "Required value: must not be empty for specified object fields"),
        (
            {"type": "array", "items": {}},
            ".items.type",
            "Required value: must not be empty for specified array items",
        ),
        (
            {"type": "text"},
            ".type",
            (
                'Unsupported value: "text": supported values: "array", "boolean", '
                '"integer", "number", "object", "string"'
            ),
        ),
        (
            {**TEXT, "pattern": "("},
            ".pattern",
            (
                'Invalid value: "(": must be a valid regular expression, '
                "but isn't: error parsing regexp: missing closing ): `(`"
            ),
        ),
        (
            {**TEXT, "default": 5},
            ".default",
            'Invalid value: "integer":  in body must be of type string: "integer"',
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "default": {"b": 1}},
            ".default",
            'Invalid value: {"b":1}: must not have unknown fields',
        ),
        ({**TEXT, "anyOf": [TEXT]}, ".anyOf[0].type", "Forbidden: must be empty to be structural"),
        (
            {**KEYED, "items": {"type": "object", "properties": {"k": TEXT}}},
            ".items.properties[k].default",
            (
                "Required value: this property is in x-kubernetes-list-map-keys, "
                "so it must have a default or be a required property"
            ),
        ),
        (
            {"type": "array", "items": TEXT, "uniqueItems": True},
            ".uniqueItems",
            (
                "Forbidden: uniqueItems cannot be set to true since the runtime complexity "
                "becomes quadratic"
            ),
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT},
            ".additionalProperties",
            "Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True},
            ".properties",
            (
                "Required value: must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields"
            ),
        ),
    ],
)
def test_schema(schema: Any, path: str, message: str) -> None:
    assert judged(schema) == [(path, message)]


def test_what_is_good_is_let_be() -> None:
    parts = {**KEYED, "items": {"type": "object", "required": ["k"], "properties": {"k": TEXT}}}
    either = {
        "x-kubernetes-int-or-string": True,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }
    rule = {"rule": "self.list.all(x, x.startsWith('a'))", "message": "m"}
    bounded = {"type": "array", "maxItems": 9, "items": {**TEXT, "maxLength": 9}}
    whole = {
        "type": "object",
        "properties": {"parts": parts, "either": either, "list": bounded},
        "x-kubernetes-validations": [rule],
    }
    assert judged(whole) == []


@pytest.mark.parametrize(
    ("rule", "field", "message"),
    [
        (
            {"rule": "self.size() > 'a'"},
            "rule",
            "found no matching overload for '_>_' applied to '(int, string)'",
        ),
        ({"rule": "self.size()"}, "rule", "cel expression must evaluate to a bool"),
        ({"rule": "true", "message": "a\nb"}, "message", "must not contain line breaks"),
        ({"rule": "true\n"}, "", ""),
        ({"rule": "self ==\n'a'"}, "message", "must be specified if rule contains line breaks"),
        (
            {"rule": "true", "messageExpression": "1"},
            "messageExpression",
            "must evaluate to a string",
        ),
        ({"rule": "true", "reason": "Odd"}, "reason", "Unsupported value"),
        ({"rule": "true", "fieldPath": ".a"}, "fieldPath", "must be a valid path"),
    ],
)
def test_rule(rule: Any, field: str, message: str) -> None:
    found = judged({**TEXT, "maxLength": 9, "x-kubernetes-validations": [rule]})
    if not field:
        assert found == []
        return
    assert [path for path, _ in found] == [f".x-kubernetes-validations[0].{field}"]
    assert message in found[0][1]


def test_old_values_of_elements_that_cannot_be_told_apart() -> None:
    item = {**TEXT, "maxLength": 5, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    found = judged({"type": "array", "maxItems": 3, "x-kubernetes-list-type": "set", "items": item})
    assert found == [
        (
            ".items.x-kubernetes-validations[0].rule",
            (
                'Invalid value: "self == oldSelf": oldSelf cannot be used on '
                "the uncorrelatable portion of the schema within root.properties[s]"
            ),
        )
    ]


def test_old_values_of_fields_of_what_is_written_as_one_thing() -> None:
    field = {**TEXT, "maxLength": 5, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    schema = {"type": "object", "properties": {"a": field}}
    assert judged(schema) == []
    found = judged({**schema, "x-kubernetes-map-type": "atomic"})
    assert [path for path, _ in found] == [".properties[a].x-kubernetes-validations[0].rule"]
    assert found[0][1].endswith("uncorrelatable portion of the schema within root.properties[s]")


def test_costs_grow_with_what_is_not_bounded() -> None:
    rule = {"rule": "self.contains('aaaa')", "message": "m"}
    few = {"type": "array", "maxItems": 5, "items": {**TEXT, "x-kubernetes-validations": [rule]}}
    assert judged({**few, "items": {**few["items"], "maxLength": 10}}) == []
    many = {"type": "array", "items": {"type": "array", "items": few["items"]}}
    assert "exceeds budget by factor of more than 100x" in judged(many)[0][1]


@pytest.mark.parametrize(
    "rule", ["self.startsWith('x')", "isIP(self)", "self == 'a'", "quantity(self).sign() > 0"]
)
def test_rules_that_look_at_little_of_a_text_may_stand_for_each_of_many(rule: str) -> None:
    items = {**TEXT, "x-kubernetes-validations": [{"rule": rule}]}
    assert judged({"type": "array", "items": items}) == []


def test_selectable_fields() -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": TEXT}}},
    }
    paths = (".spec.a", ".spec.b", "x", ".metadata.name", ".spec", ".spec.a")
    causes = Causes()
    version = {
        "schema": {"openAPIV3Schema": schema},
        "selectableFields": [{"jsonPath": p} for p in paths],
    }
    check_selectable(version, "f", causes)
    assert [c.field for c in causes] == [f"f[{n}].jsonPath" for n in (1, 2, 3, 4, 5)]
    assert causes[0].message.endswith("is an invalid path: does not refer to a valid field")
    assert causes[4].reason == "FieldValueDuplicate"


def whole(schema: Any, *, status: bool = False) -> list[str]:
    causes = Causes()
    check_schema(schema, "root", causes, status=status)
    return [f"{c.field}: {c.message}" for c in causes]


def test_what_is_restricted_at_the_root_is_there() -> None:
    restricted = {"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]}
    assert whole(restricted) == [
        "root.properties[a]: Required value: because it is defined in root.anyOf[0].properties[a]"
    ]


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "array"}, [(".items", "Required value: must be specified")]),
        (
            {"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True},
            [
                (
                    ".x-kubernetes-preserve-unknown-fields",
                    "Invalid value: true: must be false if x-kubernetes-int-or-string is true",
                )
            ],
        ),
        (
            {
                "x-kubernetes-int-or-string": True,
                "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "^a"}],
            },
            [],
        ),
        (
            {"type": "object", "not": {"properties": {"metadata": {"minLength": 1}}}},
            [
                (
                    ".not.properties[metadata]",
                    "Forbidden: must not be specified in a nested context",
                )
            ],
        ),
        (
            {**KEYED, "x-kubernetes-list-map-keys": ["k", "k", "z"], "items": {
                "type": "object", "required": ["k"],
                "properties": {"k": {"type": "array", "items": TEXT}},
            }},
            [
                (
                    ".items.properties[k].type",
                    (
                        'Invalid value: "object": must be a scalar type if parent array\'s '
                        "x-kubernetes-list-type is map"
                    ),
                ),
                (
                    ".items.properties[k].type",
                    (
                        'Invalid value: "object": must be a scalar type if parent array\'s '
                        "x-kubernetes-list-type is map"
                    ),
                ),
                (
                    ".x-kubernetes-list-map-keys",
                    'Invalid value: ["k","k","z"]: must not contain duplicate entries',
                ),
                (
                    ".x-kubernetes-list-map-keys",
                    'Invalid value: ["k","k","z"]: entries must all be names of item properties',
                ),
            ],
        ),
        (
            {"type": "array", "items": TEXT, "x-kubernetes-list-type": "bag"},
            [
                (
                    ".x-kubernetes-list-type",
                    'Unsupported value: "bag": supported values: "atomic", "set", "map"',
                )
            ],
        ),
        (
            {"type": "null"},
            [
                (
                    ".type",
                    (
                        'Unsupported value: "null": supported values: "array", "boolean", '
                        '"integer", "number", "object", "string"'
                    ),
                ),
                (
                    ".type",
                    "Forbidden: type cannot be set to null, use nullable as an alternative",
                ),
            ],
        ),
        ({"type": "object", "$ref": "#/x"}, [(".$ref", "Forbidden: $ref is not supported")]),
    ],
)  # fmt: skip
def test_more_of_schemas(schema: Any, found: list[tuple[str, str]]) -> None:
    assert judged(schema) == found


def test_the_root_of_a_schema() -> None:
    assert whole({"type": "object", "additionalProperties": TEXT, "nullable": True}) == [
        "root.nullable: Forbidden: nullable cannot be true at the root",
        "root.additionalProperties: Forbidden: must not be used at the root",
    ]
    meta = {"type": "object", "properties": {"name": {**TEXT, "default": "a"}}}
    assert whole({"type": "object", "properties": {"metadata": meta}}) == [
        (
            "root.properties[metadata].properties[name].default: Forbidden: "
            "must not be set in top-level metadata"
        )
    ]
    (cause,) = whole({"type": "object", "minProperties": 1}, status=True)
    assert cause.startswith('root: Invalid value: {"ID":"","Schema":"","Ref":null,"Description":""')
    assert cause.endswith(
        "are allowed at the root of the schema if the status subresource is enabled"
    )


def test_rules_of_a_part_that_is_wrong_are_let_be() -> None:
    part = {"type": "object", "x-kubernetes-validations": [{"rule": "self.nope"}, {"rule": " "}]}
    assert judged(part) == [
        (".x-kubernetes-validations[1].rule", "Required value: rule is not specified")
    ]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (".spec", ("must point to a field of type string, boolean or integer. Enum string fields "
                  "and strings with formats are allowed.")),
        (".spec['a']", "is an invalid path: array notation is not allowed"),
        (".spec.", "is an invalid path: unexpected end of JSON path"),
        (".metadata.name", "is an invalid path: does not refer to a valid field"),
        ("spec", "is an invalid path: expected [ or . but got: spec"),
    ],
)  # fmt: skip
def test_paths_of_selectable_fields(path: str, fault: str) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": TEXT}}},
    }
    causes = Causes()
    version = {"schema": {"openAPIV3Schema": schema}, "selectableFields": [{"jsonPath": path}]}
    check_selectable(version, "f", causes)
    assert [cause.message for cause in causes] == [f'Invalid value: "{path}": {fault}']


def test_defaults_obey_the_rules_of_their_schema() -> None:
    positive = [{"rule": "self > 0", "message": "must be positive"}]
    number = {"type": "integer", "default": 0, "x-kubernetes-validations": positive}
    assert judged(number) == [(".default", "Invalid value: 0: must be positive")]
    assert judged({**number, "default": 1}) == []
    inside = {
        "type": "object",
        "default": {"b": 0},
        "properties": {"b": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.b > 0", "fieldPath": ".b"}],
    }
    assert judged(inside) == [(".default.b", "Invalid value: failed rule: self.b > 0")]
    fresh = [{"rule": "oldSelf.hasValue() || self > 1", "optionalOldSelf": True}]
    assert judged({**number, "default": 1, "x-kubernetes-validations": fresh}) == [
        (".default", "Invalid value: 1: failed rule: oldSelf.hasValue() || self > 1")
    ]


def test_parts_of_defaults() -> None:
    texts = {"type": "array", "items": TEXT, "default": [5]}
    message = 'Invalid value: "integer": [0] in body must be of type string: "integer"'
    assert judged(texts) == [(".default.[0]", message)]
    whole = Causes()
    check_schema({"type": "object", "default": {}}, "root", whole)
    assert [cause.field for cause in whole] == ["root.default.apiVersion", "root.default.kind"]


def test_rules_say_yes_or_no() -> None:
    either = {"x-kubernetes-int-or-string": True, "x-kubernetes-validations": [{"rule": "self"}]}
    assert judged(either)[0][1].endswith("cel expression must evaluate to a bool")
    idle = [{"rule": "self > 0", "optionalOldSelf": False}]
    assert judged({"type": "integer", "x-kubernetes-validations": idle}) == [
        (
            ".x-kubernetes-validations[0].optionalOldSelf",
            "Invalid value: false: may not be set if oldSelf is not used in rule",
        )
    ]
