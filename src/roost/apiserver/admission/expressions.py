"""Expressions of webhooks and policies: compiled once, evaluated about one request at a time.

What is wrong with an expression is remembered, and told by the requests that need it: a policy that
came from a newer server still says what it can. Every evaluation is paid from the budget of its scope.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roost.api.cel.admission import (
    ANYTHING,
    CONDITION,
    Unfit,
    admission_environment,
    compiled,
)
from roost.api.cel.environment import EvaluationError, Program
from roost.api.cel.types import DYN, Type
from roost.api.cel.values import CostExceeded, Struct, type_name
from roost.api.kind import Kind
from roost.api.values import Object, Value
from roost.apiserver.admission.authorizing import authorizer_value, request_check
from roost.apiserver.admission.requests import described, shown_as
from roost.apiserver.admission.surroundings import Authorizer
from roost.apiserver.attributes import Admission
from roost.ports.histogram import Histogram

#: What all expressions of a policy may cost together, and all conditions of a webhook or a policy.
BUDGET: Final = 10_000_000
CONDITIONS_BUDGET: Final = 2_500_000
#: What one expression may cost.
_CALL_LIMIT: Final = 1_000_000
_EXHAUSTED: Final = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)


class EvaluationFailed(Exception):
    """An expression has no value for a request; the text says why."""


class OutOfBudget(EvaluationFailed):
    """The expressions together cost more than they may."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression; `fault` is what is wrong with it."""

    source: str
    program: Program | None
    fault: str = ""

    @property
    def result(self) -> Type:
        """The type of the values that it has."""
        return DYN if self.program is None else self.program.result

    def evaluate(self, scope: Scope, *, authorizer: bool = True) -> Any:
        """Return the value for a request. Raises EvaluationFailed, OutOfBudget."""
        if self.program is None:
            raise EvaluationFailed(f"compilation error: {self.fault}")
        try:
            return scope.run(self.program, authorizer)
        except EvaluationError as error:
            if scope.budget < 0:
                raise OutOfBudget(_EXHAUSTED) from None
            text = f"expression '{self.source}' resulted in error: {error}"
            raise EvaluationFailed(text) from None

    @staticmethod
    def type_of(value: Any) -> str:
        """Return what CEL calls the type of a value."""
        return type_name(value)


def compile_expression(
    source: str,
    variables: Mapping[str, Expression] | None = None,
    returns: Sequence[Type] = ANYTHING,
    *,
    params: bool = True,
    authorizer: bool = True,
    mutates: bool = False,
) -> Expression:
    """Compile an expression; what is wrong with it is remembered."""
    known = None if variables is None else {name: each.result for name, each in variables.items()}
    environment = admission_environment(
        params=params, authorizer=authorizer, mutates=mutates, variables=known
    )
    try:
        return Expression(source, compiled(source, environment, returns))
    except Unfit as error:
        return Expression(source, None, str(error))


class _Variables(dict[str, Any]):
    """The composited variables of a policy: each is evaluated when it is first named."""

    def __init__(self, scope: Scope, expressions: Mapping[str, Expression]) -> None:
        super().__init__()
        self._scope = scope
        self._expressions = expressions

    def __contains__(self, name: object) -> bool:
        return name in self._expressions

    def __missing__(self, name: str) -> Any:
        expression = self._expressions[name]
        if expression.program is None:
            raise EvaluationError(
                f'composited variable "{name}" fails to compile: {expression.fault}'
            )
        try:
            value = self._scope.run(expression.program, authorizer=True)
        except EvaluationError as error:
            text = f'composited variable "{name}" fails to evaluate: {error}'
            raise EvaluationError(text) from None
        self[name] = value
        return value


