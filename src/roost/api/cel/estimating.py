"""What an expression may cost at most, found without running it, from the sizes its schema allows.

The rules are those of cel-go's checker and of Kubernetes' library; what is not bounded costs
`UNBOUNDED`. Whatever is reached by a path from a variable has the size that its schema gives it, which
is nothing for what is no text, list or map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from roost.api.cel.callcosts import Answer, Asked, estimate
from roost.api.cel.checker import Checked
from roost.api.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from roost.api.cel.sizes import UNBOUNDED, UNKNOWN, Size, added, times
from roost.api.cel.types import Type

_SCALARS: Final = frozenset(["bool", "double", "duration", "int", "timestamp", "uint"])
#: Types whose fields cost something to reach.
_REACHED: Final = frozenset(["map", "object", "param"])
_LIST_COST, _MAP_COST, _STRUCT_COST = 10, 30, 40
#: Macro -> what it costs before the first element, with each element, and after the last.
_LOOPS: Final[dict[str, tuple[int, int, int]]] = {
    "all": (0, 3, 1),
    "exists": (0, 4, 1),
    "exists_one": (0, 2, 2),
    "map": (_LIST_COST, 12, 1),
    "filter": (_LIST_COST, 13, 1),
    "transformList": (_LIST_COST, 12, 1),
    "transformMap": (_MAP_COST, 3, 1),
    "transformMapEntry": (_MAP_COST, 2, 1),
    "sortBy": (2 * _LIST_COST, 14, 14),
}
_BIND_COST: Final = 10


def max_cost(tree: Node, checked: Checked, variables: Mapping[str, Type]) -> int:
    """The highest cost that evaluating the expression can have."""
    return _Estimate(checked, variables).cost(tree)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a name: its type in the schema, and its size where that is no help."""

    of: Type | None
    size: Size = UNKNOWN


