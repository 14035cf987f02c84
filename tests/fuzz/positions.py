"""Every position of a schema, and objects with one odd value there and good ones around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fuzz.oddities import HOSTILE, TEXTS
from roost.api.schema.node import Node

#: How often a definition may contain itself on the way to a position.
_TWICE = 2
_DEPTH = 16


class Position(NamedTuple):
    """A way into an object: names of fields, 0 for the first of a list, "" for a member of a map."""

    path: tuple[str | int, ...]
    nodes: tuple[Node, ...]

    @property
    def node(self) -> Node:
        return self.nodes[-1]

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


def positions(root: Node) -> Iterator[Position]:
    """Yield every position below a schema, but for the server's own part of the metadata."""
    yield from _below(root.resolve(), (), ())


def _below(node: Node, path: tuple[str | int, ...], nodes: tuple[Node, ...]) -> Iterator[Position]:
    if len(path) > _DEPTH:
        return
    children: list[tuple[str | int, Node]] = list(node.fields.items())
    if node.items is not None:
        children.append((0, node.items))
    if node.values is not None:
        children.append(("", node.values))
    for step, child in children:
        child = child.resolve()
        if nodes.count(child) >= _TWICE or (step == "managedFields" and len(path) > 1):
            continue
        position = Position((*path, step), (*nodes, child))
        yield position
        yield from _below(child, *position)


def minimal(node: Node, depth: int = 0) -> Any:
    """Return the smallest good value of a schema."""
    node = node.resolve()
    if node.int_or_string or node.type in {"integer", "number"}:
        return 1
    if node.quantity:
        return "1"
    if node.time:
        return "2025-01-01T00:00:00Z"
    if node.type == "string":
        listed = node.rules.get("enum")
        return listed[0] if listed else "a"
    if node.type == "boolean":
        return True
    if node.type == "array":
        return []
    if depth > _DEPTH:
        return {}
    return {name: minimal(node.fields[name], depth + 1) for name in node.required}


def planted(value: Any, position: Position, odd: Any) -> Any:
    """Put `odd` at a position of a private object, in place; what is missing on the way is made."""
    here = value
    last = len(position.path) - 1
    for at, (step, node) in enumerate(zip(position.path, position.nodes, strict=True)):
        if at == last:
            _put(here, step, odd)
            break
        have = _get(here, step)
        wanted = list if node.type == "array" or node.items is not None else dict
        if not isinstance(have, wanted):
            have = minimal(node)
            have = have if isinstance(have, wanted) else wanted()
            _put(here, step, have)
        here = have
    return value


def _get(here: Any, step: str | int) -> Any:
    if isinstance(here, list):
        return here[0] if here else None
    return here.get(step or "a")


def _put(here: Any, step: str | int, value: Any) -> None:
    if not isinstance(here, list):
        here[step or "a"] = value
    elif here:
        here[0] = value
    else:
        here.append(value)


_INTEGERS = (-1, 0, 65536, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 1.5, 1e300)
_WRONG = ("x", 5, True, [], {}, [None], {"a": None}, 1.5, "", [[]], [{}])


def odd_values(node: Node, turn: int) -> list[Any]:
    """Return values that a position may get: null, empty, extreme, and of a wrong type. `turn`
    chooses among the many of one sort, so that all come up somewhere."""
    found: list[Any] = [None, _WRONG[turn % len(_WRONG)]]
    if node.type == "array":
        one = minimal(node.items) if node.items is not None else 1
        found += [[], [None], [one, one], [_WRONG[turn % len(_WRONG)]]]
    elif node.values is not None:
        found += [{}, {"": minimal(node.values)}, {TEXTS[turn % len(TEXTS)]: minimal(node.values)}]
        found += [{"a": None}, {"x" * 300: _WRONG[turn % len(_WRONG)]}]
    elif node.int_or_string:
        found += [_INTEGERS[turn % len(_INTEGERS)], TEXTS[turn % len(TEXTS)], "-5%", "101%"]
    elif node.type in {"integer", "number"}:
        found += [_INTEGERS[(turn + more) % len(_INTEGERS)] for more in (0, 3, 5)]
    elif node.type == "string" or node.quantity or node.time:
        found += ["", *(TEXTS[(turn * 5 + more) % len(TEXTS)] for more in range(4))]
        if turn % 12 == 0:
            found.append(HOSTILE[turn // 12 % len(HOSTILE)])
    elif node.type != "boolean":
        found += [{}, minimal(node), {"a": 1, "A": 2}]
    return found
