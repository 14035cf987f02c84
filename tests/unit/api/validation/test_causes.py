"""Causes are worded as in Go."""

import pytest

from roost.api.validation.causes import Causes, Structure, quoted, shown
from roost.api.validation.differences import difference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", '"plain"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\nb\x01", '"a\\nb\\x01"'),
        ("é", '"é"'),
        ("\u200b", '"\\u200b"'),
    ],
)
def test_texts_are_quoted_as_go_does(text: str, expected: str) -> None:
    assert quoted(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (["a", "b"], '["a","b"]'),
        ({"b": 1, "a": "<"}, '{"a":"\\u003c","b":1}'),
        (Structure(B=1, A=2), '{"B":1,"A":2}'),
    ],
)
def test_values_are_shown_as_json(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_the_words_of_each_sort_of_cause() -> None:
    causes = Causes()
    causes.required("a")
    causes.required("a", "why")
    causes.invalid("b", "x", "why")
    causes.not_supported("c", "x", ("A", "B"))
    causes.forbidden("d", "why")
    causes.duplicate("e", "x")
    causes.too_many("f", 3, 2)
    assert [(cause.reason, cause.message) for cause in causes] == [
        ("FieldValueRequired", "Required value"),
        ("FieldValueRequired", "Required value: why"),
        ("FieldValueInvalid", 'Invalid value: "x": why'),
        ("FieldValueNotSupported", 'Unsupported value: "x": supported values: "A", "B"'),
        ("FieldValueForbidden", "Forbidden: why"),
        ("FieldValueDuplicate", 'Duplicate value: "x"'),
        ("FieldValueTooMany", "Too many: 3: must have at most 2 items"),
    ]


def test_a_difference_is_shown_below_the_message() -> None:
    text = difference({"a": 1, "b": 2}, {"a": 1, "b": 3})
    assert text.startswith("\n@@ -")
    assert '\n- "b": 2' in text
    assert '\n+ "b": 3' in text
    assert difference({"a": 1}, {"a": 1}) == ""
