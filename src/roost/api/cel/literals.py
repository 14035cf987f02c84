"""Literals that functions are given are read when an expression is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from roost.api.cel.issues import Issue
from roost.api.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from roost.api.cel.values import EvaluationError, duration_of, timestamp_of
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled

#: Function -> what reads its first argument, and raises where it cannot.
_READERS: Final[dict[str, Callable[[str], object]]] = {
    "duration": duration_of, "timestamp": timestamp_of, "matches": compiled,
}  # fmt: skip


def literal_issues(tree: Node) -> list[Issue]:
    """Return what is wrong with the literals that functions are given."""
    found: list[Issue] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        pending.extend(_below(node))
        if not isinstance(node, Call) or node.function not in _READERS or not node.args:
            continue
        literal = node.args[0]
        if isinstance(literal, Literal) and isinstance(literal.value, str):
            try:
                _READERS[node.function](literal.value)
            except (EvaluationError, BadPattern):
                found.append(Issue(literal.at, f"invalid {node.function} argument"))
    return found


def _below(node: Node) -> Iterator[Node]:
    if isinstance(node, Select):
        yield node.operand
    elif isinstance(node, Call):
        yield from node.args if node.target is None else (node.target, *node.args)
    elif isinstance(node, ListNode):
        yield from node.items
    elif isinstance(node, MapNode | StructNode):
        for entry in node.entries:
            yield entry.key
            yield entry.value
    elif isinstance(node, Comprehension):
        yield node.range
        yield node.step
        if node.filter is not None:
            yield node.filter
    elif isinstance(node, Bind):
        yield node.value
        yield node.step
