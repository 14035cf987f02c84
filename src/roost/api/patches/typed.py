"""Walks over a value and its schema together: which fields it sets, and how two values differ.

These are the rules of structured merge: scalars, atomic maps and atomic lists are leaves; other maps
go by key, lists of type `map` by their keys, lists of type `set` by value. Where the schema says
nothing, objects are maps and lists are atomic. Objects of built-in kinds are Go structs in the real
server, where fields that are no pointers are always there: `structs.py` says which. Equality is that
of Python, so that equal parts cost little: 1 and true differ only in fields without a type, and
there nobody's ownership depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from roost.api.patches.fields import LEAF, SELF, FieldSet, Tree, key_element, value_text
from roost.api.patches.structs import key_default, zeros_of
from roost.api.schema.node import Node
from roost.api.values import Object, Value

_encode = msgspec.json.Encoder().encode
#: A node that says nothing: maps by key, lists atomic.
ANY = Node()
#: Fields of every object that nobody owns.
_UNTRACKED = frozenset(("apiVersion", "kind"))
_UNTRACKED_WHOLE = _UNTRACKED | {"metadata"}  # which has rules of its own
_UNTRACKED_META = frozenset((
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
    "managedFields", "resourceVersion",
))  # fmt: skip
_MISSING: Any = object()


def child_of(node: Node, key: str) -> Node:
    """Return the node of a field or map key."""
    child = node.fields.get(key) or node.values
    return ANY if child is None else child.resolve() if child.link is not None else child


def items_of(node: Node) -> Node:
    """Return the node of a list's items."""
    items = node.items
    return ANY if items is None else items.resolve()


def is_atomic(node: Node) -> bool:
    """Is a map or object of this node one leaf? Raw objects inside built-in kinds are."""
    return node.atomic or (node.open and node.name.startswith("io.k8s."))


def is_keyed(node: Node) -> bool:
    """Are the items of this list known by key or value?"""
    return node.list_type != "atomic" and node.items is not None


def element_of(node: Node, item: Value) -> str:
    """Return the path element of an item of a keyed list."""
    if node.list_type != "map" or not isinstance(item, dict):
        return "v:" + value_text(item)
    if len(node.list_keys) == 1:
        key = node.list_keys[0]
        value = item.get(key, _MISSING)
        if type(value) is str:
            return f'k:{{"{key}":{value_text(value)}}}'
    pairs = []
    for key in node.list_keys:
        value = item[key] if key in item else key_default(items_of(node), key)
        if value is not None:
            pairs.append((key, value))
    return key_element(pairs)


def elements_of(node: Node, items: Iterable[Value]) -> dict[str, Value]:
    """Return the items of a keyed list by element; the first of equal ones counts."""
    found: dict[str, Value] = {}
    for item in items:
        found.setdefault(element_of(node, item), item)
    return found


def whole(node: Node, value: Value) -> Tree:
    """Return what lies below an element that came or went with all it holds."""
    if isinstance(value, dict):
        if not value or is_atomic(node):
            return LEAF
        tree: Tree = {SELF: LEAF}
        for key, item in value.items():
            if type(item) is str:
                tree[f"f:{key}"] = LEAF
            else:
                tree[f"f:{key}"] = whole(child_of(node, key), item)
        return tree
    if isinstance(value, list) and value and is_keyed(node):
        items = items_of(node)
        tree = {SELF: LEAF}
        for element, item in elements_of(node, value).items():
            tree[element] = whole(items, item)
        return tree
    return LEAF


def _new_map(node: Node, new: Object, skip: frozenset[str]) -> Tree:
    """Return what a map sets where none was."""
    claimed: Tree = {}
    zeros = zeros_of(node)
    for key, value in new.items():
        if key in skip:
            continue
        zero = zeros.get(key, _MISSING)
        if zero is not _MISSING:
            below = _changes(child_of(node, key), zero, value)[0] if zero != value else None
            if below is not None:
                claimed[f"f:{key}"] = below
        elif type(value) is str:
            claimed[f"f:{key}"] = LEAF
        elif value is not None or not node.name:
            claimed[f"f:{key}"] = whole(child_of(node, key), value)
    return claimed


def _both_maps(node: Node, old: Object, new: Object, skip: frozenset[str]) -> tuple[Tree, Tree]:
    if not old:
        return _new_map(node, new, skip), {}
    claimed: Tree = {}
    removed: Tree = {}
    zeros = zeros_of(node)
    for key, value in new.items():
        before = old.get(key, _MISSING)
        if before is value or key in skip:
            continue
        if before is _MISSING:
            before = zeros.get(key, _MISSING)
            if before is _MISSING:
                if value is not None or not node.name:
                    claimed[f"f:{key}"] = whole(child_of(node, key), value)
                continue
        if before != value:
            _note(f"f:{key}", _changes(child_of(node, key), before, value), claimed, removed)
    for key, before in old.items():
        if key in new or key in skip:
            continue
        after = zeros.get(key, _MISSING)
        if after is _MISSING:
            removed[f"f:{key}"] = whole(child_of(node, key), before)
        elif before != after:
            _note(f"f:{key}", _changes(child_of(node, key), before, after), claimed, removed)
    return claimed, removed


def _note(
    element: str, change: tuple[Tree | None, Tree | None], claimed: Tree, removed: Tree
) -> None:
    if change[0] is not None:
        claimed[element] = change[0]
    if change[1] is not None:
        removed[element] = change[1]


def _both_lists(node: Node, old: list[Value], new: list[Value]) -> tuple[Tree, Tree]:
    claimed: Tree = {}
    removed: Tree = {}
    items = items_of(node)
    before, after = elements_of(node, old), elements_of(node, new)
    for element, value in after.items():
        was = before.get(element, _MISSING)
        if was is _MISSING:
            claimed[element] = whole(items, value)
        elif was != value:
            _note(element, _changes(items, was, value), claimed, removed)
    for element, was in before.items():
        if element not in after:
            removed[element] = whole(items, was)
    return claimed, removed


