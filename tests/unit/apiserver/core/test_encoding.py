"""Lists as bytes: in one where they are short, in pieces where they are long."""

from __future__ import annotations

import json

import pytest

from roost.api.errors import BadRequest
from roost.api.registry import builtin
from roost.apiserver.encoding import draft_of, encode, encoded, head_of, list_body
from roost.apiserver.messages import Answer, Pieces

KIND = builtin().find("", "v1", "configmaps")
assert KIND is not None
HEAD = len(head_of(KIND))


def stored(number: int, size: int) -> bytes:
    value = {"metadata": {"name": f"c{number}"}, "data": {"key": "v" * size}}
    return draft_of(KIND, value).stamp(number)


@pytest.mark.parametrize("strip", [0, HEAD])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_list_is_the_same_in_pieces(count: int, size: int, strip: int) -> None:
    bodies = [stored(number, size) for number in range(count)]
    body = list_body(KIND, bodies, 7, strip=strip, token="more", remaining=3)
    answer = Answer(200, body)
    announced = answer.size_bytes
    whole = answer.whole()
    assert announced == len(whole)
    items = [json.loads(one) for one in bodies]
    for item in items if strip else ():
        del item["kind"], item["apiVersion"]
    assert json.loads(whole) == {
        "kind": "ConfigMapList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "7", "continue": "more", "remainingItemCount": 3},
        "items": items,
    }
    assert isinstance(body, Pieces) is (count * size > 256 * 1024)


def test_a_piece_is_bounded() -> None:
    body = list_body(KIND, [stored(number, 100_000) for number in range(40)], 7, strip=HEAD)
    assert isinstance(body, Pieces)
    assert max(map(len, body.parts)) < 512 * 1024


def test_a_draft_hands_on_what_it_encodes() -> None:
    draft = draft_of(KIND, {"metadata": {"name": "c"}, "data": {"key": "v"}})
    assert draft.object is not None
    draft.object["metadata"]["resourceVersion"] = "9"
    assert draft.stamp(9) == encode(draft.object)


@pytest.mark.parametrize("innermost", [{}, [], {"{}": "{}[]"}])
def test_the_levels_of_an_object_are_bounded_exactly(innermost: object) -> None:
    value = innermost
    for _ in range(199):
        value = {"{}": "[]", "inner": value}

    assert json.loads(encoded({"wide": [{}] * 300, "empty": {}})) is not None
    assert json.loads(encoded(value)) == value  # type: ignore[arg-type]
    with pytest.raises(BadRequest):
        encoded({"outer": value})
