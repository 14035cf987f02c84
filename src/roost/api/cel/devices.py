"""The environment of expressions that choose devices: what `device` is, and how large it can be."""

from __future__ import annotations

from typing import Final

from roost.api.cel import environment as cel
from roost.api.cel.environment import CompileError, Environment
from roost.api.cel.types import ANY, BOOL, STRING, Field, Type, map_of, object_of, opaque

#: The longest expression, and the highest cost that one may have.
LENGTH_MAX_BYTES = 10 * 1024
COST_MAX: Final = 1_000_000
_ENTRIES_MAX = 32
_DOMAIN_MAX, _NAME_MAX, _VALUE_MAX = 63, 32, 64


def _by_domain(value: Type) -> Type:
    inner = map_of(STRING.sized(_NAME_MAX), value).sized(_ENTRIES_MAX)
    return map_of(STRING.sized(_DOMAIN_MAX), inner).sized(_ENTRIES_MAX)


_DEVICE: Final = object_of(
    "kubernetes.DRADevice",
    {
        "driver": Field(STRING.sized(_DOMAIN_MAX), "driver"),
        "attributes": Field(_by_domain(ANY.sized(_VALUE_MAX)), "attributes"),
        "capacity": Field(_by_domain(opaque("kubernetes.Quantity")), "capacity"),
        "allowMultipleAllocations": Field(BOOL, "allowMultipleAllocations"),
    },
)
_ENVIRONMENT: Final = Environment({"device": _DEVICE})


def selector_fault(expression: str) -> tuple[str, bool]:
    """Return what is wrong with an expression ("" if nothing is), and whether it costs too much."""
    try:
        program = cel.compile(expression, _ENVIRONMENT)
    except CompileError as error:
        return f"compilation failed: {error}", False
    if program.result.kind not in ("bool", "any", "dyn"):
        return f"must evaluate to bool or the unknown type, not {program.result}", False
    return "", program.max_cost() > COST_MAX
