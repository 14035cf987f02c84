"""What an expression may cost at most, found without running it, from the sizes its schema allows.

The rules are those of cel-go's checker and of Kubernetes' library; what is not bounded costs
`UNBOUNDED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

from roost.api.cel.checker import Checked
from roost.api.cel.functions.declare import Overload
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
from roost.api.cel.types import Type

UNBOUNDED = (1 << 64) - 1
_SIZED = frozenset(["string", "bytes", "list", "map", "dyn", "any", "param"])
_SAME_SIZE = frozenset(
    [
        "lowerAscii",
        "upperAscii",
        "trim",
        "reverse",
        "substring",
        "find",
        "split",
        "slice",
        "distinct",
        "sort",
        "charAt",
        "bytes",
        "findAll",
        "dyn",
    ]
)
_LOOP_COST = {"all": 4, "exists": 5, "exists_one": 2, "map": 12, "filter": 13}
_RESULT_COST = {"exists_one": 2, "map": 11, "filter": 11, "transformList": 11, "transformMap": 31}
_LITERAL_COST: dict[type, int] = {ListNode: 10, MapNode: 30, StructNode: 40}


def added(left: int, right: int) -> int:
    return min(left + right, UNBOUNDED)


def times(left: int, right: int) -> int:
    return min(left * right, UNBOUNDED)


def _part(size: int, factor: float) -> int:
    return UNBOUNDED if size >= UNBOUNDED else ceil(size * factor)


def max_cost(tree: Node, checked: Checked, variables: Mapping[str, Type]) -> int:
    """The highest cost that evaluating the expression can have."""
    return _Estimate(checked, variables).cost(tree)


class _Estimate:
    def __init__(self, checked: Checked, variables: Mapping[str, Type]) -> None:
        self._checked = checked
        self._scopes: list[Mapping[str, Type | None]] = [variables]

    def cost(self, node: Node) -> int:
        if isinstance(node, Literal):
            return 0
        if isinstance(node, Ident):
            return 1
        if isinstance(node, Select):
            if node in self._checked.names:
                return 1
            return added(self.cost(node.operand), 0 if node.test else 1)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Comprehension):
            return self._comprehension(node)
        if isinstance(node, Bind):
            total = self.cost(node.value)
            self._scopes.append({node.variable: self._declared(node.value)})
            total = added(total, self.cost(node.step))
            self._scopes.pop()
            return total
        total = _LITERAL_COST[type(node)]
        if isinstance(node, ListNode):
            for item in node.items:
                total = added(total, self.cost(item))
        elif isinstance(node, MapNode | StructNode):
            for entry in node.entries:
                total = added(total, added(self.cost(entry.key), self.cost(entry.value)))
        return total

    def _call(self, node: Call) -> int:
        args = ([] if node.target is None else [node.target]) + node.args
        costs = [self.cost(arg) for arg in args]
        if node.function == "_?_:_":
            return added(costs[0], max(costs[1], costs[2]))
        total = 0
        for one in costs:
            total = added(total, one)
        if node.function in ("_&&_", "_||_"):
            return total
        overloads = self._checked.overloads.get(node)
        if not overloads:
            return added(total, 1)
        return added(total, self._price(overloads[0], [self.size(arg) for arg in args], args))

    def _price(self, overload: Overload, sizes: list[int], args: list[Node]) -> int:
        text = self._checked.types[args[0]].kind in ("string", "bytes") if args else False
        if (
            overload.cost == "join"
            and not text
            and self._checked.types[args[0]].kind not in ("dyn", "any")
        ):
            return 1
        if overload.cost == "each":
            lists = [
                s
                for s, a in zip(sizes, args, strict=True)
                if self._checked.types[a].kind in ("list", "dyn")
            ]
            return max(lists, default=1)
        if overload.cost == "product" and not text:
            return times(sizes[0], sizes[1])
        return _PRICES[overload.cost](sizes)

    def _comprehension(self, node: Comprehension) -> int:
        count = self.size(node.range)
        of = self._declared(node.range)
        key: Type | None = None
        element: Type | None = None
        if of is not None and of.params:
            element = of.params[-1]
            key = of.params[0] if of.kind == "map" else None
        names = node.variables
        known = self._checked.types[node.range].kind == "map"
        scope = (
            {names[0]: key if known else element}
            if len(names) == 1
            else {names[0]: key, names[1]: element}
        )
        self._scopes.append(scope)
        step = added(self.cost(node.step), _LOOP_COST.get(node.macro, 12))
        if node.filter is not None:
            step = added(step, self.cost(node.filter))
        self._scopes.pop()
        whole = added(self.cost(node.range), times(count, step))
        return added(whole, _RESULT_COST.get(node.macro, 1))

    def size(self, node: Node) -> int:
        """The largest size of the node's value."""
        if isinstance(node, Literal):
            return len(node.value) if isinstance(node.value, str | bytes) else 1
        if isinstance(node, ListNode):
            return len(node.items)
        if isinstance(node, MapNode):
            return len(node.entries)
        if self._checked.types[node].kind not in _SIZED:
            return 1
        declared = self._declared(node)
        if declared is not None:
            return UNBOUNDED if declared.max_elements is None else declared.max_elements
        if isinstance(node, Comprehension):
            return self.size(node.range)
        if isinstance(node, Call):
            return self._result_size(node)
        return UNBOUNDED

    def _result_size(self, node: Call) -> int:
        if node.function == "_+_":
            return added(self.size(node.args[0]), self.size(node.args[1]))
        if node.function == "_?_:_":
            return max(self.size(node.args[1]), self.size(node.args[2]))
        if node.function in _SAME_SIZE and (node.target is not None or node.args):
            return self.size(node.target if node.target is not None else node.args[0])
        return UNBOUNDED

    def _declared(self, node: Node) -> Type | None:
        """The schema's type of a node that is reached by a path."""
        if isinstance(node, Ident):
            return next(
                (scope[node.name] for scope in reversed(self._scopes) if node.name in scope), None
            )
        if isinstance(node, Select) and not node.test:
            of = self._declared(node.operand)
            if of is None:
                return None
            if of.kind == "optional_type":
                of = of.params[0]
            if of.kind == "map":
                return of.params[1]
            found = (of.fields or {}).get(node.field)
            return None if found is None else found.type
        if isinstance(node, Call) and node.function in ("_[_]", "_[?_]"):
            of = self._declared(node.args[0])
            return of.params[-1] if of is not None and of.params else None
        return None


_PRICES: Mapping[str, Callable[[list[int]], int]] = {
    "constant": lambda _sizes: 1,
    "scan": lambda sizes: max(1, _part(sizes[0], 0.1)),
    "join": lambda sizes: _part(added(sizes[0], sizes[1]), 0.1),
    "pairs": lambda sizes: max(1, _part(min(sizes), 0.1)),
    "product": lambda sizes: times(_part(sizes[0], 0.1), _part(sizes[1], 0.1)),
    "match": lambda sizes: times(_part(added(sizes[0], 1), 0.1), _part(sizes[-1], 0.25)),
    "ask": lambda _sizes: 350_000,
    "square": lambda sizes: times(sizes[0], sizes[0]),
}
