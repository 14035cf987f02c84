"""Rules for admission policies and their bindings; their expressions are compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from roost.api import names
from roost.api.cel.admission import (
    ANNOTATION,
    ANYTHING,
    CONDITION,
    CONFIGURATION,
    MESSAGE,
    PATCH,
    admission_environment,
)
from roost.api.cel.environment import Environment
from roost.api.cel.types import Type
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.conditions import conditions as check_conditions
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.validation.webhooks import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATION,
    conditions,
    known,
    rule,
)
from roost.api.validation.webhooks import expression as compile_checked
from roost.api.values import Object

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
#: What a change is, by its type: the field that has it, and what its expression makes.
_PATCHES = {
    "ApplyConfiguration": ("applyConfiguration", CONFIGURATION),
    "JSONPatch": ("jsonPatch", PATCH),
}
_MUTABLE = ("*", "CONNECT", "CREATE", "UPDATE")
_AUDIT_MAX = 20
_VALUE_MAX_BYTES = 5 * 1024
#: Words of CEL that name nothing.
_RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
_NOTHING_TO_DO = "validations or auditAnnotations must contain at least one item"
_TWICE = (
    "must not contain both Deny and Warn (repeating the same validation failure information "
    "in the API response and headers serves no purpose)"
)


def _match_resources(value: Object, path: str, causes: Causes) -> None:
    known(value, "matchPolicy", MATCH_POLICIES, path, causes)
    for key in ("namespaceSelector", "objectSelector"):
        label_selector(value.get(key), f"{path}.{key}", causes)
    for key in ("resourceRules", "excludeResourceRules"):
        for index, each in enumerate(value.get(key) or ()):
            here = f"{path}.{key}[{index}]"
            _resource_names(each.get("resourceNames") or (), f"{here}.resourceNames", causes)
            rule(each, here, causes)


def _resource_names(values: Iterable[str], path: str, causes: Causes) -> None:
    taken: set[str] = set()
    for index, name in enumerate(values):
        causes.faults(f"{path}[{index}]", name, names.check_path_segment(name))
        if name in taken:
            causes.duplicate(f"{path}[{index}]", name)
        taken.add(name)


def _policy(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    _policy_match(spec, causes)
    variables = _variables(spec, causes, mutates=False)
    validations, audits = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not audits:
        causes.required("spec.validations", _NOTHING_TO_DO)
        causes.required("spec.auditAnnotations", _NOTHING_TO_DO)
        return
    for index, validation in enumerate(validations):
        _validation(validation, f"spec.validations[{index}]", causes, spec, variables)
    if len(audits) > _AUDIT_MAX:
        text = f"must not have more than {_AUDIT_MAX} auditAnnotations"
        causes.invalid("spec.auditAnnotations", audits, text)
    owner, taken = change.object["metadata"].get("name") or "", set()
    for index, audit in enumerate(audits):
        path, key = f"spec.auditAnnotations[{index}]", audit.get("key") or ""
        name = f"{owner}/{key}" if owner else key
        causes.faults(f"{path}.key", name, names.check_qualified_name(name))
        source = (audit.get("valueExpression") or "").strip()
        if not source:
            text = "valueExpression is not specified"
            causes.required(f"{path}.valueExpression", text)
        elif len(source.encode()) > _VALUE_MAX_BYTES:
            text = f"must not exceed {_VALUE_MAX_BYTES} bytes in length"
            causes.required(f"{path}.valueExpression", text)
        else:
            environment = admission_environment(params=_has_params(spec), variables=variables)
            compile_checked(source, f"{path}.valueExpression", causes, environment, ANNOTATION)
        if key in taken:
            causes.duplicate(f"{path}.key", key)
        taken.add(key)


def _policy_match(spec: Object, causes: Causes, *, mutates: bool = False) -> None:
    """Check what every admission policy says first: when it runs, and for what."""
    causes.one_of("spec.failurePolicy", spec.get("failurePolicy"), FAILURE_POLICIES)
    if spec.get("paramKind") is not None:
        _param_kind(spec["paramKind"], "spec.paramKind", causes)
    match = spec.get("matchConstraints")
    if match is None:
        causes.required("spec.matchConstraints")
    else:
        _match_resources(match, "spec.matchConstraints", causes)
        if not match.get("resourceRules"):
            causes.required("spec.matchConstraints.resourceRules")
        if mutates:
            _mutable(match, "spec.matchConstraints", causes)
    environment = admission_environment(params=_has_params(spec))
    conditions(spec.get("matchConditions") or [], "spec.matchConditions", causes, environment)


def _param_kind(value: Object, path: str, causes: Causes) -> None:
    version, kind = value.get("apiVersion") or "", value.get("kind") or ""
    group, slash, number = version.partition("/")
    if not slash:
        group, number = "", version
    if not version:
        causes.required(f"{path}.apiVersion")
    elif "/" in number:
        text = f"unexpected GroupVersion string: {version}"
        causes.invalid(f"{path}.apiVersion", version, text)
    else:
        if group and names.check_subdomain(group):
            causes.invalid(f"{path}.apiVersion", group, ",".join(names.check_subdomain(group)))
        if not number:
            causes.invalid(f"{path}.apiVersion", version, "version must be specified")
        elif names.check_label_1035(number):
            faults = ",".join(names.check_label_1035(number))
            causes.invalid(f"{path}.apiVersion", number, faults)
    if not kind:
        causes.required(f"{path}.kind")
    elif names.check_label_1035(kind.lower()):
        faults = ",".join(names.check_label_1035(kind.lower()))
        text = f"may have mixed case, but should otherwise match: {faults}"
        causes.invalid(f"{path}.kind", kind, text)


def _has_params(spec: Object) -> bool:
    return spec.get("paramKind") is not None


def _variables(spec: Object, causes: Causes, *, mutates: bool) -> dict[str, Type]:
    """Check the variables of a policy, each of which knows those before it; return their types."""
    found: dict[str, Type] = {}
    for index, variable in enumerate(spec.get("variables") or ()):
        path, name = f"spec.variables[{index}]", variable.get("name") or ""
        if not name.strip():
            causes.required(f"{path}.name", "name is not specified")
        elif names.check_c_identifier(name) or name in _RESERVED:
            causes.invalid(f"{path}.name", name, "name is not a valid CEL identifier")
        source = variable.get("expression") or ""
        if not source.strip():
            causes.required(f"{path}.expression", "expression is not specified")
            continue
        environment = admission_environment(
            params=_has_params(spec), mutates=mutates, variables=found
        )
        where = f"{path}.expression"
        found[name] = compile_checked(source, where, causes, environment, ANYTHING)
    return found


def _validation(
    value: Object, path: str, causes: Causes, spec: Object, variables: Mapping[str, Type]
) -> None:
    expression, message = value.get("expression") or "", value.get("message") or ""
    shown = value.get("messageExpression") or ""
    params = _has_params(spec)
    if not expression.strip():
        causes.required(f"{path}.expression", "expression is not specified")
    else:
        environment = admission_environment(params=params, variables=variables)
        compile_checked(expression, f"{path}.expression", causes, environment, CONDITION)
    if shown and not shown.strip():
        causes.invalid(f"{path}.messageExpression", shown, "must be non-empty if specified")
    elif shown:
        environment = admission_environment(params=params, authorizer=False, variables=variables)
        compile_checked(shown, f"{path}.messageExpression", causes, environment, MESSAGE)
    if message and not message.strip():
        causes.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip() or "\r" in message.strip():
        causes.invalid(f"{path}.message", message, "message must not contain line breaks")
    known(value, "reason", _REASONS, path, causes)


def _status(change: Change, causes: Causes) -> None:
    """Check what the judge of the expressions' types has found."""
    status = change.object.get("status") or {}
    warnings = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    for index, warning in enumerate(warnings):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        if not warning.get("warning"):
            causes.required(f"{path}.warning")
        reference = (warning.get("fieldRef") or "").strip()
        if not reference:
            causes.required(f"{path}.fieldRef")
        elif reference.rfind("[") > reference.rfind("]"):
            causes.invalid(f"{path}.fieldRef", reference, "invalid JSONPath: unterminated array")
    check_conditions(status.get("conditions") or [], "status.conditions", causes)


