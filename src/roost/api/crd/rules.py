"""x-kubernetes-validations at run time: the rules of a schema, compiled once and run over each
write.

A whole validation has a budget; whatever exceeds it ends the validation with a refusal. Rules that
do not look at the old value are not run where the value has not changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from roost.api.cel.environment import PER_CALL_LIMIT, CompileError, Environment, Program, build
from roost.api.cel.types import Type, optional_of
from roost.api.cel.values import NONE, CostExceeded, EvaluationError, Optional
from roost.api.crd.celtypes import declared
from roost.api.crd.values import ABSENT, correlated, map_key
from roost.api.validation.causes import Causes
from roost.api.values import Object

BUDGET = 10_000_000
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_OUT_OF_BUDGET = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)
BLOCKING = frozenset(
    [
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ]
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, ready to run."""

    program: Program
    source: Object
    message: Program | None
    uses_old: bool
    optional_old: bool


@dataclass(slots=True)
class Ruled:
    """The rules of a schema and of what is below it; only parts that have rules are there."""

    rules: tuple[Rule, ...] = ()
    fields: dict[str, Ruled] = field(default_factory=dict)
    values: Ruled | None = None
    items: Ruled | None = None
    keys: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.rules or self.fields or self.values or self.items)


class _Exhausted(Exception):
    """The budget is spent."""


class Budget:
    """What a validation may still cost."""

    __slots__ = ("left",)

    def __init__(self, left: int = BUDGET) -> None:
        self.left = left


def environments(of: Type) -> tuple[Environment, Environment]:
    """Return the environments of rules on values of a type: as usual, and with an optional oldSelf."""
    return (
        Environment({"self": of, "oldSelf": of}),
        Environment({"self": of, "oldSelf": optional_of(of)}),
    )


def compile_rules(schema: Object, *, is_object: bool = True) -> Ruled | None:
    """Return the rules of a definition's schema, None if there are none. Rules that cannot be
    compiled are left out: validation of the definition has refused them.
    """
    if not mentions_rules(schema):
        return None
    made = _ruled(schema, declared(schema, is_object=is_object))
    return None if made.empty else made


