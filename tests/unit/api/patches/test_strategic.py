"""Strategic merge patches: every directive, and the complaints."""

from typing import Any

import pytest

from roost.api.errors import BadRequest
from roost.api.patches.strategic import apply_strategic_patch
from roost.api.schema.node import Node
from roost.api.values import Object, copy_of

LIVE: Object = {
    "metadata": {"name": "g", "labels": {"a": "1"}, "finalizers": ["x", "y"]},
    "spec": {
        "replicas": 1,
        "parts": [{"name": "a", "image": "1", "env": {"k": "v"}}, {"name": "b", "image": "2"}],
        "ports": [{"port": 80}, {"port": 443}],
        "args": ["1", "2"],
        "strategy": {"type": "Rolling", "step": 2},
    },
}


def patched(gadget: Node, **spec: Any) -> Object:
    before = copy_of(LIVE)
    after = apply_strategic_patch(LIVE, {"spec": spec}, gadget)
    assert before == LIVE
    result: Object = after["spec"]
    return result


def test_lists_merge_by_key_in_the_order_of_the_patch(gadget: Node) -> None:
    parts = patched(gadget, parts=[{"name": "c"}, {"name": "b", "image": "3"}])["parts"]
    assert parts == [
        {"name": "c"},
        {"name": "a", "image": "1", "env": {"k": "v"}},
        {"name": "b", "image": "3"},
    ]


def test_items_merge_below(gadget: Node) -> None:
    parts = patched(gadget, parts=[{"name": "a", "env": {"l": "w", "k": None}}])["parts"]
    assert parts[0] == {"name": "a", "image": "1", "env": {"l": "w"}}


def test_atomic_lists_are_replaced(gadget: Node) -> None:
    assert patched(gadget, args=["3"])["args"] == ["3"]


def test_null_removes(gadget: Node) -> None:
    assert "replicas" not in patched(gadget, replicas=None)


def test_delete_an_item(gadget: Node) -> None:
    parts = patched(gadget, parts=[{"name": "a", "$patch": "delete"}])["parts"]
    assert parts == [{"name": "b", "image": "2"}]


def test_replace_a_list(gadget: Node) -> None:
    parts = patched(gadget, parts=[{"$patch": "replace"}, {"name": "z"}])["parts"]
    assert parts == [{"name": "z"}]


def test_replace_and_delete_a_map(gadget: Node) -> None:
    assert patched(gadget, strategy={"$patch": "replace", "type": "T"})["strategy"] == {"type": "T"}
    assert patched(gadget, strategy={"$patch": "delete"})["strategy"] == {}
    live = {**LIVE, "apiVersion": "v1", "kind": "Gadget"}
    after = apply_strategic_patch(live, {"$patch": "replace", "spec": {}}, gadget)
    assert after == {"apiVersion": "v1", "kind": "Gadget", "spec": {}}


def test_a_directive_where_nothing_was_leaves_nothing(gadget: Node) -> None:
    annotations = {"$patch": "replace", "only": "this"}
    after = apply_strategic_patch(LIVE, {"metadata": {"annotations": annotations}}, gadget)
    assert after["metadata"]["annotations"] == {}


def test_retain_keys(gadget: Node) -> None:
    strategy = patched(gadget, strategy={"$retainKeys": ["type"], "type": "Recreate"})["strategy"]
    assert strategy == {"type": "Recreate"}
    with pytest.raises(BadRequest, match="retainKeys"):
        patched(gadget, strategy={"$retainKeys": ["type"], "step": 1})


def test_primitive_lists(gadget: Node) -> None:
    def finalizers(**metadata: Any) -> list[str]:
        after = apply_strategic_patch(LIVE, {"metadata": metadata}, gadget)
        found: list[str] = after["metadata"]["finalizers"]
        return found

    assert finalizers(finalizers=["z"]) == ["z", "x", "y"]
    assert finalizers(finalizers=["y"]) == ["x", "y"]
    assert finalizers(**{"$deleteFromPrimitiveList/finalizers": ["x"]}) == ["y"]
    assert finalizers(**{"$setElementOrder/finalizers": ["y", "z", "x"], "finalizers": ["z"]}) == [
        "y",
        "z",
        "x",
    ]


def test_set_element_order(gadget: Node) -> None:
    order = {"$setElementOrder/parts": [{"name": "b"}, {"name": "a"}]}
    assert [p["name"] for p in patched(gadget, **order)["parts"]] == ["b", "a"]
    changed = patched(gadget, **order, parts=[{"name": "b", "image": "9"}])["parts"]
    assert changed[0] == {"name": "b", "image": "9"}
    with pytest.raises(BadRequest, match="doesn't match"):
        patched(gadget, **order, parts=[{"name": "a"}, {"name": "b"}])


def test_items_unknown_to_the_order_stay_where_they_were(gadget: Node) -> None:
    live = {"spec": {"parts": [{"name": name} for name in "abcd"]}}
    order = {"$setElementOrder/parts": [{"name": "d"}, {"name": "b"}]}
    after = apply_strategic_patch(live, {"spec": order}, gadget)
    assert [p["name"] for p in after["spec"]["parts"]] == ["a", "c", "d", "b"]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (
            {"parts": [{"image": "x"}]},
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {"parts": [{"name": "a", "$patch": "explode"}]},
            "unknown patch type: explode in map: map[$patch:explode name:a]",
        ),
        (
            {"strategy": {"$patch": "explode"}},
            "unknown patch type: explode in map: map[$patch:explode]",
        ),
        (
            {"parts": [{"name": "a", "$patch": "merge"}]},
            "merging lists cannot yet be specified in the patch",
        ),
        (
            {"parts": ["a"]},
            "expected a map[string]interface {}, but received a string",
        ),
        (
            {"parts": [{"name": ["a"]}]},
            "expected a string, but received a []interface {}",
        ),
    ],
)
def test_complaints(gadget: Node, spec: Object, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        apply_strategic_patch(LIVE, {"spec": spec}, gadget)
    assert caught.value.message == complaint
