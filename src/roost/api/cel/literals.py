"""Literals that functions are given are read when an expression is compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from roost.api.cel.checker import Checked
from roost.api.cel.formatting import Clause, Unfit, interpolate
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
from roost.api.cel.types import Type, run_time_name
from roost.api.cel.values import EvaluationError, duration_of, timestamp_of
from roost.api.regex.faults import BadPattern
from roost.api.regex.patterns import compiled

#: Function -> what reads its first argument, and raises where it cannot.
_READERS: Final[dict[str, Callable[[str], object]]] = {
    "duration": duration_of, "timestamp": timestamp_of, "matches": compiled,
}  # fmt: skip

#: Verb of a clause -> the types it is for.
_WRITABLE: Final[dict[str, frozenset[str]]] = {
    "s": frozenset(
        ["bool", "bytes", "double", "duration", "int", "list", "map", "null", "string", "timestamp"]
    )
    | {"type", "uint"},
    "d": frozenset(["int", "uint"]),
    "o": frozenset(["int", "uint"]),
    "b": frozenset(["int", "uint", "bool"]),
    "x": frozenset(["int", "uint", "string", "bytes"]),
    "f": frozenset(["double", "string"]),  # "NaN" and "Infinity" are numbers too
    "e": frozenset(["double", "string"]),
}


def literal_issues(tree: Node, checked: Checked) -> list[Issue]:
    """Return what is wrong with literals: those that functions are given, and those of mixed types."""
    found: list[Issue] = []
    pending = [(tree, False)]
    while pending:
        node, mixed = pending.pop()
        pending.extend((part, _may_mix(node, part, mixed)) for part in below(node))
        if isinstance(node, Call):
            found += _argument_issues(node)
            found += _format_issues(node, checked)
        elif isinstance(node, ListNode | MapNode) and not mixed:
            found += _mixed_issues(node, checked)
    return found


def _may_mix(node: Node, part: Node, mixed: bool) -> bool:
    """May a literal have elements of several types? Those that `format` is given may."""
    if isinstance(node, Call):
        return node.function == "format"
    return isinstance(node, ListNode) and isinstance(part, ListNode | MapNode) and mixed


def _argument_issues(node: Call) -> Iterator[Issue]:
    if node.function not in _READERS or not node.args:
        return
    literal = node.args[0]
    if isinstance(literal, Literal) and isinstance(literal.value, str):
        try:
            _READERS[node.function](literal.value)
        except (EvaluationError, BadPattern):
            yield Issue(literal.at, f"invalid {node.function} argument")


def _mixed_issues(node: ListNode | MapNode, checked: Checked) -> Iterator[Issue]:
    """Yield complaints about elements that have not the very type of the first one."""
    if isinstance(node, ListNode):
        types = [
            _element(checked.types[item], place in node.optional)
            for place, item in enumerate(node.items)
        ]
        for item, known in zip(node.items, types, strict=True):
            if known != types[0]:
                yield _mismatch(item, types[0], known)
                return
        return
    for entry in node.entries[1:]:
        first = node.entries[0]
        key, wanted = checked.types[entry.key], checked.types[first.key]
        if key != wanted:
            yield _mismatch(entry.key, wanted, key)
        value = _element(checked.types[entry.value], entry.optional)
        wanted = _element(checked.types[first.value], first.optional)
        if value != wanted:
            yield _mismatch(entry.value, wanted, value)


def _element(known: Type, optional: bool) -> Type:
    return known.params[0] if optional and known.params else known


def _mismatch(node: Node, wanted: Type, found: Type) -> Issue:
    return Issue(node.at, f"expected type '{wanted}' but found '{found}'")


def _format_issues(node: Call, checked: Checked) -> Iterator[Issue]:
    """Yield what is wrong with a text that is filled in with a literal list."""
    target, args = node.target, node.args
    if node.function != "format" or len(args) != 1 or not isinstance(args[0], ListNode):
        return
    if not isinstance(target, Literal) or not isinstance(target.value, str):
        return
    items = args[0].items

    def write(place: int, clause: Clause) -> str:
        odd = _unwritable(items[place], clause, checked)
        if odd is not None:
            raise Unfit(clause.refusal(run_time_name(checked.types[odd])), odd)
        return ""

    try:
        _, used = interpolate(target.value, len(items), write, running=False)
    except Unfit as error:
        yield Issue((error.node or node).at, str(error))
        return
    if len(items) > used:
        numbers = f"expected {used}, got {len(items)}"
        yield Issue(node.at, f"too many arguments supplied to string.format ({numbers})")


def _unwritable(node: Node, clause: Clause, checked: Checked) -> Node | None:
    """Return the part of an argument that a clause is not for, None if there is none."""
    known = checked.types[node].kind
    if known != "dyn" and known not in _WRITABLE[clause.verb.lower()]:
        return node
    parts: list[Node] = []
    if clause.verb == "s" and isinstance(node, ListNode):
        parts = node.items
    elif clause.verb == "s" and isinstance(node, MapNode):
        parts = [part for entry in node.entries for part in (entry.key, entry.value)]
    odd = (_unwritable(part, clause, checked) for part in parts)
    return next((one for one in odd if one is not None), None)


def below(node: Node) -> Iterator[Node]:
    """Yield the parts of an expression, in the order in which they stand."""
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
        if node.filter is not None:
            yield node.filter
        yield node.step
    elif isinstance(node, Bind):
        yield node.value
        yield node.step