class _Bindings(Mapping[str, Any]):
    """Values of variables, each made when an expression first names it."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = makers
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class _Unauthorized(Mapping[str, Any]):
    """The same variables without the authoriser: what is only told must not cost a decision."""

    def __init__(self, all_: Mapping[str, Any]) -> None:
        self._all = all_

    def __getitem__(self, name: str) -> Any:
        if name.startswith("authorizer"):
            raise KeyError(name)
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._all if not name.startswith("authorizer"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Scope:
    """What expressions see of one request, and what they may still cost.

    `took` counts how long each evaluation takes.
    """

    __slots__ = ("_bindings", "_took", "budget")

    def __init__(
        self,
        request: Admission,
        kind: Kind,
        authorizer: Authorizer,
        *,
        params: Object | None = None,
        namespace: Object | None = None,
        variables: Mapping[str, Expression] | None = None,
        took: Histogram | None = None,
    ) -> None:
        self.budget = BUDGET
        self._took = took
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: shown_as(request, kind, request.object),
            "oldObject": lambda: shown_as(request, kind, request.old),
            "request": lambda: described(request, kind),
            "params": lambda: params,
            "namespaceObject": lambda: namespace,
            "authorizer": lambda: authorizer_value(request.user, authorizer),
            "authorizer.requestResource": lambda: request_check(request, authorizer),
        }
        if variables:
            makers["variables"] = lambda: _Variables(self, variables)
        self._bindings = _Bindings(makers)

    def run(self, program: Program, authorizer: bool) -> Any:
        """Evaluate and pay. Raises EvaluationError; the budget is then negative if that was why."""
        bindings: Mapping[str, Any] = self._bindings
        if not authorizer:
            bindings = _Unauthorized(bindings)
        limit = min(_CALL_LIMIT, self.budget)
        if self._took is None:
            value, cost = _measured(self, program, bindings, limit)
        else:
            now = asyncio.get_running_loop().time
            begun = now()
            try:
                value, cost = _measured(self, program, bindings, limit)
            finally:
                self._took.observe(now() - begun)
        self.budget -= cost
        if self.budget < 0:
            raise EvaluationError(_EXHAUSTED)
        return value


def _measured(
    scope: Scope, program: Program, bindings: Mapping[str, Any], limit: int
) -> tuple[Any, int]:
    try:
        return program.measure(bindings, max(limit, 0))
    except CostExceeded:
        scope.budget = scope.budget - limit if limit == _CALL_LIMIT else -1
        raise


@dataclass(frozen=True, slots=True)
class Conditions:
    """The match conditions of a webhook or a policy: all must hold."""

    expressions: tuple[Expression, ...] = ()
    #: Does one that cannot be evaluated mean that the request is not concerned?
    ignores_failure: bool = False

    def __bool__(self) -> bool:
        return bool(self.expressions)

    def hold(self, scope: Scope) -> bool:
        """Do they hold? One that is false decides; else what fails raises EvaluationFailed."""
        if not self.expressions:
            return True
        scope.budget = CONDITIONS_BUDGET
        faults: list[str] = []
        for expression in self.expressions:
            try:
                if expression.evaluate(scope) is False:
                    return False
            except EvaluationFailed as error:
                faults.append(str(error))
                if isinstance(error, OutOfBudget):
                    faults = [str(error)]
                    break
        if not faults:
            return True
        if self.ignores_failure:
            return False
        told = list(dict.fromkeys(faults))
        raise EvaluationFailed(told[0] if len(told) == 1 else "[" + ", ".join(told) + "]")


def compile_conditions(
    conditions: Iterable[Object],
    ignores_failure: bool,
    *,
    params: bool = False,
    variables: Mapping[str, Expression] | None = None,
) -> Conditions:
    """Compile match conditions."""
    expressions = (
        compile_expression(each.get("expression") or "", variables, CONDITION, params=params)
        for each in conditions
    )
    return Conditions(tuple(expressions), ignores_failure)


def typed_object(value: Any) -> Object:
    """Return the JSON of an Object that an expression built. Raises EvaluationFailed."""
    if not isinstance(value, Struct):
        raise EvaluationFailed(
            f"unsupported return type from ApplyConfiguration expression: {type_name(value)}"
        )
    _check_names(value, value.type_name)
    built: Object = json_of(value)
    return built


def _check_names(value: Any, path: str) -> None:
    faults = list(_misnamed(value, path))
    if faults:
        raise EvaluationFailed("type mismatch: " + "\n".join(faults))


def _misnamed(value: Any, path: str) -> Iterator[str]:
    """Yield each built object whose type is not named as the place where it is."""
    if isinstance(value, Struct):
        if value.type_name != path:
            yield (
                f'unexpected type name "{value.type_name}", expected "{path}", '
                "which matches field name path from root Object type"
            )
        for key, item in value.items():
            yield from _misnamed(item, f"{path}.{key}")
    elif isinstance(value, dict):
        for item in value.values():
            yield from _misnamed(item, path)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _misnamed(item, path)


def operations_of(value: Any) -> list[Object]:
    """Return the JSON patch that an expression built. Raises EvaluationFailed."""
    if not isinstance(value, list | tuple):
        raise EvaluationFailed("type mismatch: JSONPatchType.expression should evaluate to array")
    found: list[Object] = []
    for item in value:
        if not isinstance(item, Struct) or item.type_name != "JSONPatch":
            raise EvaluationFailed(
                "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch, "
                f"got element of {type_name(item)}"
            )
        built = item.get("value")
        if isinstance(built, Struct):
            _check_names(built, built.type_name)
        operation = {key: json_of(part) for key, part in item.items()}
        found.append({"op": "", "path": "", **operation})
    return found


def json_of(value: Any) -> Value:
    """Return a value of CEL as JSON. Raises EvaluationFailed for what JSON cannot say."""
    if isinstance(value, dict):
        return {_key(key): json_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(item) for item in value]
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise EvaluationFailed(f'map key "{key}" is of type {type_name(key)}, not string')
    return key
