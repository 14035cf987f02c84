"""Calls at run time: which signature the values mean when their types were not all known before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.cel.functions.declare import Overload
from roost.api.cel.types import Type
from roost.api.cel.values import (
    Duration,
    EvaluationError,
    Optional,
    Struct,
    Timestamp,
    TypeValue,
    Uint,
    Wrapped,
)

Accepts = Callable[[Any], bool]

_KINDS: dict[str, Accepts] = {
    "bool": lambda v: v is True or v is False,
    "int": lambda v: type(v) is int,
    "uint": lambda v: type(v) is Uint,
    "double": lambda v: type(v) is float,
    "string": lambda v: type(v) is str,
    "bytes": lambda v: type(v) is bytes,
    "null": lambda v: v is None,
    "timestamp": lambda v: type(v) is Timestamp,
    "duration": lambda v: type(v) is Duration,
    "type": lambda v: type(v) is TypeValue,
    "optional_type": lambda v: type(v) is Optional,
}


def accepts(of: Type) -> Accepts | None:
    """Whether a value is of a type, as far as that can be seen at once; None for any value."""
    if of.kind in ("dyn", "any", "param"):
        return None
    if of.kind == "list":
        element = accepts(of.params[0])
        if element is None:
            return lambda v: isinstance(v, list | tuple)
        inner = element
        return lambda v: isinstance(v, list | tuple) and (not v or inner(v[0]))
    if of.kind in ("map", "object"):
        return lambda v: isinstance(v, dict)
    if of.kind == "optional_type" and of.params[0].kind in ("list", "map"):
        held = accepts(of.params[0])
        return lambda v: type(v) is Optional and (not v.present or held is None or held(v.value))
    if of.kind == "opaque":
        name = of.name
        return lambda v: isinstance(v, Wrapped | Struct) and v.type_name == name
    return _KINDS[of.kind]


def dispatcher(overloads: list[Overload], known: bool) -> Callable[..., Any]:
    """One callable for all signatures; `known` when the checker was sure of the only one."""
    if len(overloads) == 1 and known:
        return overloads[0].call
    table = [(tuple(map(accepts, one.params)), one.call) for one in overloads]

    def call(*values: Any) -> Any:
        for tests, chosen in table:
            if all(test is None or test(value) for test, value in zip(tests, values, strict=True)):
                return chosen(*values)
        raise EvaluationError("no such overload")

    return call
