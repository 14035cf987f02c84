"""The syntax tree of CEL. Every node knows where it stands in the text, for the messages.

Macros are expanded by the parser into nodes of their own, so that the checker, the evaluator and
the estimate of costs each meet a comprehension as one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Node:
    """Any expression; nodes are compared by identity, since types are noted beside them."""

    __slots__ = ("at",)
    at: int


@dataclass(eq=False, slots=True)
class Literal(Node):
    value: Any
    at: int


@dataclass(eq=False, slots=True)
class Ident(Node):
    name: str
    at: int


@dataclass(eq=False, slots=True)
class Select(Node):
    """`operand.field`; `test` for has(), `optional` for `operand.?field`."""

    operand: Node
    field: str
    at: int
    test: bool = False
    optional: bool = False


@dataclass(eq=False, slots=True)
class Call(Node):
    """A function, an operator (`_+_`) or a method when `target` is there."""

    function: str
    target: Node | None
    args: list[Node]
    at: int


@dataclass(eq=False, slots=True)
class ListNode(Node):
    items: list[Node]
    optional: frozenset[int]
    at: int


@dataclass(eq=False, slots=True)
class Entry:
    """One entry of a map or a structure; `optional` ones are left out when their value is absent."""

    key: Node
    value: Node
    optional: bool
    at: int


@dataclass(eq=False, slots=True)
class MapNode(Node):
    entries: list[Entry]
    at: int


@dataclass(eq=False, slots=True)
class StructNode(Node):
    name: str
    entries: list[Entry]
    at: int


@dataclass(eq=False, slots=True)
class Comprehension(Node):
    """`range.macro(variables..., filter?, step)`: all, exists, existsOne, map, filter,
    transform...; two variables are (index, element) or (key, value).
    """

    macro: str
    range: Node
    variables: tuple[str, ...]
    filter: Node | None
    step: Node
    at: int


@dataclass(eq=False, slots=True)
class Bind(Node):
    """cel.bind, optMap and optFlatMap: `step` with `variable` as `value`; `mode` is bind, map or
    flatMap.
    """

    mode: str
    variable: str
    value: Node
    step: Node
    at: int