class _Estimate:
    def __init__(self, checked: Checked, variables: Mapping[str, Type]) -> None:
        self._checked = checked
        self._scopes: list[dict[str, _Known]] = [
            {name: _Known(of) for name, of in variables.items()}
        ]
        #: Elements of what a schema does not describe are taken for the whole.
        self._root = variables.get("self") or variables.get("device")
        self._sizes: dict[Node, Size] = {}

    def cost(self, node: Node) -> int:
        if isinstance(node, Literal):
            return 0
        if isinstance(node, Ident) or node in self._checked.names:
            return 1
        if isinstance(node, Select):
            return added(self.cost(node.operand), self._step(node))
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Comprehension):
            return self._comprehension(node)
        if isinstance(node, Bind):
            return self._bind(node)
        return self._literal(node)

    def _step(self, node: Select) -> int:
        if node.test:
            return 0
        kind = self._checked.types[node.operand].kind
        return 1 if node.optional or kind in _REACHED else 0

    def _literal(self, node: Node) -> int:
        if isinstance(node, ListNode):
            return self._sum(_LIST_COST, node.items)
        if isinstance(node, MapNode):
            parts = [part for entry in node.entries for part in (entry.key, entry.value)]
            return self._sum(_MAP_COST, parts)
        assert isinstance(node, StructNode)
        return self._sum(_STRUCT_COST, [entry.value for entry in node.entries])

    def _sum(self, cost: int, nodes: Sequence[Node]) -> int:
        for node in nodes:
            cost = added(cost, self.cost(node))
        return cost

    def _call(self, node: Call) -> int:
        args = ([] if node.target is None else [node.target]) + node.args
        costs = [self.cost(arg) for arg in args]
        if node.function == "_?_:_":
            self._sizes[node] = self.size(args[1]).joined(self.size(args[2]))
            return added(costs[0], max(costs[1], costs[2]))
        total = 0
        for cost in costs:
            total = added(total, cost)
        if node.function in ("_&&_", "_||_"):
            return total
        answer = self._answer(node, args)
        if answer.size is not None:
            self._sizes[node] = answer.size
        return added(total, answer.cost)

    def _answer(self, node: Call, args: list[Node]) -> Answer:
        """Return what is true of all signatures that a call may mean."""
        found: Answer | None = None
        sizes = tuple(self.size(arg) for arg in args)
        element = self._element(args[0]) if args else UNKNOWN
        limit = args[2].value if len(args) > 2 and isinstance(args[2], Literal) else None
        for overload in self._checked.overloads.get(node, ()):
            known = tuple(
                param if given.kind in ("dyn", "any", "param") or param.kind != "param" else given
                for param, given in zip(
                    overload.params, (self._checked.types[arg] for arg in args), strict=True
                )
            )
            number = limit if isinstance(limit, int) else None
            answer = estimate(Asked(node.function, overload.member, known, sizes, element, number))
            found = answer if found is None else _either(found, answer)
        if found is None:
            return Answer(1)
        if node.function == "dyn":
            return Answer(1, sizes[0])
        return found

    def _element(self, node: Node) -> Size:
        """Return the size of the elements of a list."""
        of = self._declared(node)
        return UNKNOWN if of is None or of.kind != "list" else _size_of(of.params[0])

    def _bind(self, node: Bind) -> int:
        value = self.cost(node.value)
        self._scopes.append({node.variable: self._known(node)})
        step = self.cost(node.step)
        if node.mode == "bind":
            self._sizes[node] = self.size(node.step)
        self._scopes.pop()
        if node.mode == "bind":
            return added(_BIND_COST, added(value, step))
        # Whether there is a value is asked first; then it is taken out, and perhaps put back.
        taken = added(added(value, 1), added(_BIND_COST, step))
        return added(added(value, 1), added(taken, 1 if node.mode == "map" else 0))

    def _known(self, node: Bind) -> _Known:
        if node.mode == "bind":
            return _Known(self._declared(node.value), self.size(node.value))
        return _Known(None)

    def _comprehension(self, node: Comprehension) -> int:
        whole = self.cost(node.range)
        count = self.size(node.range)
        self._scopes.append(self._elements(node))
        before, each, after = _LOOPS[node.macro]
        step = added(self.cost(node.step), each)
        if node.filter is not None:
            step = added(step, self.cost(node.filter))
        self._scopes.pop()
        if before:
            self._sizes[node] = count
        return added(added(whole, before + after), times(count.most, step))

    def _elements(self, node: Comprehension) -> dict[str, _Known]:
        names, of = node.variables, self._declared(node.range)
        is_list = self._checked.types[node.range].kind == "list"
        if of is None or not of.params:
            whole = _Known(self._root)
            return dict.fromkeys(names, whole)
        value = _Known(of.params[-1])
        key = _Known(of.params[0] if of.kind == "map" else None, Size.of(1))
        if len(names) == 1:
            return {names[0]: value if is_list else key}
        return {names[0]: key, names[1]: value}

    def size(self, node: Node) -> Size:
        """Return the size of the node's value."""
        if node in self._sizes:
            return self._sizes[node]
        if isinstance(node, Literal):
            return Size.of(len(node.value) if isinstance(node.value, str | bytes) else 1)
        if isinstance(node, ListNode):
            return Size.of(len(node.items))
        if isinstance(node, MapNode):
            return Size.of(len(node.entries))
        of = self._declared(node)
        if of is not None:
            return _size_of(of)
        known = self._checked.types[node]
        if known.kind == "optional_type":
            known = known.params[0]
        if known.kind in _SCALARS:
            return Size.of(1)
        named = self._named(node.name) if isinstance(node, Ident) else None
        return UNKNOWN if named is None else named.size

    def _named(self, name: str) -> _Known | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _declared(self, node: Node) -> Type | None:
        """The schema's type of a node that is reached by a path."""
        if isinstance(node, Ident) or node in self._checked.names:
            named = self._named(self._checked.names.get(node, ""))
            # The name of a type is a path too, to nothing that the schema knows.
            return self._root if named is None else named.of
        if isinstance(node, Select) and not node.test and not node.optional:
            of = self._declared(node.operand)
            if of is None:
                return None
            if of.kind == "map":
                return of.params[1]
            found = (of.fields or {}).get(node.field)
            return None if found is None else found.type
        if isinstance(node, Call) and node.function == "_[_]":
            of = self._declared(node.args[0])
            return of.params[-1] if of is not None and of.kind in ("list", "map") else None
        return None


def _size_of(of: Type) -> Size:
    return Size(0, of.max_elements or 0)


def _either(one: Answer, other: Answer) -> Answer:
    sizes = [answer.size for answer in (one, other) if answer.size is not None]
    size = sizes[0] if len(sizes) == 1 else sizes[0].joined(sizes[1]) if sizes else None
    return Answer(max(one.cost, other.cost), size)


__all__ = ["UNBOUNDED", "max_cost", "times"]
