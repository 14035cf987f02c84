"""What the expressions of a ValidatingAdmissionPolicy say of the kinds that it is for.

Nothing here keeps a policy from acting: what does not fit is told in its status.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from roost.api.cel import environment as cel
from roost.api.cel.admission import admission_environment
from roost.api.cel.builtin import type_of_node
from roost.api.cel.types import DYN, Type
from roost.api.kind import Kind
from roost.api.registry import Registry
from roost.api.schema.nodes import node
from roost.api.values import Object

#: At most so many kinds of one rule are looked at.
_KINDS_MAX: Final = 10


def warnings_of(policy: Object, registry: Registry) -> list[Object]:
    """Return the ExpressionWarnings of a policy."""
    spec = policy.get("spec") or {}
    types = [(kind, of) for kind in _kinds(spec, registry) if (of := _type(kind)) is not None]
    param = _param_type(spec, registry)
    found: list[Object] = []
    for index, validation in enumerate(spec.get("validations") or ()):
        for field in ("expression", "messageExpression"):
            source = validation.get(field)
            text = _complaints(source, spec, types, param) if source else ""
            if text:
                where = f"spec.validations[{index}].{field}"
                found.append({"fieldRef": where, "warning": text})
    return found


def _complaints(
    source: str, spec: Object, types: list[tuple[Kind, Type]], param: Type | None
) -> str:
    """Return what is wrong with an expression for each of the kinds."""
    told: list[str] = []
    for kind, of in types:
        variables: dict[str, Type] = {}
        for each in spec.get("variables") or ():
            try:
                program = cel.compile(each["expression"], _environment(of, param, variables))
                variables[each["name"]] = program.result
            except cel.CompileError:
                variables[each["name"]] = DYN
        try:
            cel.compile(source, _environment(of, param, variables))
        except cel.CompileError as error:
            told.append(f"{kind.group}/{kind.version}, Kind={kind.name}: {error}\n")
    return "\n".join(told)


def _environment(of: Type, param: Type | None, variables: dict[str, Type]) -> cel.Environment:
    return admission_environment(
        params=param is not None, variables=dict(variables), objects=of, param=param or DYN
    )


def _kinds(spec: Object, registry: Registry) -> list[Kind]:
    """Return the kinds that the rules of a policy name, without those named by a wildcard."""
    found: dict[tuple[str, str, str], Kind] = {}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        for count, kind in enumerate(_named(rule, registry), start=1):
            found[kind.group, kind.version, kind.name] = kind
            if count == _KINDS_MAX:
                return [found[key] for key in sorted(found)]
    return [found[key] for key in sorted(found)]


def _named(rule: Object, registry: Registry) -> Iterator[Kind]:
    groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
    if any("*" in word for word in (*groups, *versions)):
        return
    resources = [each for each in rule.get("resources") or () if not set(each) & {"*", "/"}]
    for address in product(sorted(groups), sorted(versions), sorted(resources)):
        kind = registry.find(*address)
        if kind is not None:
            yield kind


def _param_type(spec: Object, registry: Registry) -> Type | None:
    wanted = spec.get("paramKind")
    if wanted is None:
        return None
    group, _, version = (wanted.get("apiVersion") or "").rpartition("/")
    kind = registry.by_name(group, version, wanted.get("kind") or "")
    # The kinds of users are not known here; their parameters may be anything.
    return DYN if kind is None else _type(kind) or DYN


def _type(kind: Kind) -> Type | None:
    try:
        return type_of_node(node(kind.schema), kind.name)
    except KeyError:
        return None
