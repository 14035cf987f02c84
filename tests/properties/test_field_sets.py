"""Sets of fields behave as sets of paths; ownership and apply keep their promises."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from roost.api.errors import BadRequest, Conflict, Invalid
from roost.api.patches.apply import apply_configuration
from roost.api.patches.fields import FieldSet, Tree
from roost.api.patches.json_patch import apply_json_patch
from roost.api.patches.managed import track_update
from roost.api.patches.merge_patch import apply_merge_patch
from roost.api.patches.strategic import apply_strategic_patch
from roost.api.patches.typed import changes
from roost.api.schema.node import Node
from roost.api.values import Object, copy_of

Path = tuple[str, ...]
ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)


def tree_of(paths: frozenset[Path]) -> Tree:
    """The plainest way from paths to a trie."""
    inner: dict[str, set[Path]] = {}
    for path in paths:
        inner.setdefault(path[0], set()).add(path[1:])
    tree: Tree = {}
    for element, rests in inner.items():
        below = tree_of(frozenset(rest for rest in rests if rest))
        if () in rests and below:
            below = {".": {}, **below}
        tree[element] = below
    return tree


def paths_of(tree: Tree, prefix: Path = ()) -> frozenset[Path]:
    found: set[Path] = set()
    for element, below in tree.items():
        if element == ".":
            continue
        path = (*prefix, element)
        if not below or "." in below:
            found.add(path)
        found |= paths_of(below, path)
    return frozenset(found)


def set_of(paths: frozenset[Path]) -> FieldSet:
    return FieldSet(tree_of(paths))


@given(PATHS, PATHS)
def test_operations_are_those_of_sets_of_paths(
    left: frozenset[Path], right: frozenset[Path]
) -> None:
    a, b = set_of(left), set_of(right)
    assert paths_of((a | b).tree) == left | right
    assert paths_of((a & b).tree) == left & right
    assert paths_of((a - b).tree) == left - right
    assert paths_of(a.without(b).tree) == {
        path for path in left
        if not any(path[:size] in right for size in range(1, len(path) + 1))
    }  # fmt: skip
    assert a.tree == tree_of(left)
    assert b.tree == tree_of(right)


@given(PATHS, PATHS)
def test_results_are_in_normal_form(left: frozenset[Path], right: frozenset[Path]) -> None:
    a, b = set_of(left), set_of(right)
    for out in (a | b, a & b, a - b, a.without(b)):
        assert out == set_of(paths_of(out.tree))
        assert FieldSet.read(out.tree) == out
        assert len(list(out)) == len(paths_of(out.tree))


TEXT = Node(type="string")
PART = Node(type="object", fields={"name": TEXT, "v": TEXT, "m": Node(type="object", values=TEXT)})
SPEC = Node(
    type="object",
    fields={
        "a": TEXT,
        "b": TEXT,
        "m": Node(type="object", values=TEXT),
        "atom": Node(type="object", values=TEXT, atomic=True),
        "parts": Node(
            type="array", items=PART, list_type="map", list_keys=("name",), merge_key="name",
            merge_strategies=("merge",),
        ),
        "tags": Node(type="array", items=TEXT, list_type="set", merge_strategies=("merge",)),
        "args": Node(type="array", items=TEXT),
    },
)  # fmt: skip
META = Node(type="object", fields={"name": TEXT, "uid": TEXT, "managedFields": Node()})
KIND = Node(
    type="object", fields={"apiVersion": TEXT, "kind": TEXT, "metadata": META, "spec": SPEC}
)

VALUES = st.sampled_from(["1", "2", "3"])
MAPS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
PARTS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("pqr")}, optional={"v": VALUES, "m": MAPS}),
    unique_by=lambda part: part["name"],
    max_size=3,
)
TAGS = st.lists(VALUES, unique=True, max_size=3)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES, "b": VALUES, "m": MAPS, "atom": MAPS, "parts": PARTS, "tags": TAGS,
        "args": st.lists(VALUES, max_size=3),
    },
)  # fmt: skip


def with_spec(spec: Object) -> Object:
    return {"apiVersion": "v1", "kind": "K", "metadata": {"name": "k", "uid": "u"}, "spec": spec}


def owned(value: Object) -> FieldSet:
    total = FieldSet()
    for entry in value["metadata"].get("managedFields", ()):
        total |= FieldSet(entry["fieldsV1"])
    return total


@given(SPECS, SPECS)
def test_changes_tell_two_objects_apart(old: Object, new: Object) -> None:
    claimed, removed = changes(KIND, with_spec(old), with_spec(new))
    back_claimed, back_removed = changes(KIND, with_spec(new), with_spec(old))
    modified = claimed & back_claimed
    assert claimed - modified == back_removed
    assert removed == back_claimed - modified
    if not claimed and not removed:
        keyed = ("parts", "tags")
        assert {k: v for k, v in old.items() if k not in keyed} == {
            k: v for k, v in new.items() if k not in keyed
        }


@given(st.lists(st.tuples(st.sampled_from("abc"), SPECS), min_size=1, max_size=6))
def test_somebody_owns_every_field_and_nobody_what_is_not_there(
    writes: list[tuple[str, Object]],
) -> None:
    live: Object | None = None
    for index, (manager, spec) in enumerate(writes):
        new = with_spec(spec)
        if live is not None:
            new["metadata"] = {**live["metadata"]}
        track_update(KIND, live, new, manager=manager, api_version="v1", now=f"{index}")
        if live is not None and "managedFields" not in live["metadata"]:
            return  # nobody owns anything of an empty object, and then nobody is tracked
        live = new
        everything, _ = changes(KIND, {}, new)
        assert owned(new) == everything


def applied(live: Object | None, spec: Object, manager: str, *, force: bool = True) -> Object:
    config = with_spec(spec)
    del config["metadata"]["uid"]
    before = copy_of([live, config])
    out = apply_configuration(
        KIND, live, config, manager=manager, force=force, api_version="v1", now="t"
    )
    assert [live, config] == before
    return out


@given(SPECS, SPECS)
@settings(max_examples=200)
def test_what_is_applied_is_there_and_what_was_is_gone(first: Object, second: Object) -> None:
    live = applied(applied(None, first, "a"), second, "a")
    spec = live.get("spec", {})
    for leaf in ("a", "b", "atom", "args"):
        assert spec.get(leaf) == second.get(leaf)
    assert spec.get("m", {}) == second.get("m", {})
    assert spec.get("tags", []) == second.get("tags", [])
    names = [part["name"] for part in spec.get("parts", ())]
    assert names == [part["name"] for part in second.get("parts", ())]


@given(SPECS, SPECS)
def test_applying_twice_changes_nothing(first: Object, second: Object) -> None:
    once = applied(applied(None, first, "a"), second, "b")
    assert applied(once, second, "b") == once


@given(SPECS, SPECS)
def test_without_conflict_force_makes_no_difference(first: Object, second: Object) -> None:
    live = applied(None, first, "a")
    forced = applied(live, second, "b")
    with suppress(Conflict):
        assert applied(live, second, "b", force=False) == forced


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), DOCUMENTS, max_size=3)


@given(OBJECTS, OBJECTS)
def test_merge_patches_are_those_of_the_rfc(document: Object, patch: Object) -> None:
    def model(target: Any, change: Any) -> Any:
        if not isinstance(change, dict):
            return change
        out = dict(target) if isinstance(target, dict) else {}
        for key, value in change.items():
            if value is None:
                out.pop(key, None)
            else:
                out[key] = model(out.get(key), value)
        return out

    before = copy_of([document, patch])
    assert apply_merge_patch(document, patch) == model(document, patch)
    assert [document, patch] == before


@given(SPECS, SPECS)
def test_strategic_patches_share_and_never_change_the_document(old: Object, new: Object) -> None:
    before = copy_of([old, new])
    out = apply_strategic_patch({"spec": old}, {"spec": new}, KIND)
    assert [old, new] == before
    assert apply_strategic_patch(out, {"spec": new}, KIND) == out


POINTERS = st.lists(st.sampled_from(["a", "b", "c", "0", "-", "-1"]), max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"from": POINTERS, "value": DOCUMENTS},
)


@given(OBJECTS, st.lists(OPERATIONS, max_size=6))
@settings(max_examples=300)
def test_json_patches_succeed_or_are_refused(document: Object, patch: list[Object]) -> None:
    before = copy_of([document, patch])
    with suppress(Invalid, BadRequest):
        apply_json_patch(document, patch)
    assert [document, patch] == before
