"""Sets of fields, as `metadata.managedFields[].fieldsV1` says them.

A set is a trie of path elements: `f:name` a field or a map key, `k:{"name":"a"}` an item of a list by
its keys, `v:"x"` a value in a set, `i:0` an index. The JSON form is the trie: an element that leads
to `{}` is a member; one that leads to more is a member too if that holds `.`. So reading and writing
cost nothing; sets share their parts and are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from roost.api.depth import guarded
from roost.api.numerals import whole
from roost.api.values import Object

Tree: TypeAlias = dict[str, Any]

SELF = "."
#: The tree below a member that has no children. Shared; nobody writes into it.
LEAF: Tree = {}
_BRANCH: Tree = {SELF: LEAF}
_loads = guarded(json.loads)


def value_text(value: Any) -> str:
    """Return the JSON text of a scalar as the real server writes it into an element."""
    if isinstance(value, str):
        text: str = encode_basestring(value)
        if "<" in text or ">" in text or "&" in text:
            text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        return text
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def key_element(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return the element of a list item with these keys (any order)."""
    inside = ",".join(f'"{name}":{value_text(value)}' for name, value in sorted(pairs))
    return "k:{" + inside + "}"


def _union(a: Tree, b: Tree) -> Tree:
    if a is b or not b:
        return a
    if not a:
        return b
    out = None
    for element, below in b.items():
        have = a.get(element)
        if have is None:
            merged = below
        elif have is below or not below:
            merged = have if not have or below or SELF in have else {**_BRANCH, **have}
        elif not have:
            merged = below if SELF in below else {**_BRANCH, **below}
        else:
            merged = _union(have, below)
        if merged is not have:
            if out is None:
                out = dict(a)
            out[element] = merged
    return a if out is None else out


def _shrunk(tree: Tree) -> Tree | None:
    """Return the normal form of what lies below an element; None if it holds no member."""
    if not tree:
        return None
    return LEAF if len(tree) == 1 and SELF in tree else tree


def _difference(a: Tree, b: Tree, whole: bool) -> Tree:
    """Return `a` without the members of `b`, and if `whole` without what is below those."""
    if not a or not b:
        return a
    out = None
    small, large = (b, a) if len(b) < len(a) else (a, b)
    for element in small:
        if element not in large:
            continue
        have, taken = a[element], b[element]
        if (whole and (not taken or SELF in taken)) or element == SELF:
            left = None
        else:
            rest = _difference(have or _BRANCH, taken or _BRANCH, whole)
            if rest is have or (not have and rest is _BRANCH):
                continue
            left = _shrunk(rest)
        if out is None:
            out = dict(a)
        if left is None:
            del out[element]
        else:
            out[element] = left
    return a if out is None else out


def _intersection(a: Tree, b: Tree) -> Tree:
    if a is b:
        return a
    out: Tree = {}
    small, large = (b, a) if len(b) < len(a) else (a, b)
    for element in small:
        if element not in large:
            continue
        if element == SELF:
            out[SELF] = LEAF
            continue
        both = _shrunk(_intersection(a[element] or _BRANCH, b[element] or _BRANCH))
        if both is not None:
            out[element] = both
    return out


def _paths(tree: Tree, prefix: str) -> Iterator[str]:
    """Members before what is below them, in the order of the elements."""
    elements = sorted(element for element in tree if element != SELF)
    for element in elements:
        below = tree[element]
        if not below or SELF in below:
            yield prefix + element_text(element)
    for element in elements:
        if tree[element]:
            yield from _paths(tree[element], prefix + element_text(element))


def element_text(element: str) -> str:
    """Return how messages show an element: `.name`, `[name="a"]`, `[="x"]`, `[0]`."""
    kind, rest = element[:2], element[2:]
    if kind == "k:":
        try:
            keys = _loads(rest)
        except ValueError:
            return f"[{rest}]"
        return "[" + ",".join(f"{name}={value_text(keys[name])}" for name in sorted(keys)) + "]"
    if kind == "v:":
        return f"[={rest}]"
    if kind == "i:":
        return f"[{rest}]"
    return f".{rest}"


def _checked(tree: Any, depth: int) -> Tree:
    """Return the normal form of a set that a client sent; raise ValueError if it is none."""
    if not isinstance(tree, dict) or depth > 200:
        raise ValueError("a set of fields must be an object")
    out: Tree = {}
    for element, below in tree.items():
        kind = element[:2]
        if element == SELF:
            out[SELF] = LEAF
            continue
        if kind not in {"f:", "k:", "v:", "i:"}:
            raise ValueError(f"unknown path element {element!r}")
        if kind == "k:":
            keys = _loads(element[2:])
            if not isinstance(keys, dict):
                raise ValueError(f"bad keys {element!r}")
            element = key_element(keys.items())
        elif kind == "v:":
            element = "v:" + value_text(_loads(element[2:]))
        elif kind == "i:" and whole(element[2:]) is None:
            raise ValueError(f"bad index {element!r}")
        inner = _checked(below, depth + 1)
        out[element] = LEAF if len(inner) == 1 and SELF in inner else inner
    return out


class FieldSet:
    """An immutable set of field paths."""

    __slots__ = ("tree",)

    def __init__(self, tree: Tree = LEAF) -> None:
        self.tree = tree

    @classmethod
    def from_json(cls, body: Object | None) -> FieldSet:
        """Take a stored `fieldsV1` as it is (nothing is copied or checked)."""
        return cls(body) if body else EMPTY

    @classmethod
    def read(cls, body: Any) -> FieldSet:
        """Read a `fieldsV1` that a client sent; raise ValueError if it is none."""
        return cls(_checked(body, 0)) if body is not None else EMPTY

    @classmethod
    def of(cls, *paths: tuple[str, ...]) -> FieldSet:
        """Return the set of these paths of plain field names."""
        tree: Tree = {}
        for path in paths:
            below: Tree = LEAF
            for name in reversed(path):
                below = {f"f:{name}": below}
            tree = _union(tree, below)
        return cls(tree)

    def to_json(self) -> Object:
        """Return the JSON form; it is shared and must not be changed."""
        return self.tree

    def __bool__(self) -> bool:
        return bool(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(json.dumps(self.tree, sort_keys=True))

    def __repr__(self) -> str:
        return f"FieldSet({self.tree!r})"

    def __iter__(self) -> Iterator[str]:
        """Yield the paths as messages show them."""
        return _paths(self.tree, "")

    def __or__(self, other: FieldSet) -> FieldSet:
        """Return the union."""
        tree = _union(self.tree, other.tree)
        return self if tree is self.tree else FieldSet(tree)

    def __and__(self, other: FieldSet) -> FieldSet:
        """Return the intersection."""
        return FieldSet(_intersection(self.tree, other.tree))

    def __sub__(self, other: FieldSet) -> FieldSet:
        """Return the members that `other` has not; what is below those stays. Self if all stay."""
        tree = _difference(self.tree, other.tree, whole=False)
        return self if tree is self.tree else FieldSet(tree)

    def without(self, other: FieldSet) -> FieldSet:
        """Return the set without the members of `other` and all that is below them."""
        tree = _difference(self.tree, other.tree, whole=True)
        return self if tree is self.tree else FieldSet(tree)


EMPTY = FieldSet()
