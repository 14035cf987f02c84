"""Turns a checked expression into closures over a `Run`: what is decided once is not decided again
at each use.

Every step has a price, as in cel-go; a run that has spent its limit is ended with CostExceeded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from roost.api.cel.checker import Checked
from roost.api.cel.comprehensions import fold
from roost.api.cel.converting import converter
from roost.api.cel.dispatch import dispatcher
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
from roost.api.cel.prices import price
from roost.api.cel.running import Run, Step
from roost.api.cel.types import Type, is_dyn, run_time_name
from roost.api.cel.values import NONE, EvaluationError, Optional, Struct, TypeValue, map_key

LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40


class Compiler:
    """One use compiles one expression. After it, `slots` says where each variable's value belongs."""

    def __init__(self, checked: Checked, variables: Mapping[str, Type]) -> None:
        self._checked = checked
        self._variables = variables
        self.slots: dict[str, int] = {}
        self._scopes: list[dict[str, int]] = []
        self.size = 0

    def slot(self) -> int:
        self.size += 1
        return self.size - 1

    def scoped(self, names: tuple[str, ...]) -> list[int]:
        """Opens a scope; the caller closes it with `unscoped`."""
        places = [self.slot() for _ in names]
        self._scopes.append(dict(zip(names, places, strict=True)))
        return places

    def unscoped(self) -> None:
        self._scopes.pop()

    def step(self, node: Node) -> Step:
        return _RULES[type(node)](self, node)

    def literal(self, node: Literal) -> Step:
        value = node.value
        return lambda _run: value

    def ident(self, node: Ident) -> Step:
        return self._named(self._checked.names.get(node, node.name), node)

    def _named(self, name: str, node: Node) -> Step:
        for scope in reversed(self._scopes):
            if name in scope:
                return _load(scope[name])
        if name not in self._variables:
            of = self._checked.types[node].params[0]
            value = TypeValue(run_time_name(of))
            return lambda _run: value
        if name not in self.slots:
            self.slots[name] = self.slot()
        return _load_variable(self.slots[name], name)

    def select(self, node: Select) -> Step:
        name = self._checked.names.get(node)
        if name is not None:
            return self._named(name, node)
        of = self._checked.types[node.operand]
        if of.kind == "optional_type":
            of = of.params[0]
        key, convert = node.field, None
        if of.kind == "object" and node.field in (of.fields or {}):
            known = (of.fields or {})[node.field]
            key, convert = known.key, converter(known.type)
        operand = self.step(node.operand)
        if node.test:
            return _test(operand, key, of.kind == "object")
        if node.optional or self._checked.types[node.operand].kind == "optional_type":
            return _optional_field(operand, key, convert)
        return (
            _field(operand, key) if convert is None else _converted(_field(operand, key), convert)
        )

    def list_literal(self, node: ListNode) -> Step:
        steps = [(self.step(item), place in node.optional) for place, item in enumerate(node.items)]

        def build(run: Run) -> Any:
            run.spend(LIST_COST)
            out = []
            for step, optional in steps:
                value = step(run)
                if optional:
                    if not value.present:
                        continue
                    value = value.value
                out.append(value)
            return out

        return build

    def map_literal(self, node: MapNode) -> Step:
        steps = [(self.step(e.key), self.step(e.value), e.optional) for e in node.entries]

        def build(run: Run) -> Any:
            run.spend(MAP_COST)
            out: dict[Any, Any] = {}
            for key_step, value_step, optional in steps:
                key, value = map_key(key_step(run)), value_step(run)
                if optional:
                    if not value.present:
                        continue
                    value = value.value
                if key in out:
                    raise EvaluationError(f"insert failed: key {key} already exists")
                out[key] = value
            return out

        return build

    def struct(self, node: StructNode) -> Step:
        steps = [
            (e.key.value, self.step(e.value), e.optional)
            for e in node.entries
            if isinstance(e.key, Literal)
        ]
        name = node.name.lstrip(".")

        def build(run: Run) -> Any:
            run.spend(STRUCT_COST)
            fields = []
            for key, step, optional in steps:
                value = step(run)
                if optional:
                    if not value.present:
                        continue
                    value = value.value
                fields.append((key, value))
            return Struct(name, fields)

        return build

    def bind(self, node: Bind) -> Step:
        value = self.step(node.value)
        (place,) = self.scoped((node.variable,))
        step = self.step(node.step)
        self.unscoped()
        mode = node.mode

        def bound(run: Run) -> Any:
            given = value(run)
            if mode != "bind":
                if type(given) is not Optional:
                    raise EvaluationError("no such overload")
                if not given.present:
                    return NONE
                given = given.value
            run.values[place] = given
            result = step(run)
            return Optional(present=True, value=result) if mode == "map" else result

        return bound

    def comprehension(self, node: Comprehension) -> Step:
        source = self.step(node.range)
        places = self.scoped(node.variables)
        condition = None if node.filter is None else self.step(node.filter)
        step = self.step(node.step)
        self.unscoped()
        return fold(node.macro, source, places, condition, step)

    def call(self, node: Call) -> Step:
        args = [
            self.step(arg) for arg in ([] if node.target is None else [node.target]) + node.args
        ]
        special = _SPECIAL.get(node.function)
        if special is not None and (
            node.function.startswith("_") or node not in self._checked.overloads
        ):
            return special(*args)
        overloads = self._checked.overloads[node]
        types = [
            self._checked.types[a]
            for a in ([] if node.target is None else [node.target]) + node.args
        ]
        return _called(overloads, args, known=not any(map(_uncertain, types)))


