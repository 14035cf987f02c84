"""Finds the type of every part of an expression, and says what does not fit, as cel-go says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from roost.api.cel.functions.declare import Library, Overload
from roost.api.cel.issues import CompileError, Issue
from roost.api.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    Entry,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from roost.api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    Type,
    is_dyn,
    list_of,
    map_of,
    optional_of,
    param,
    type_of,
)
from roost.api.cel.unify import Bound, closed, fits, fresh, resolved
from roost.api.cel.values import Uint

_LOGICAL: Mapping[str, tuple[Type, ...]] = {"_&&_": (BOOL, BOOL), "_||_": (BOOL, BOOL)}
_OPTIONAL_METHODS = ("orValue", "or")
_FOLDS = {"all": "_&&_", "exists": "_||_"}


@dataclass(slots=True)
class Checked:
    """What the checker found: the type of each node, and the signatures each call may mean."""

    types: dict[Node, Type] = field(default_factory=dict)
    overloads: dict[Node, list[Overload]] = field(default_factory=dict)
    names: dict[Node, str] = field(default_factory=dict)


class Checker:
    """One use checks one expression. `type_names` are types that can be named in it as values."""

    def __init__(
        self,
        source: str,
        variables: Mapping[str, Type],
        library: Library,
        type_names: Mapping[str, Type],
        structures: Mapping[str, Type],
    ) -> None:
        self._source = source
        self._scopes: list[Mapping[str, Type]] = [variables]
        self._library = library
        self._type_names = type_names
        self._structures = structures
        self._issues: list[Issue] = []
        self._bound: Bound = {}
        self._fresh = 0
        self.checked = Checked()

    def check(self, tree: Node) -> Checked:
        """Raises CompileError."""
        self._type(tree)
        if self._issues:
            raise CompileError(self._source, self._issues)
        types = self.checked.types
        for node, known in types.items():
            types[node] = closed(resolved(known, self._bound))
        return self.checked

    def _complain(self, node: Node | Entry, message: str) -> Type:
        self._issues.append(Issue(node.at, message))
        return ERROR

    def _shown(self, *types: Type) -> str:
        return ", ".join(str(closed(resolved(one, self._bound))) for one in types)

    def _new(self) -> Type:
        self._fresh += 1
        return param(f"T#{self._fresh}")

    def _type(self, node: Node) -> Type:
        rule: Callable[..., Type] = _RULES[type(node)]
        found = resolved(rule(self, node), self._bound)
        self.checked.types[node] = found
        return found

    def _variable(self, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def _named(self, node: Node, name: str) -> Type | None:
        """A variable or a type of that name, noted for the evaluator."""
        found = self._variable(name.lstrip("."))
        if found is None and name in self._type_names:
            found = type_of(self._type_names[name])
        if found is not None:
            self.checked.names[node] = name.lstrip(".")
        return found

    def literal(self, node: Literal) -> Type:
        value = node.value
        if value is None:
            return NULL
        for cls, known in ((bool, BOOL), (Uint, UINT), (int, INT), (float, DOUBLE), (str, STRING)):
            if isinstance(value, cls):
                return known
        return BYTES

    def ident(self, node: Ident) -> Type:
        found = self._named(node, node.name)
        if found is None:
            return self._complain(node, f"undeclared reference to '{node.name}' (in container '')")
        return found

    def select(self, node: Select) -> Type:
        path = dotted(node)
        free = path is not None and not node.test
        if (
            path is not None
            and free
            and (self._variable(path) is not None or self._variable(path.split(".")[0]) is None)
        ):
            found = self._named(node, path)
            if found is not None:
                return found
        of = self._type(node.operand)
        through_optional = of.kind == "optional_type"
        inner = resolved(of.params[0], self._bound) if through_optional else of
        found = self._field(node, inner)
        if node.test:
            return BOOL
        if (node.optional or through_optional) and found.kind != "error":
            return found if found.kind == "optional_type" else optional_of(found)
        return found

    def _field(self, node: Select, of: Type) -> Type:
        if of.kind == "map":
            return of.params[1]
        if of.kind == "object":
            fields = of.fields or {}
            known = fields.get(node.field)
            if known is not None:
                return known.type
            return (
                DYN
                if of.dynamic and not fields
                else self._complain(node, f"undefined field '{node.field}'")
            )
        if is_dyn(of) or of.kind == "param":
            return DYN
        return self._complain(node, f"type '{self._shown(of)}' does not support field selection")

    def list_literal(self, node: ListNode) -> Type:
        element: Type | None = None
        for place, item in enumerate(node.items):
            found = self._type(item)
            if place in node.optional and found.kind == "optional_type":
                found = resolved(found.params[0], self._bound)
            element = self._joined(element, found, item)
        return list_of(self._new() if element is None else element)

    def _joined(self, known: Type | None, found: Type, node: Node) -> Type:
        """The one type that all elements have: literals may not mix types."""
        if known is None:
            return found
        if is_dyn(known) or is_dyn(found):
            return known if found.kind == "error" else DYN
        if not fits(known, found, self._bound):
            return self._complain(
                node, f"expected type '{self._shown(known)}' but found '{self._shown(found)}'"
            )
        return known

    def map_literal(self, node: MapNode) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self._joined(key, self._type(entry.key), entry.key)
            found = self._type(entry.value)
            if entry.optional and found.kind == "optional_type":
                found = found.params[0]
            value = self._joined(value, found, entry.value)
        return map_of(self._new() if key is None else key, self._new() if value is None else value)

    def struct(self, node: StructNode) -> Type:
        known = self._structures.get(node.name.lstrip("."))
        if known is None:
            known = _nested(self._structures, node.name.lstrip("."))
        for entry in node.entries:
            found = self._type(entry.value)
            if entry.optional and found.kind == "optional_type":
                found = found.params[0]
            if known is None:
                continue
            name = getattr(entry.key, "value", "")
            wanted = (known.fields or {}).get(name)
            if wanted is None and not (known.dynamic and not known.fields):
                self._complain(entry, f"undefined field '{name}'")
            elif wanted is not None and not fits(wanted.type, found, self._bound):
                shown = (
                    f"expected type of field '{name}' is '{wanted.type}' but provided type "
                    f"is '{self._shown(found)}'"
                )
                self._complain(entry, shown)
        if known is None:
            return self._complain(node, f"undeclared reference to '{node.name}' (in container '')")
        return known

    def comprehension(self, node: Comprehension) -> Type:
        of = self._type(node.range)
        if of.kind == "list":
            kinds: tuple[Type, ...] = (INT, of.params[0])
        elif of.kind == "map":
            kinds = of.params
        elif is_dyn(of) or of.kind == "param":
            kinds = (DYN, DYN)
        else:
            what = (
                "expression of type '{}' cannot be range of a comprehension (must be "
                "list, map, or dynamic)"
            )
            kinds = (ERROR, ERROR)
            self._complain(node.range, what.format(self._shown(of)))
        single = kinds[1] if of.kind == "list" else kinds[0]
        scope = (
            {node.variables[0]: single}
            if len(node.variables) == 1
            else dict(zip(node.variables, kinds, strict=True))
        )
        self._scopes.append(scope)
        if node.filter is not None:
            self._truth(node, self._type(node.filter), list_of(DYN))
        step = self._type(node.step)
        self._scopes.pop()
        return self._folded(node, step, single, kinds)

    def _truth(self, node: Node, found: Type, accumulated: Type) -> None:
        if not fits(BOOL, found, self._bound):
            shown = self._shown(found, accumulated, accumulated)
            self._complain(node, f"found no matching overload for '_?_:_' applied to '({shown})'")

    def _folded(
        self, node: Comprehension, step: Type, single: Type, kinds: tuple[Type, ...]
    ) -> Type:
        macro = node.macro
        if macro in _FOLDS:
            if not fits(BOOL, step, self._bound):
                shown = self._shown(BOOL, step)
                self._complain(
                    node, f"found no matching overload for '{_FOLDS[macro]}' applied to '({shown})'"
                )
            return BOOL
        if macro == "exists_one":
            self._truth(node, step, INT)
            return BOOL
        if macro == "filter":
            self._truth(node, step, list_of(single))
            return list_of(single)
        if macro == "sortBy":
            return list_of(single)
        if macro == "transformMap":
            return map_of(kinds[0], step)
        if macro == "transformMapEntry":
            return step if step.kind == "map" else map_of(DYN, DYN)
        return list_of(step)

    def bind(self, node: Bind) -> Type:
        value = self._type(node.value)
        inner = value
        if node.mode != "bind":
            inner = value.params[0] if value.kind == "optional_type" else DYN
        self._scopes.append({node.variable: inner})
        step = self._type(node.step)
        self._scopes.pop()
        return optional_of(step) if node.mode == "map" else step

    def call(self, node: Call) -> Type:
        path = None if node.target is None else dotted(node.target)
        if path is not None and self._variable(path.split(".")[0]) is None:
            name = f"{path.lstrip('.')}.{node.function}"
            if name in self._library:
                node.function, node.target = name, None
        args = ([] if node.target is None else [node.target]) + node.args
        types = tuple(self._type(arg) for arg in args)
        if node.function == "_?_:_":
            return self._conditional(node, types)
        if node.function in _LOGICAL:
            return self._logical(node, types)
        if (
            node.target is not None
            and node.function in _OPTIONAL_METHODS
            and types[0].kind in ("optional_type", "dyn")
        ):
            return self._alternative(node, types)
        candidates = self._library.get(node.function.lstrip("."))
        if candidates is None:
            return self._complain(
                node, f"undeclared reference to '{node.function}' (in container '')"
            )
        return self._resolve(node, candidates, types)

    def _conditional(self, node: Call, types: tuple[Type, ...]) -> Type:
        if fits(BOOL, types[0], self._bound):
            if is_dyn(types[1]) or is_dyn(types[2]):
                return DYN
            if fits(types[1], types[2], self._bound):
                return types[2] if types[1].kind == "null" else types[1]
        return self._no_overload(node, types)

    def _logical(self, node: Call, types: tuple[Type, ...]) -> Type:
        if all(fits(BOOL, one, self._bound) for one in types):
            return BOOL
        return self._no_overload(node, types)

    def _alternative(self, node: Call, types: tuple[Type, ...]) -> Type:
        if is_dyn(types[0]) or len(types) != 2:
            return DYN
        wanted = types[0] if node.function == "or" else types[0].params[0]
        if not fits(wanted, types[1], self._bound):
            return self._no_overload(node, types)
        return wanted

    def _resolve(self, node: Call, candidates: list[Overload], types: tuple[Type, ...]) -> Type:
        member = node.target is not None
        chosen: list[Overload] = []
        result: Type | None = None
        kept = self._bound
        for overload in candidates:
            if overload.member != member or len(overload.params) != len(types):
                continue
            self._fresh += 1
            trial = dict(self._bound)
            if all(
                fits(fresh(p, self._fresh), t, trial)
                for p, t in zip(overload.params, types, strict=True)
            ):
                chosen.append(overload)
                found = resolved(fresh(overload.result, self._fresh), trial)
                result = found if result is None or result == found else DYN
                kept = trial
        if result is None:
            return self._no_overload(node, types)
        if len(chosen) == 1:
            self._bound = kept
        self.checked.overloads[node] = chosen
        return result

    def _no_overload(self, node: Call, types: tuple[Type, ...]) -> Type:
        if any(one.kind == "error" for one in types):
            return ERROR
        if node.target is not None:
            shown = f"{self._shown(types[0])}.({self._shown(*types[1:])})"
        else:
            shown = f"({self._shown(*types)})"
        return self._complain(
            node, f"found no matching overload for '{node.function}' applied to '{shown}'"
        )


def dotted(node: Node) -> str | None:
    """`a.b.c` as text when the node is nothing but names."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        operand = dotted(node.operand)
        return None if operand is None else f"{operand}.{node.field}"
    return None


def _nested(structures: Mapping[str, Type], name: str) -> Type | None:
    """The type of `Object.spec.template`: reached over the fields of the first word's type."""
    first, *rest = name.split(".")
    found = structures.get(first)
    for word in rest:
        if found is None:
            return None
        if found.dynamic and not found.fields:
            return replace(found, name=name)
        step = (found.fields or {}).get(word)
        found = None if step is None else step.type
        while found is not None and found.kind in ("list", "map"):
            found = found.params[-1]
    return found


_RULES: Mapping[type[Node], Callable[..., Type]] = {
    Literal: Checker.literal,
    Ident: Checker.ident,
    Select: Checker.select,
    ListNode: Checker.list_literal,
    MapNode: Checker.map_literal,
    StructNode: Checker.struct,
    Comprehension: Checker.comprehension,
    Bind: Checker.bind,
    Call: Checker.call,
}
