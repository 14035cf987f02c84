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
from roost.api.crd.paths import shown_path
from roost.api.crd.values import ABSENT, correlated, map_key
from roost.api.validation.causes import Causes, quoted
from roost.api.values import Object

BUDGET = 10_000_000
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
_MESSAGE_MAX_BYTES = 5 * 1024
_MESSAGE_OUT_OF_BUDGET = (
    "messageExpression evaluation failed due to running out of cost budget, no further validation "
    "rules will be run"
)
_MESSAGE_TOO_DEAR = (
    "no further validation rules will be run due to call cost exceeds limit for messageExpression"
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
    #: What its complaints add to the path of the value.
    where: str = ""


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


@dataclass(slots=True)
class Run:
    """One validation: what it found, and what it may still cost."""

    causes: Causes
    #: Takes what is wrong with what did not change; None: that is refused like all else.
    warnings: list[str] | None = None
    left: int = BUDGET


@dataclass(frozen=True, slots=True)
class _Spot:
    """A value, what it was before (ABSENT: it was not), where it is, and whether it, or the nearest
    thing around it that was there before, is what it was.
    """

    value: Any
    old: Any
    path: str
    same: bool

    def inner(self, value: Any, old: Any, path: str) -> _Spot:
        same = self.same if old is ABSENT else value == old
        return _Spot(value, old, path, same)


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
        optional_old = bool(source.get("optionalOldSelf"))
        where = shown_path(schema, source.get("fieldPath") or "")
        made.append(Rule(program, source, message, uses, optional_old, where))
    return tuple(made)


def check_rules(ruled: Ruled, value: Any, old: Any, run: Run, path: str = "") -> None:
    """Run all rules over an object at a path; `old` is ABSENT on create."""
    same = old is not ABSENT and value == old
    try:
        _walk(ruled, _Spot(value, old, path, same), run)
    except _Exhausted:
        return


def _walk(ruled: Ruled, spot: _Spot, run: Run) -> None:
    if ruled.rules and spot.value is not None:
        for rule in ruled.rules:
            _judge(rule, spot, run)
    value, path = spot.value, spot.path
    if isinstance(value, dict):
        before = spot.old if isinstance(spot.old, dict) else {}
        for name in sorted(value):
            inner, where = ruled.fields.get(name), f"{path}.{name}" if path else name
            if inner is None and ruled.values is not None:
                inner, where = ruled.values, f"{path}[{name}]"
            if inner is not None:
                _walk(inner, spot.inner(value[name], before.get(name, ABSENT), where), run)
    elif isinstance(value, list) and ruled.items is not None:
        known = correlated(spot.old, ruled.keys)
        for index, item in enumerate(value):
            was = known.get(map_key(item, ruled.keys), ABSENT) if ruled.keys else ABSENT
            _walk(ruled.items, spot.inner(item, was, f"{path}[{index}]"), run)


def _judge(rule: Rule, spot: _Spot, run: Run) -> None:
    """Run one rule, unless it compares with something that was not there."""
    has_old = spot.old is not ABSENT and spot.old is not None
    if rule.uses_old and not has_old and not rule.optional_old:
        return
    before: Any = spot.old
    if rule.optional_old:
        before = Optional(present=True, value=spot.old) if has_old else NONE
    bindings = {"self": spot.value, "oldSelf": before}
    result = _result(rule, bindings, spot, run)
    if result is True or result is None:
        return
    message = _message(rule, bindings, spot, run)
    found = Causes()
    _complain(rule, spot, message, found)
    if run.warnings is None or rule.uses_old or not spot.same:
        run.causes.extend(found)
    else:
        run.warnings.extend(f"{cause.field}: {cause.message}" for cause in found)


def _result(rule: Rule, bindings: dict[str, Any], spot: _Spot, run: Run) -> Any:
    """Return what the rule says, None if it could not be evaluated: `run` knows why."""
    named = _named(rule.source)
    try:
        result, cost = rule.program.measure(bindings, PER_CALL_LIMIT)
    except CostExceeded as error:
        what = (
            f"'{error}': no further validation rules will be run due to call cost "
            f"exceeds limit for rule: {named}"
        )
        _refuse(run.causes, spot.path, spot.value, what)
        raise _Exhausted from None
    except EvaluationError as error:
        what = f"{error} evaluating rule: {named}"
        if str(error).startswith("no such overload"):
            what = (
                f"'{error}': call arguments did not match a supported operator, function or macro "
                f"signature for rule: {named}"
            )
        _refuse(run.causes, spot.path, spot.value, what)
        return None
    _pay(cost, _OUT_OF_BUDGET, spot, run)
    return result if result is not None else False


def _named(source: Object) -> str:
    """Return what a rule is called by: its message, or else its text."""
    return str(source.get("message") or source.get("rule") or "").strip()


def _pay(cost: int, what: str, spot: _Spot, run: Run) -> None:
    run.left -= cost
    if run.left < 0:
        _refuse(run.causes, spot.path, spot.value, what)
        raise _Exhausted


def _message(rule: Rule, bindings: dict[str, Any], spot: _Spot, run: Run) -> str:
    if rule.message is not None:
        text = str(rule.source.get("messageExpression") or "")
        try:
            found, cost = rule.message.measure(bindings, PER_CALL_LIMIT)
        except CostExceeded:
            what = f"{_MESSAGE_TOO_DEAR}: {quoted(text)}"
            _refuse(run.causes, spot.path, spot.value, what)
            raise _Exhausted from None
        except EvaluationError:
            found, cost = "", 0
        _pay(cost, _MESSAGE_OUT_OF_BUDGET, spot, run)
        shown = found.strip() if isinstance(found, str) else ""
        if shown and "\n" not in shown and len(shown.encode()) <= _MESSAGE_MAX_BYTES:
            return shown
    given = (rule.source.get("message") or "").strip()
    return given or f"failed rule: {_named(rule.source)}"


def _refuse(causes: Causes, path: str, value: Any, what: str) -> None:
    """Invalid, with the value where it is short: objects and lists are not repeated."""
    if isinstance(value, dict | list):
        causes._add("FieldValueInvalid", path or "<nil>", f"Invalid value: {what}")
    else:
        causes.invalid(path or "<nil>", value, what)


def _complain(rule: Rule, spot: _Spot, message: str, causes: Causes) -> None:
    where = f"{spot.path}.{rule.where}" if spot.path and rule.where else spot.path or rule.where
    where = where or "<nil>"
    reason = rule.source.get("reason") or "FieldValueInvalid"
    if reason == "FieldValueForbidden":
        causes.forbidden(where, message)
    elif reason == "FieldValueRequired":
        causes.required(where, message)
    elif reason == "FieldValueDuplicate":
        if isinstance(spot.value, dict | list):
            causes._add(reason, where, "Duplicate value")
        else:
            causes.duplicate(where, spot.value)
    else:
        _refuse(causes, where, spot.value, message)
