"""Policies with their bindings, compiled from the objects that users wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from roost.api.cel.admission import ANNOTATION, CONDITION, CONFIGURATION, MESSAGE, PATCH
from roost.api.values import Object
from roost.apiserver.admission.expressions import (
    Conditions,
    Expression,
    compile_conditions,
    compile_expression,
)
from roost.apiserver.admission.matching import Criteria, criteria_of


@dataclass(frozen=True, slots=True)
class Validation:
    """One rule of a ValidatingAdmissionPolicy, and how its failure is told."""

    expression: Expression
    message: str
    message_expression: Expression | None
    reason: str


@dataclass(frozen=True, slots=True)
class AuditAnnotation:
    """What a policy tells whoever audits."""

    key: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a MutatingAdmissionPolicy; `applies` an object, or else a JSON patch."""

    expression: Expression
    applies: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a policy holds, with which parameters, and what a failure leads to."""

    name: str
    criteria: Criteria | None  # None: wherever the policy does
    param_ref: Object | None
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of either sort."""

    name: str
    criteria: Criteria
    ignores_failure: bool
    param_kind: Object | None
    conditions: Conditions
    variables: Mapping[str, Expression]
    validations: tuple[Validation, ...]
    audits: tuple[AuditAnnotation, ...]
    mutations: tuple[Mutation, ...]
    again: bool
    bindings: tuple[Binding, ...]


def policies_of(policies: Iterable[Object], bindings: Iterable[Object]) -> list[Policy]:
    """Compile policies that are bound, by name; without a binding a policy does nothing."""
    bound: dict[str, list[Binding]] = {}
    for value in sorted(bindings, key=_name):
        spec = value.get("spec") or {}
        bound.setdefault(spec.get("policyName") or "", []).append(_binding(value, spec))
    return [
        policy_of(value, bound[_name(value)])
        for value in sorted(policies, key=_name)
        if _name(value) in bound
    ]


def _name(value: Object) -> str:
    name: str = value["metadata"]["name"]
    return name


def _binding(value: Object, spec: Object) -> Binding:
    match = spec.get("matchResources")
    return Binding(
        _name(value),
        None if match is None else criteria_of(match),
        spec.get("paramRef"),
        tuple(spec.get("validationActions") or ()),
    )


def policy_of(value: Object, bindings: Sequence[Binding]) -> Policy:
    """Compile one policy. What is wrong with an expression is told when it is needed."""
    spec = value.get("spec") or {}
    ignores = spec.get("failurePolicy") == "Ignore"
    mutating = value.get("kind") == "MutatingAdmissionPolicy"
    params = spec.get("paramKind") is not None
    variables: dict[str, Expression] = {}
    for each in spec.get("variables") or ():
        variables[each["name"]] = compile_expression(
            each["expression"], variables, params=params, mutates=mutating
        )
    return Policy(
        _name(value),
        criteria_of(spec.get("matchConstraints") or {}),
        ignores,
        spec.get("paramKind"),
        compile_conditions(
            spec.get("matchConditions") or (), ignores, params=params, variables=variables
        ),
        variables,
        tuple(_validation(each, variables, params) for each in spec.get("validations") or ()),
        tuple(_audit(each, variables, params) for each in spec.get("auditAnnotations") or ()),
        tuple(_mutation(each, variables, params) for each in spec.get("mutations") or ()),
        spec.get("reinvocationPolicy") == "IfNeeded",
        tuple(bindings),
    )


_Variables: TypeAlias = Mapping[str, Expression]


def _validation(value: Object, variables: _Variables, params: bool) -> Validation:
    shown = value.get("messageExpression")
    return Validation(
        compile_expression(value["expression"], variables, CONDITION, params=params),
        (value.get("message") or "").strip(),
        compile_expression(shown, variables, MESSAGE, params=params, authorizer=False)
        if shown
        else None,
        value.get("reason") or "Invalid",
    )


def _audit(value: Object, variables: _Variables, params: bool) -> AuditAnnotation:
    source = value["valueExpression"]
    return AuditAnnotation(
        value["key"], compile_expression(source, variables, ANNOTATION, params=params)
    )


def _mutation(value: Object, variables: _Variables, params: bool) -> Mutation:
    applies = value.get("patchType") == "ApplyConfiguration"
    body = value.get("applyConfiguration" if applies else "jsonPatch") or {}
    returns = CONFIGURATION if applies else PATCH
    expression = compile_expression(
        body.get("expression") or "", variables, returns, params=params, mutates=True
    )
    return Mutation(expression, applies)
