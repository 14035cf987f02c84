"""The environment of expressions that choose devices: what `device` is, and how large it can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from roost.api.cel import environment as cel
from roost.api.cel.environment import CompileError, Environment
from roost.api.cel.functions.measures import quantity, semver
from roost.api.cel.types import ANY, BOOL, STRING, Field, Type, map_of, object_of, opaque
from roost.api.cel.values import EvaluationError
from roost.api.values import Object

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
_ENVIRONMENT: Final = Environment({"device": _DEVICE}, binds=True)


def selector_fault(expression: str) -> tuple[str, bool]:
    """Return what is wrong with an expression ("" if nothing is), and whether it costs too much."""
    try:
        program = cel.compile(expression, _ENVIRONMENT)
    except CompileError as error:
        return f"compilation failed: {error}", False
    if program.result.kind not in ("bool", "any", "dyn"):
        return f"must evaluate to bool or the unknown type, not {program.result}", False
    if program.fault:
        return f"program instantiation failed: {program.fault}", False
    return "", program.max_cost() > COST_MAX


class _Domains(dict[str, dict[str, Any]]):
    """A domain of which a device says nothing is empty, not missing."""

    def __missing__(self, key: str) -> dict[str, Any]:
        return {}


def _attribute(value: Mapping[str, Any]) -> Any:
    kind, found = next(iter(value.items()))
    return semver(found) if kind == "version" else found


def _split(entries: Mapping[str, Any], driver: str, read: Any) -> _Domains:
    """Return entries by domain; names without one belong to the driver's."""
    domains = _Domains()
    for name, value in entries.items():
        domain, _, short = name.rpartition("/")
        domains.setdefault(domain or driver, {})[short] = read(value)
    return domains


def selects(expression: str, driver: str, device: Object) -> bool:
    """Say whether an expression holds for a device of a ResourceSlice. Raises EvaluationError."""
    try:
        program = cel.compile(expression, _ENVIRONMENT)
    except CompileError as error:
        raise EvaluationError(f"compilation failed: {error}") from None
    shown = {
        "driver": driver,
        "attributes": _split(device.get("attributes") or {}, driver, _attribute),
        "capacity": _split(
            device.get("capacity") or {}, driver, lambda entry: quantity(entry["value"])
        ),
        "allowMultipleAllocations": bool(device.get("allowMultipleAllocations")),
    }
    found = program.evaluate({"device": shown}, COST_MAX)
    if not isinstance(found, bool):
        raise EvaluationError("expression did not yield a boolean")
    return found