def _mutating_policy(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    _policy_match(spec, causes, mutates=True)
    variables = _variables(spec, causes, mutates=True)
    environment = admission_environment(params=_has_params(spec), mutates=True, variables=variables)
    mutations = spec.get("mutations") or []
    if not mutations:
        causes.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        _mutation(mutation, f"spec.mutations[{index}]", causes, environment)
    if not spec.get("reinvocationPolicy"):
        causes.required("spec.reinvocationPolicy")
    else:
        known(spec, "reinvocationPolicy", REINVOCATION, "spec", causes)


def _mutation(value: Object, path: str, causes: Causes, environment: Environment) -> None:
    """Check one change: exactly what its type says it is."""
    kind = value.get("patchType") or ""
    if not kind:
        causes.required(f"{path}.patchType")
        return
    if kind not in _PATCHES:
        causes.not_supported(f"{path}.patchType", kind, _PATCHES)
        return
    field, returns = _PATCHES[kind]
    if value.get(field) is None:
        causes.required(f"{path}.{field}", f"must be specified when patchType is {kind}")
    else:
        source, where = (value[field].get("expression") or "").strip(), f"{path}.{field}.expression"
        if source:
            compile_checked(source, where, causes, environment, returns)
        else:
            causes.required(where)
    for other, _ in _PATCHES.values():
        if other != field and value.get(other) is not None:
            text = f"must not be specified when patchType is {kind}"
            causes.invalid(f"{path}.{other}", f"{{{other}}}", text)


def _mutable(match: Object | None, path: str, causes: Causes) -> None:
    """Check that the operations are such that leave something to change."""
    for each in (match or {}).get("resourceRules") or ():
        for operation in each.get("operations") or ():
            if operation not in _MUTABLE:
                where = f"{path}.resourceRules.operations"
                causes.not_supported(where, operation, _MUTABLE)


def _binding(change: Change, causes: Causes) -> None:
    _binding_of(change, causes)
    actions = (change.object.get("spec") or {}).get("validationActions") or []
    path = "spec.validationActions"
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            causes.not_supported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            causes.duplicate(f"{path}[{index}]", action)
    if "Deny" in actions and "Warn" in actions:
        causes.invalid(path, actions, _TWICE)
    if not actions:
        causes.required(path, "at least one validation action is required")


def _binding_of(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    name = spec.get("policyName") or ""
    if not name:
        causes.required("spec.policyName")
    else:
        causes.faults("spec.policyName", name, names.check_subdomain(name))
    reference = spec.get("paramRef")
    if reference is not None:
        _param_ref(reference, "spec.paramRef", causes)
    if spec.get("matchResources") is not None:
        _match_resources(spec["matchResources"], "spec.matchResources", causes)


def _mutating_binding(change: Change, causes: Causes) -> None:
    _binding_of(change, causes)
    match = (change.object.get("spec") or {}).get("matchResources")
    _mutable(match, "spec.matchResources", causes)


def _param_ref(value: Object, path: str, causes: Causes) -> None:
    name, selector = value.get("name"), value.get("selector")
    text = "name and selector are mutually exclusive"
    if name:
        causes.faults(f"{path}.name", name, names.check_path_segment(name))
        if selector is not None:
            causes.forbidden(f"{path}.name", text)
    if selector is not None:
        label_selector(selector, f"{path}.selector", causes)
        if name:
            causes.forbidden(f"{path}.selector", text)
    if not name and selector is None:
        causes.required(path, "one of name or selector must be specified")
    action = value.get("parameterNotFoundAction")
    if not action:
        causes.required(f"{path}.parameterNotFoundAction")
    elif action not in ("Allow", "Deny"):
        causes.not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


VALIDATING_POLICY = Rules(always=_policy, status=_status, namespaced=False, strict_finalizers=False)
MUTATING_POLICY = Rules(always=_mutating_policy, namespaced=False, strict_finalizers=False)
VALIDATING_BINDING = Rules(always=_binding, namespaced=False, strict_finalizers=False)
MUTATING_BINDING = Rules(always=_mutating_binding, namespaced=False, strict_finalizers=False)
