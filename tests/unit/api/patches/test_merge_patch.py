"""JSON merge patches."""

from typing import Any

import pytest

from roost.api.errors import BadRequest
from roost.api.patches.merge_patch import apply_merge_patch
from roost.api.values import copy_of


@pytest.mark.parametrize(
    ("document", "patch", "after"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "text"}, {"a": {"b": 1, "c": None}}, {"a": {"b": 1}}),
    ],
)
def test_examples_of_the_rfc(document: Any, patch: Any, after: Any) -> None:
    before = copy_of(document)
    assert apply_merge_patch(document, patch) == after
    assert document == before


def test_what_did_not_change_is_shared() -> None:
    document = {"a": {"big": 1}, "b": {"c": 1}}
    assert apply_merge_patch(document, {"b": {"c": 2}})["a"] is document["a"]


def test_a_patch_must_be_an_object() -> None:
    with pytest.raises(BadRequest) as caught:
        apply_merge_patch({}, [1])
    assert caught.value.message == (
        "error decoding patch: json: cannot unmarshal array into Go value of type "
        "map[string]interface {}"
    )


def test_depth_is_bounded_without_a_traceback() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(BadRequest, match="exceeded max depth"):
        apply_merge_patch({}, deep)
