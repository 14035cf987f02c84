"""Judges the rules in a definition's schema: do they compile, and what may they cost?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from roost.api.cel.environment import CompileError, Program, build
from roost.api.cel.sizes import UNBOUNDED, times
from roost.api.cel.types import Type
from roost.api.crd.celtypes import declared, max_cardinality
from roost.api.crd.rules import environments, mentions_rules, part_type
from roost.api.crd.shown import shown_rule
from roost.api.validation.causes import Causes
from roost.api.values import Object

RULE_LIMIT = 10_000_000
TOTAL_LIMIT = 100_000_000
_SHARE = 100
_NAMED = 4
_CONTRIBUTED = (
    "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
)


@dataclass(slots=True)
class Costs:
    """What the rules of a schema may cost together, and where."""

    total: int = 0
    parts: list[tuple[int, str]] = field(default_factory=list)
    #: Where something is wrong beside the rules.
    wrong: tuple[str, ...] = ()

    def add(self, cost: int, path: str) -> None:
        self.total = min(self.total + cost, UNBOUNDED)
        self.parts.append((cost, path))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema stands: how many values it can have (None: not bounded), and the list, if any,
    whose elements cannot be told from each other.
    """

    path: str
    cardinality: int | None = 1
    uncorrelated: str = ""


def excess(name: str, cost: int, limit: int) -> str:
    """Return the complaint about an estimated cost."""
    factor = cost / limit
    shown = f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    if factor > 100:
        shown = "more than 100x"
    return (
        f"{name} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, "
        "maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )


def check_expressions(schema: Object, path: str, causes: Causes) -> None:
    """Complain about what is wrong with the rules of a schema, and about what they cost together.

    Rules of a part about which, or about whose parts, `causes` says something already are let be.
    """
    if not mentions_rules(schema):
        return
    costs = Costs(wrong=tuple(cause.field for cause in causes))
    _walk(schema, declared(schema, is_object=True), Place(path), causes, costs)
    if costs.total <= TOTAL_LIMIT:
        return
    for cost, where in sorted(costs.parts, key=lambda part: -part[0])[:_NAMED]:
        if cost >= TOTAL_LIMIT // _SHARE:
            causes.forbidden(where, _CONTRIBUTED)
    name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    causes.forbidden(path, excess(name, costs.total, TOTAL_LIMIT))


def _walk(schema: Any, of: Type | None, place: Place, causes: Causes, costs: Costs) -> None:
    inner = of.params[-1] if of is not None and of.kind in ("list", "map") else None
    path = place.path
    # The fields of a map that is written as one thing have no old values of their own.
    apart = "" if schema.get("x-kubernetes-map-type") != "atomic" else path
    for name, part in sorted((schema.get("properties") or {}).items()):
        if mentions_rules(part):
            uncorrelated = place.uncorrelated or apart
            here = Place(f"{path}.properties[{name}]", place.cardinality, uncorrelated)
            _walk(part, part_type(of, name), here, causes, costs)
    extra = schema.get("additionalProperties")
    if mentions_rules(extra):
        count = _multiplied(place.cardinality, schema.get("maxProperties"))
        _walk(
            extra,
            inner,
            Place(f"{path}.additionalProperties", count, place.uncorrelated),
            causes,
            costs,
        )
    items = schema.get("items")
    if mentions_rules(items):
        count = _multiplied(place.cardinality, schema.get("maxItems"))
        keyed = schema.get("x-kubernetes-list-type") == "map"
        uncorrelated = place.uncorrelated or ("" if keyed else path)
        _walk(items, inner, Place(f"{path}.items", count, uncorrelated), causes, costs)
    if of is None or any(where.startswith(f"{path}.") for where in costs.wrong):
        return
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        _check_rule(rule, of, f"{path}.x-kubernetes-validations[{index}]", place, causes, costs)


def _multiplied(cardinality: int | None, most: int | None) -> int | None:
    return None if cardinality is None or most is None else times(cardinality, most)


def _check_rule(
    rule: Object, of: Type, path: str, place: Place, causes: Causes, costs: Costs
) -> None:
    program = _compiled_rule(rule, of, path, causes)
    if program is not None:
        count = max_cardinality(of) if place.cardinality is None else place.cardinality
        cost = times(program.max_cost(), count)
        _weigh(cost, f"{path}.rule", "estimated rule cost", causes, costs)
        if rule.get("messageExpression"):
            _check_message(rule, of, path, causes, costs)
    if program is None or "oldSelf" not in program.variables:
        if rule.get("optionalOldSelf") is not None:
            text = "may not be set if oldSelf is not used in rule"
            causes.invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], text)
    elif place.uncorrelated:
        text = (
            "oldSelf cannot be used on the uncorrelatable portion of the schema "
            f"within {place.uncorrelated}"
        )
        causes.invalid(f"{path}.rule", rule["rule"], text)


def _compiled_rule(rule: Object, of: Type, path: str, causes: Causes) -> Program | None:
    """Return a rule that says yes or no; None, with a complaint, for another."""
    try:
        program = build(rule["rule"], environments(of)[bool(rule.get("optionalOldSelf"))])
    except CompileError as error:
        causes.invalid(f"{path}.rule", shown_rule(rule), f"compilation failed: {error}")
        return None
    if program.result.kind != "bool":
        causes.invalid(f"{path}.rule", shown_rule(rule), "cel expression must evaluate to a bool")
        return None
    if program.fault:
        text = f"program instantiation failed: {program.fault}"
        causes.invalid(f"{path}.rule", shown_rule(rule), text)
        return None
    return program


def _check_message(rule: Object, of: Type, path: str, causes: Causes, costs: Costs) -> None:
    where = f"{path}.messageExpression"
    try:
        message = build(
            rule["messageExpression"], environments(of)[bool(rule.get("optionalOldSelf"))]
        )
    except CompileError as error:
        causes.invalid(where, shown_rule(rule), f"messageExpression compilation failed: {error}")
        return
    if message.result.kind != "string":
        causes.invalid(where, shown_rule(rule), "messageExpression must evaluate to a string")
        return
    if message.fault:
        text = f"messageExpression instantiation failed: {message.fault}"
        causes.invalid(where, shown_rule(rule), text)
        return
    _weigh(message.max_cost(), where, "estimated messageExpression cost", causes, costs)


def _weigh(cost: int, path: str, name: str, causes: Causes, costs: Costs) -> None:
    if cost > RULE_LIMIT:
        causes.forbidden(path, excess(name, cost, RULE_LIMIT))
    costs.add(cost, path)