def _changes(node: Node, old: Value, new: Value) -> tuple[Tree | None, Tree | None]:
    """Return what lies below an element in (added or modified, removed); None for nothing."""
    is_map = isinstance(old, dict) or isinstance(new, dict)
    if (is_map and (old or new) and not is_atomic(node)) and _maps(old) and _maps(new):
        claimed, removed = _both_maps(node, old or {}, new or {}, frozenset())
    elif (old or new) and is_keyed(node) and _lists(old) and _lists(new):
        claimed, removed = _both_lists(node, old or [], new or [])
    else:
        return LEAF, None
    return claimed or None, removed or None


def _maps(value: Value) -> bool:
    return value is None or isinstance(value, dict)


def _lists(value: Value) -> bool:
    return value is None or isinstance(value, list)


def changes(node: Node, old: Object, new: Object) -> tuple[FieldSet, FieldSet]:
    """Return (fields added or modified, fields removed) between two objects of a kind.

    What nobody owns (names, uid, managedFields...) is left out.
    """
    node = node.resolve()
    if old:
        claimed, removed = _both_maps(node, old, new, _UNTRACKED_WHOLE)
    else:
        claimed, removed = _of_new(node, new), {}
    _note(
        "f:metadata",
        _pair(_both_maps(child_of(node, "metadata"), old.get("metadata") or {},
                         new.get("metadata") or {}, _UNTRACKED_META)),
        claimed, removed,
    )  # fmt: skip
    return FieldSet(claimed), FieldSet(removed)


#: What parts of new objects set, by type and encoded value: many are made from the same template.
_known: dict[tuple[str, bytes], Tree] = {}
_KNOWN_MAX = 1024
#: Larger parts are not remembered.
_PART_MAX_BYTES = 8192


def _of_new(node: Node, new: Object) -> Tree:
    """Return what a new object sets beside its metadata."""
    deep = {
        key: value for key, value in new.items() if _is_deep(value) and key not in _UNTRACKED_WHOLE
    }
    claimed = _new_map(node, new, _UNTRACKED_WHOLE.union(deep))
    if not deep:
        return claimed
    for key, value in deep.items():
        claimed.update(_remembered(node, key, value))
    elements = (f"f:{key}" for key in new)  # as they stand in the object
    return {element: claimed[element] for element in elements if element in claimed}


def _is_deep(value: Value) -> bool:
    return value.__class__ is dict and any(
        item.__class__ is dict or item.__class__ is list for item in value.values()
    )


def _remembered(node: Node, key: str, value: Object) -> Tree:
    if not node.name.startswith("io.k8s."):  # a definition may change what its kind's name means
        return _new_map(node, {key: value}, _UNTRACKED)
    text = _encode(value)
    address = (node.name + key, text)
    found = _known.get(address)
    if found is None:
        found = _new_map(node, {key: value}, _UNTRACKED)
        if len(text) <= _PART_MAX_BYTES:
            if len(_known) >= _KNOWN_MAX:
                del _known[next(iter(_known))]  # the oldest
            _known[address] = found
    return found


def _pair(trees: tuple[Tree, Tree]) -> tuple[Tree | None, Tree | None]:
    return trees[0] or None, trees[1] or None


def field_set(node: Node, value: Value) -> FieldSet:
    """Return the fields that an applied configuration sets."""
    below = _set_below(node.resolve(), value)
    return FieldSet(below or LEAF)


def _set_below(node: Node, value: Value) -> Tree | None:
    """Return what lies below; LEAF for a leaf, None for nothing."""
    if isinstance(value, dict):
        if is_atomic(node):
            return LEAF
        tree: Tree = {}
        for key, item in value.items():
            below = _set_below(child_of(node, key), item)
            if item is None or item == {}:
                below = LEAF
            elif key not in node.fields:
                below = _member(below)
            if below is not None:
                tree[f"f:{key}"] = below
        return tree or None
    if isinstance(value, list) and is_keyed(node):
        items = items_of(node)
        tree = {}
        for item in value:
            tree[element_of(node, item)] = _member(_set_below(items, item))
        return tree or None
    return LEAF


def _member(below: Tree | None) -> Tree:
    return {SELF: LEAF, **below} if below else LEAF


def with_named_fields(node: Node, tree: Tree) -> Tree:
    """Return the set with the declared fields on the way to its members as members too."""
    node = node.resolve()
    out: Tree = {}
    for element, below in tree.items():
        if not below:
            out[element] = LEAF
            continue
        if element[:2] == "f:":
            name = element[2:]
            inner = with_named_fields(child_of(node, name), below)
            named = name in node.fields
        else:
            inner = with_named_fields(items_of(node), below)
            named = False
        out[element] = {SELF: LEAF, **inner} if named else inner
    return out


def without_fields(node: Node, value: Value, tree: Tree) -> Value:
    """Return a value without the members of a set; what becomes empty by that goes too (None)."""
    if isinstance(value, dict):
        if is_atomic(node):
            return None
        kept: Object = {}
        for key, item in value.items():
            below = tree.get(f"f:{key}")
            if below is None:
                kept[key] = item
            elif below and SELF not in below:
                item = without_fields(child_of(node, key), item, below)
                if item is not None:
                    kept[key] = item
        return kept or None
    if isinstance(value, list):
        if not is_keyed(node):
            return None
        items, left = items_of(node), []
        for item in value:
            below = tree.get(element_of(node, item))
            if below is None:
                left.append(item)
            elif below and SELF not in below:
                left.append(without_fields(items, item, below))
        return left or None
    return value