def mentions_rules(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("x-kubernetes-validations"):
        return True
    parts = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return any(mentions_rules(part) for part in parts)


def part_type(of: Type | None, key: str) -> Type | None:
    """Return the type of a property."""
    if of is None or of.kind != "object":
        return None
    return next((found.type for found in (of.fields or {}).values() if found.key == key), None)


def _ruled(schema: Object, of: Type | None) -> Ruled:
    made = Ruled()
    if of is not None:
        made.rules = _compiled(schema, of)
    for name, inner in (schema.get("properties") or {}).items():
        if mentions_rules(inner):
            made.fields[name] = _ruled(inner, part_type(of, name))
    inner_type = of.params[-1] if of is not None and of.kind in ("list", "map") else None
    if mentions_rules(schema.get("additionalProperties")):
        made.values = _ruled(schema["additionalProperties"], inner_type)
    if mentions_rules(schema.get("items")):
        made.items = _ruled(schema["items"], inner_type)
        if schema.get("x-kubernetes-list-type") == "map":
            made.keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    return made


def _compiled(schema: Object, of: Type) -> tuple[Rule, ...]:
    usual, optional = environments(of)
    made = []
    for source in schema.get("x-kubernetes-validations") or ():
        environment = optional if source.get("optionalOldSelf") else usual
        try:
            program = build(source.get("rule") or "", environment)
            text = source.get("messageExpression")
            message = build(text, environment) if text else None
        except CompileError:
            continue
        uses = "oldSelf" in program.variables
        made.append(Rule(program, source, message, uses, bool(source.get("optionalOldSelf"))))
    return tuple(made)


def check_rules(ruled: Ruled, value: Any, old: Any, causes: Causes) -> None:
    """Run all rules over an object; `old` is ABSENT on create."""
    try:
        _walk(ruled, value, old, "", causes, Budget())
    except _Exhausted:
        return


def _walk(ruled: Ruled, value: Any, old: Any, path: str, causes: Causes, budget: Budget) -> None:
    if ruled.rules:
        _run_all(ruled.rules, value, old, path, causes, budget)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name in sorted(value):
            inner = ruled.fields.get(name) or ruled.values
            if inner is not None:
                where = f"{path}.{name}" if path else name
                _walk(inner, value[name], before.get(name, ABSENT), where, causes, budget)
    elif isinstance(value, list) and ruled.items is not None:
        known = correlated(old, ruled.keys)
        for index, item in enumerate(value):
            was = known.get(map_key(item, ruled.keys), ABSENT) if ruled.keys else ABSENT
            _walk(ruled.items, item, was, f"{path}[{index}]", causes, budget)


def _run_all(
    rules: tuple[Rule, ...], value: Any, old: Any, path: str, causes: Causes, budget: Budget
) -> None:
    if value is None:
        return
    has_old = old is not ABSENT and old is not None
    unchanged = has_old and value == old
    for rule in rules:
        if rule.uses_old and not has_old and not rule.optional_old:
            continue
        if unchanged and not rule.uses_old:
            continue
        before: Any = old
        if rule.optional_old:
            before = Optional(present=True, value=old) if has_old else NONE
        _run(rule, {"self": value, "oldSelf": before}, path, causes, budget)


def _run(rule: Rule, bindings: dict[str, Any], path: str, causes: Causes, budget: Budget) -> None:
    value = bindings["self"]
    text = (rule.source.get("rule") or "").strip()
    try:
        result, cost = rule.program.measure(bindings, PER_CALL_LIMIT)
    except CostExceeded as error:
        what = (
            f"'{error}': no further validation rules will be run due to call cost "
            f"exceeds limit for rule: {text}"
        )
        _refuse(causes, path, value, what)
        raise _Exhausted from None
    except EvaluationError as error:
        what = f"{error} evaluating rule: {text}"
        if str(error).startswith("no such overload"):
            what = (
                f"'{error}': call arguments did not match a supported operator, function or macro "
                f"signature for rule: {text}"
            )
        _refuse(causes, path, value, what)
        return
    _pay(budget, cost, path, value, causes)
    if result is not True:
        message = _message(rule, bindings, path, causes, budget)
        _complain(rule, path, value, message, causes)


def _pay(budget: Budget, cost: int, path: str, value: Any, causes: Causes) -> None:
    budget.left -= cost
    if budget.left < 0:
        _refuse(causes, path, value, _OUT_OF_BUDGET)
        raise _Exhausted


def _message(
    rule: Rule, bindings: dict[str, Any], path: str, causes: Causes, budget: Budget
) -> str:
    if rule.message is not None:
        try:
            found, cost = rule.message.measure(bindings, PER_CALL_LIMIT)
        except EvaluationError:
            found, cost = "", 0
        _pay(budget, cost, path, bindings["self"], causes)
        if isinstance(found, str) and found.strip() and "\n" not in found.strip():
            return found.strip()
    given = (rule.source.get("message") or "").strip()
    return given or f"failed rule: {(rule.source.get('rule') or '').strip()}"


def _refuse(causes: Causes, path: str, value: Any, what: str) -> None:
    """Invalid, with the value where it is short: objects and lists are not repeated."""
    if isinstance(value, dict | list):
        causes._add("FieldValueInvalid", path, f"Invalid value: {what}")
    else:
        causes.invalid(path, value, what)


def _complain(rule: Rule, path: str, value: Any, message: str, causes: Causes) -> None:
    where = path + field_path(rule.source.get("fieldPath") or "")
    where = where.removeprefix(".")
    reason = rule.source.get("reason") or "FieldValueInvalid"
    if reason == "FieldValueForbidden":
        causes.forbidden(where, message)
    elif reason == "FieldValueRequired":
        causes.required(where, message)
    elif reason == "FieldValueDuplicate":
        if isinstance(value, dict | list):
            causes._add(reason, where, "Duplicate value")
        else:
            causes.duplicate(where, value)
    else:
        _refuse(causes, where, value, message)


def field_path(text: str) -> str:
    """Return a rule's fieldPath as messages show it."""
    return text.replace("['", "[").replace("']", "]").strip()
