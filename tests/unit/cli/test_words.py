"""What people type: types and names, and what does not go together."""

from __future__ import annotations

import pytest
import yaml

from roost.api.kind import Resource
from roost.cli.faults import of_reading, of_system, of_yaml
from roost.cli.reading import Selection
from roost.cli.resources import Discovery, Served, UsageError, parse_targets

PODS = Served(
    Resource("", "v1", "pods"), "Pod", "pod", ("po",), ("all",), namespaced=True, verbs=("list",)
)
NODES = Served(
    Resource("", "v1", "nodes"), "Node", "node", ("no",), (), namespaced=False, verbs=("list",)
)
ALL = Discovery([PODS, NODES])


@pytest.mark.parametrize("word", ["pods/", "/web", "pods/a/b", "/"])
def test_a_word_with_a_slash_is_a_type_and_a_name(word: str) -> None:
    with pytest.raises(UsageError, match="say TYPE/NAME"):
        parse_targets(ALL, [word])


def test_names_go_neither_with_selectors_nor_with_all_namespaces() -> None:
    named = parse_targets(ALL, ["pods", "web"])
    with pytest.raises(UsageError, match="selectors"):
        Selection("n", labels="a=b").check(named)
    with pytest.raises(UsageError, match="-n NAMESPACE"):
        Selection("n", everywhere=True).check(named)
    assert Selection("n").check(named) == named
    node = parse_targets(ALL, ["node/a"])
    assert Selection("n", everywhere=True).check(node) == node


def test_what_is_wrong_with_a_file_is_one_line() -> None:
    with pytest.raises(yaml.YAMLError) as broken:
        yaml.safe_load("a: 1\nb: [")
    assert of_yaml(broken.value).startswith("line 2, column 5: ")
    missing = FileNotFoundError(2, "No such file or directory", "x")
    assert of_reading(missing) == "No such file or directory"
    taken = OSError(
        98, "error while attempting to bind on address ('::', 1): address already in use"
    )
    assert of_system(taken) == "Address already in use"
    assert of_system(OSError("odd")) == "odd"
