"""The three-way merge of apply, as values."""

from __future__ import annotations

import pytest

from roost.api.schema.node import Node
from roost.simulation.applying import three_way

ITEM = Node("object", values=Node())
NODE = Node(
    "object",
    fields={
        "keyed": Node("array", items=ITEM, merge_key="name", merge_strategies=("merge",)),
        "set": Node("array", merge_strategies=("merge",)),
        "whole": Node("object", atomic=True, values=Node()),
        "plain": Node("array"),
        "map": Node("object", values=Node()),
    },
)


@pytest.mark.parametrize(
    ("last", "live", "wanted", "made"),
    [
        ({}, {"map": {"a": 1}}, {"map": {"b": 2}}, {"map": {"a": 1, "b": 2}}),
        ({"map": {"a": 1}}, {"map": {"a": 1, "b": 2}}, {"map": {}}, {"map": {"b": 2}}),
        ({"map": {"a": 1}}, {"map": {"a": 1}}, {}, {}),
        ({}, {"whole": {"a": 1}}, {"whole": {"b": 2}}, {"whole": {"b": 2}}),
        ({}, {"plain": [1]}, {"plain": [2]}, {"plain": [2]}),
        ({"set": ["a"]}, {"set": ["a", "x"]}, {"set": ["b"]}, {"set": ["b", "x"]}),
        (
            {"keyed": [{"name": "a"}, {"name": "b"}]},
            {"keyed": [{"name": "a", "own": 1}, {"name": "b"}, {"name": "x"}]},
            {"keyed": [{"name": "c"}, {"name": "a", "new": 2}]},
            {"keyed": [{"name": "c"}, {"name": "a", "own": 1, "new": 2}, {"name": "x"}]},
        ),
    ],
)
def test_what_the_author_names_counts_and_the_rest_stays(
    last: object, live: object, wanted: object, made: object
) -> None:
    assert three_way(last, live, wanted, NODE) == made  # type: ignore[arg-type]
