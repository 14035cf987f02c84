"""Rules of custom resources at run time: where complaints are, and what is only warned about."""

from __future__ import annotations

from typing import Any

from roost.api.crd.rules import Run, check_rules, compile_rules
from roost.api.crd.values import ABSENT
from roost.api.validation.causes import Causes


def said(schema: Any, value: Any, old: Any = ABSENT) -> tuple[list[str], list[str]]:
    """Return the complaints and the warnings about a value."""
    ruled, causes, warnings = compile_rules(schema), Causes(), list[str]()
    assert ruled is not None
    check_rules(ruled, value, old, Run(causes, warnings))
    return [f"{cause.field}: {cause.message}" for cause in causes], warnings


def holding(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def test_the_whole_object_has_no_path() -> None:
    schema = {**holding(), "x-kubernetes-validations": [{"rule": "self.metadata.name == 'x'"}]}
    assert said(schema, {"metadata": {"name": "y"}})[0] == [
        "<nil>: Invalid value: failed rule: self.metadata.name == 'x'"
    ]


def test_keys_of_maps_are_in_brackets() -> None:
    number = {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}
    schema = holding(m={"type": "object", "additionalProperties": number})
    assert said(schema, {"m": {"a": 0}})[0] == ["m[a]: Invalid value: 0: failed rule: self > 0"]


def test_field_paths_are_shown_as_paths() -> None:
    values = {"type": "object", "additionalProperties": {"type": "string"}}
    inner = holding(**{"a.b": values})
    rule = {"rule": "false", "fieldPath": "['a.b'].k", "reason": "FieldValueRequired"}
    schema = holding(s={**inner, "x-kubernetes-validations": [rule]})
    assert said(schema, {"s": {}})[0] == ["s.a.b[k]: Required value: failed rule: false"]


def test_a_rule_that_fails_is_called_by_its_message() -> None:
    rules = [{"rule": "self.m['x'] == 'y'", "message": "no x"}]
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    schema = holding(s={**holding(m=texts), "x-kubernetes-validations": rules})
    found, _ = said(schema, {"s": {"m": {}}})
    assert found == ["s: Invalid value: no such key: x evaluating rule: no x"]


def test_what_did_not_change_is_only_warned_about() -> None:
    rules = [{"rule": "self > 0"}]
    number = {"type": "integer", "x-kubernetes-validations": rules}
    schema = holding(a=number, l={"type": "array", "items": number})
    told = "a: Invalid value: 0: failed rule: self > 0"
    before = {"a": 0, "l": [0]}
    assert said(schema, {**before, "b": 1}, before) == (
        [],
        [told, "l[0]: Invalid value: 0: failed rule: self > 0"],
    )
    assert said(schema, {"a": 0, "l": [0, 1]}, before) == (
        ["l[0]: Invalid value: 0: failed rule: self > 0"],
        [told],
    )


def test_long_messages_give_way() -> None:
    rule = {"rule": "false", "message": "short", "messageExpression": "self.t"}
    schema = holding(s={**holding(t={"type": "string"}), "x-kubernetes-validations": [rule]})
    assert said(schema, {"s": {"t": "a" * 5120}})[0] == ["s: Invalid value: " + "a" * 5120]
    assert said(schema, {"s": {"t": "a" * 5121}})[0] == ["s: Invalid value: short"]


def test_a_float_is_no_integer_to_a_rule() -> None:
    rules = [{"rule": "self.n == 1.0 && self.l.all(i, i > 0) && self.i > 0 && self.x == 1"}]
    number = {"type": "integer"}
    parts = {
        "n": {"type": "number"}, "i": number, "l": {"type": "array", "items": number},
        "x": {"x-kubernetes-int-or-string": True},
    }  # fmt: skip
    schema = {**holding(**parts), "x-kubernetes-validations": rules}
    fine = {"n": 1, "i": 1, "l": [1], "x": 1}
    named = f"evaluating rule: {rules[0]['rule']}"
    whole = f"<nil>: Invalid value: invalid data, expected int, got float64 {named}"
    either = "expected XIntOrString value to be either a string or integer"
    assert said(schema, fine)[0] == []
    assert said(schema, {**fine, "n": 1.0})[0] == []
    assert said(schema, {**fine, "i": 1.0})[0] == [whole]
    assert said(schema, {**fine, "l": [1.0]})[0] == [whole]
    assert said(schema, {**fine, "x": 1.0})[0] == [
        f"<nil>: Invalid value: invalid data, {either} {named}"
    ]
    single = holding(i={**number, "x-kubernetes-validations": [{"rule": "self > 0"}]})
    assert said(single, {"i": 1.0})[0] == [
        "i: Invalid value: 1: invalid data, expected int, got float64 evaluating rule: self > 0"
    ]