def _uncertain(of: Type) -> bool:
    return is_dyn(of) or of.kind == "param" or any(map(_uncertain, of.params))


def _load(place: int) -> Step:
    def load(run: Run) -> Any:
        run.spend(1)
        return run.values[place]

    return load


def _load_variable(place: int, name: str) -> Step:
    def load(run: Run) -> Any:
        run.spend(1)
        value = run.values[place]
        if value is _MISSING:
            raise EvaluationError(f"no such attribute(s): {name}")
        return value.get() if type(value) is Lazy else value

    return load


_MISSING = object()


class Lazy:
    """A variable that is worked out when it is first asked for."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._value: Any = _MISSING

    def get(self) -> Any:
        """Raises what working it out raised."""
        if self._value is _MISSING:
            self._value = self._make()
        return self._value


def _field(operand: Step, key: str) -> Step:
    def field(run: Run) -> Any:
        value = operand(run)
        run.spend(1)
        try:
            return value[key]
        except (KeyError, TypeError):  # what is no map has no keys either
            raise EvaluationError(f"no such key: {key}") from None

    return field


def _converted(step: Step, convert: Callable[[Any], Any]) -> Step:
    return lambda run: convert(step(run))


def _test(operand: Step, key: str, typed: bool) -> Step:
    """Of what a schema describes, a field that is null counts as absent."""

    def test(run: Run) -> Any:
        value = operand(run)
        if type(value) is Optional:
            value = value.value if value.present else {}
        if not isinstance(value, dict):
            raise EvaluationError("no such overload")
        return value.get(key) is not None if typed else key in value

    return test


def _optional_field(operand: Step, key: str, convert: Callable[[Any], Any] | None) -> Step:
    def field(run: Run) -> Any:
        value = operand(run)
        run.spend(1)
        if type(value) is Optional:
            if not value.present:
                return NONE
            value = value.value
        if not isinstance(value, dict):
            raise EvaluationError("no such overload")
        if key not in value:
            return NONE
        found = value[key]
        return Optional(present=True, value=found if convert is None else convert(found))

    return field


def _conditional(condition: Step, yes: Step, no: Step) -> Step:
    def choose(run: Run) -> Any:
        chosen = condition(run)
        if chosen is True:
            return yes(run)
        if chosen is False:
            return no(run)
        raise EvaluationError("no such overload")

    return choose


def _logical(*, decisive: bool) -> Callable[[Step, Step], Step]:
    """Both sides may fail or be no truth value, so long as the other decides."""

    def make(left: Step, right: Step) -> Step:
        def both(run: Run) -> Any:
            problem: EvaluationError | None = None
            try:
                value = left(run)
                if value is decisive:
                    return decisive
                if value is not (not decisive):
                    problem = EvaluationError("no such overload")
            except EvaluationError as error:
                if run.exhausted:
                    raise
                problem = error
            value = right(run)
            if value is decisive:
                return decisive
            if problem is not None:
                raise problem
            if value is not (not decisive):
                raise EvaluationError("no such overload")
            return value

        return both

    return make


def _or_value(target: Step, other: Step) -> Step:
    def alternative(run: Run) -> Any:
        value = target(run)
        if type(value) is not Optional:
            raise EvaluationError("no such overload")
        return value.value if value.present else other(run)

    return alternative


def _or(target: Step, other: Step) -> Step:
    def alternative(run: Run) -> Any:
        value = target(run)
        if type(value) is not Optional:
            raise EvaluationError("no such overload")
        return value if value.present else other(run)

    return alternative


_SPECIAL: Mapping[str, Callable[..., Step]] = {
    "_?_:_": _conditional,
    "_&&_": _logical(decisive=False),
    "_||_": _logical(decisive=True),
    "orValue": _or_value,
    "or": _or,
}


def _called(overloads: list[Overload], args: list[Step], known: bool) -> Step:
    call = dispatcher(overloads, known)
    spent = price(overloads[0].cost)
    if len(args) == 1:
        only = args[0]

        def one(run: Run) -> Any:
            value = only(run)
            run.spend(1 if spent is None else spent(value))
            return call(value)

        return one
    if len(args) == 2:
        first, second = args

        def two(run: Run) -> Any:
            left, right = first(run), second(run)
            run.spend(1 if spent is None else spent(left, right))
            return call(left, right)

        return two

    def many(run: Run) -> Any:
        values = [arg(run) for arg in args]
        run.spend(1 if spent is None else spent(*values))
        return call(*values)

    return many


_RULES: Mapping[type, Callable[..., Step]] = {
    Literal: Compiler.literal,
    Ident: Compiler.ident,
    Select: Compiler.select,
    ListNode: Compiler.list_literal,
    MapNode: Compiler.map_literal,
    StructNode: Compiler.struct,
    Comprehension: Compiler.comprehension,
    Bind: Compiler.bind,
    Call: Compiler.call,
}
MISSING = _MISSING
