"""ValidatingAdmissionPolicy: expressions that must be true of what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roost.api.errors import StatusError
from roost.api.values import Object
from roost.apiserver.admission.base import refuse
from roost.apiserver.admission.configured import Configured, Stage
from roost.apiserver.admission.expressions import BUDGET, EvaluationFailed, OutOfBudget, Scope
from roost.apiserver.admission.matching import is_hidden_from_policies
from roost.apiserver.admission.policies.checks import Checks, Watch, error_type
from roost.apiserver.admission.policies.compiled import (
    AuditAnnotation,
    Binding,
    Policy,
    Validation,
)
from roost.apiserver.admission.policies.invocations import (
    Fault,
    Invocation,
    Selection,
    namespace_object,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.refusing import refusal
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.attributes import Admission

_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}
_INVALID: Final = 422
_FAILURE_KEY: Final = "validation.policy.admission.k8s.io/validation_failure"
#: The longest message that an expression may make, in bytes.
_MESSAGE_BYTES: Final = 5 * 1024
_ANNOTATION_BYTES: Final = 10 * 1024


@dataclass(frozen=True, slots=True)
class Denial:
    """A rule that failed, or could not be looked at. `index` is that of the rule."""

    policy: Policy
    binding: Binding | None
    message: str
    reason: str = "Invalid"
    index: int = 0
    #: How long it took to find out.
    seconds: float = 0.0

    def text(self) -> str:
        under = f" with binding '{self.binding.name}'" if self.binding is not None else ""
        name = self.policy.name
        return f"ValidatingAdmissionPolicy '{name}'{under} denied request: {self.message}"


class ValidatingPolicies(Configured[Policy]):
    """Runs ValidatingAdmissionPolicies."""

    name = "ValidatingAdmissionPolicy"

    def __init__(self, stage: Stage, around: Surroundings) -> None:
        super().__init__(stage)
        self._around = around
        self._selection = Selection(around)

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        policies = await self._concerned(request)
        if not policies or is_hidden_from_policies(request.kind):
            return
        chosen, faults = await self._selection.select(policies, request, lookup)
        denials = [_misconfigured(fault) for fault in faults if not fault.policy.ignores_failure]
        if chosen:
            namespace = await namespace_object(request, lookup)
            for invocation in chosen:
                denials += self._run(invocation, request, namespace)
        if denials:
            raise _refused(request, denials)

    def _run(
        self, invocation: Invocation, request: Admission, namespace: Object | None
    ) -> list[Denial]:
        """Run a policy under one binding, and return what denies the request."""
        policy, binding = invocation.policy, invocation.binding
        denials: list[Denial] = []
        annotations: dict[str, dict[str, None]] = {}
        for params in invocation.params:
            scope = Scope(
                request, invocation.kind, self._around.authorizer, params=params,
                namespace=namespace, variables=policy.variables,
                took=self._around.checks.evaluations,
            )  # fmt: skip
            try:
                if not policy.conditions.hold(scope):
                    continue
            except EvaluationFailed as error:
                denials += self._act(request, [Denial(policy, binding, str(error))])
                continue
            checks = self._around.checks
            denials += self._act(request, _failures(policy, binding, scope, checks))
            for denial in _audited(policy, binding, scope, annotations):
                self._count(denial, "deny")
                denials.append(denial)
        for key, values in annotations.items():
            request.annotate(f"{policy.name}/{key}", ", ".join(values))
        return denials

    def _count(self, failure: Denial, action: str) -> None:
        binding = "" if failure.binding is None else failure.binding.name
        fault = error_type(failure.message)
        self._around.checks.validated(failure.policy.name, binding, fault, action, failure.seconds)

    def _act(self, request: Admission, failures: list[Denial]) -> list[Denial]:
        """Do what the binding wants done about failures, and return those that deny."""
        denials: list[Denial] = []
        for failure in failures:
            binding = failure.binding
            assert binding is not None
            for action in binding.actions:
                self._count(failure, action.lower())
                if action == "Deny":
                    denials.append(failure)
                elif action == "Audit":
                    request.annotate(_FAILURE_KEY, _failure_note(failure, binding))
                elif action == "Warn":
                    request.warnings.append(
                        f"Validation failed for ValidatingAdmissionPolicy '{failure.policy.name}' "
                        f"with binding '{binding.name}': {failure.message}"
                    )
        return denials


def _misconfigured(fault: Fault) -> Denial:
    return Denial(fault.policy, fault.binding, fault.text)


def _failure_note(failure: Denial, binding: Binding) -> str:
    note = {
        "message": failure.message,
        "policy": failure.policy.name,
        "binding": binding.name,
        "expressionIndex": failure.index,
        "validationActions": list(binding.actions),
    }
    return json.dumps([note], separators=(",", ":"))


def _failures(policy: Policy, binding: Binding, scope: Scope, checks: Checks) -> list[Denial]:
    """Return the rules of a policy that do not hold."""
    scope.budget = BUDGET
    failures: list[Denial] = []
    watch = Watch()
    for index, validation in enumerate(policy.validations):
        try:
            if validation.expression.evaluate(scope) is not True:
                message = _message(validation, scope)
                made = Denial(policy, binding, message, validation.reason, index, watch.lap())
                failures.append(made)
            else:
                watch.lap()
        except EvaluationFailed as error:
            message, spent = str(error), isinstance(error, OutOfBudget)
            if spent:
                # What ran before does not count either: the policy as a whole cannot be evaluated.
                failures, index = [], 0
            seconds = watch.lap()
            if policy.ignores_failure:
                fault = error_type(message)
                checks.validated(policy.name, binding.name, fault, "allow", seconds)
            else:
                failures.append(Denial(policy, binding, message, index=index, seconds=seconds))
            if spent:
                break
    return failures


def _message(validation: Validation, scope: Scope) -> str:
    """Return how the failure of a rule is told."""
    if validation.message_expression is not None:
        try:
            made = validation.message_expression.evaluate(scope, authorizer=False)
        except OutOfBudget as error:
            raise EvaluationFailed(f"failed messageExpression: {error}") from None
        except EvaluationFailed:
            made = None  # the fixed message will do
        if isinstance(made, str):
            made = made.strip()
            if made and "\n" not in made and len(made.encode()) <= _MESSAGE_BYTES:
                return made
    return validation.message or f"failed expression: {validation.expression.source.strip()}"


def _audited(
    policy: Policy, binding: Binding, scope: Scope, annotations: dict[str, dict[str, None]]
) -> Iterator[Denial]:
    """Collect what a policy tells whoever audits; yield what cannot be told."""
    scope.budget = BUDGET
    for audit in policy.audits:
        try:
            value = _annotation(audit, scope)
        except EvaluationFailed as error:
            if not policy.ignores_failure:
                yield Denial(policy, binding, str(error))
            continue
        if value:
            cut = value.encode()[:_ANNOTATION_BYTES].decode("utf-8", "ignore")
            annotations.setdefault(audit.key, {})[cut] = None


def _annotation(audit: AuditAnnotation, scope: Scope) -> str:
    value = audit.expression.evaluate(scope, authorizer=False)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise EvaluationFailed(
            f"valueExpression '{audit.expression.source}' resulted in unsupported return type: "
            f"{audit.expression.type_of(value)}. Return type must be either string or null."
        )
    return value.strip()


def _refused(request: Admission, denials: list[Denial]) -> StatusError:
    """Return the error for a denied request: that of the first denial."""
    first = denials[0]
    text = first.text()
    forbidden = refuse(request, text)
    details = {**(forbidden.details or {}), "causes": [{"message": text}]}
    code = _CODES.get(first.reason, _INVALID)
    return refusal(code, first.reason, forbidden.message, details)
