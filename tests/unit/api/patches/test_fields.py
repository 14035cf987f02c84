"""Sets of fields: a trie whose JSON form is `fieldsV1`."""

import pytest

from roost.api.patches.fields import EMPTY, FieldSet

A = FieldSet({"f:a": {}, "f:b": {".": {}, "f:c": {}, 'k:{"name":"x"}': {"f:d": {}}}})


def test_paths_are_shown_as_in_messages() -> None:
    tree = {
        "f:spec": {
            "f:parts": {'k:{"name":"a","port":80}': {".": {}, "f:image": {}}},
            "f:tags": {'v:"x"': {}},
            "f:list": {"i:0": {}},
        }
    }
    assert list(FieldSet(tree)) == [
        ".spec.list[0]",
        '.spec.parts[name="a",port=80]',
        '.spec.parts[name="a",port=80].image',
        '.spec.tags[="x"]',
    ]


def test_union_keeps_members_that_have_children() -> None:
    assert (FieldSet({"f:a": {}}) | FieldSet({"f:a": {"f:b": {}}})).tree == {
        "f:a": {".": {}, "f:b": {}}
    }
    assert (FieldSet({"f:a": {"f:b": {}}}) | FieldSet({"f:a": {}})).tree == {
        "f:a": {".": {}, "f:b": {}}
    }
    assert (A | EMPTY) is A
    assert (A | FieldSet({"f:a": {}})) is A


def test_difference_of_a_parent_keeps_children() -> None:
    assert (A - FieldSet({"f:b": {}})).tree == {
        "f:a": {},
        "f:b": {"f:c": {}, 'k:{"name":"x"}': {"f:d": {}}},
    }
    assert (A - FieldSet({"f:b": {"f:c": {}}})).tree == {
        "f:a": {},
        "f:b": {".": {}, 'k:{"name":"x"}': {"f:d": {}}},
    }
    assert not A - A
    assert (A - FieldSet({"f:z": {}})) is A


def test_without_takes_children_too() -> None:
    assert A.without(FieldSet({"f:b": {}})).tree == {"f:a": {}}
    assert A.without(FieldSet({"f:b": {"f:c": {}}})) == A - FieldSet({"f:b": {"f:c": {}}})


def test_what_holds_nothing_any_more_is_gone() -> None:
    deep = FieldSet({"f:a": {"f:b": {"f:c": {}}}})
    assert (deep - deep).tree == {}
    assert (deep & FieldSet({"f:a": {}})).tree == {}


def test_intersection() -> None:
    assert (A & FieldSet({"f:b": {".": {}, "f:z": {}}})).tree == {"f:b": {}}
    assert (A & A) == A


def test_sets_that_clients_send_are_checked_and_put_in_normal_form() -> None:
    read = FieldSet.read({'k:{"b":1, "a":"<x>"}': {".": {}}, "f:n": {"v: 1": {}}})
    assert read.tree == {'k:{"a":"\\u003cx\\u003e","b":1}': {}, "f:n": {"v:1": {}}}
    for bad in ([], {"x:y": {}}, {"k:[]": {}}, {"f:a": 1}, {"i:x": {}}, {"v:{": {}}):
        with pytest.raises(ValueError):
            FieldSet.read(bad)
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"f:a": deep}
    with pytest.raises(ValueError):
        FieldSet.read(deep)


def test_sets_of_plain_names() -> None:
    assert FieldSet.of(("status",), ("metadata", "labels")).tree == {
        "f:status": {},
        "f:metadata": {"f:labels": {}},
    }
