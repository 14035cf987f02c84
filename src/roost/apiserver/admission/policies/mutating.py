"""MutatingAdmissionPolicy: expressions that change what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from roost.api.errors import ServiceUnavailable, StatusError
from roost.api.kind import Kind
from roost.api.patches.json_patch import FailedTest, Inapplicable, patch_document
from roost.api.patches.merged import faults_of, merge
from roost.api.patches.typed import child_of, is_atomic, is_keyed, items_of
from roost.api.schema.node import Node
from roost.api.values import Object, Value
from roost.apiserver.admission.base import refuse
from roost.apiserver.admission.configured import Configured, Stage
from roost.apiserver.admission.expressions import (
    BUDGET,
    EvaluationFailed,
    Scope,
    operations_of,
    typed_object,
)
from roost.apiserver.admission.matching import is_hidden_from_policies
from roost.apiserver.admission.policies.checks import NONE, Watch, error_type
from roost.apiserver.admission.policies.compiled import Mutation, Policy
from roost.apiserver.admission.policies.invocations import (
    Fault,
    Invocation,
    Selection,
    namespace_object,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.refusing import refusal
from roost.apiserver.admission.requests import shown_as, taken_back
from roost.apiserver.admission.rounds import Rounds
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.attributes import Admission

_FORBIDDEN: Final = 403


class MutatingPolicies(Configured[Policy]):
    """Runs MutatingAdmissionPolicies."""

    name = "MutatingAdmissionPolicy"

    def __init__(self, stage: Stage, around: Surroundings) -> None:
        super().__init__(stage)
        self._around = around
        self._selection = Selection(around)

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        policies = await self._concerned(request)
        if not policies or is_hidden_from_policies(request.kind):
            return
        chosen, faults = await self._selection.select(policies, request, lookup)
        if chosen:
            namespace = await namespace_object(request, lookup)
            rounds = Rounds.of(request, self.name)
            rounds.start(request.object)
            try:
                for invocation in chosen:
                    faults += self._run(invocation, request, namespace, rounds)
            finally:
                rounds.end(request.object)
        faults = [fault for fault in faults if not fault.policy.ignores_failure]
        if faults:
            raise _refused(request, faults)

    def _run(
        self, invocation: Invocation, request: Admission, namespace: Object | None, rounds: Rounds
    ) -> Iterator[Fault]:
        """Change the object as a policy says under one binding; yield what could not be done."""
        policy, binding = invocation.policy, invocation.binding
        for params in invocation.params:

            def scope(params: Object | None = params) -> Scope:
                return Scope(
                    request, invocation.kind, self._around.authorizer, params=params,
                    namespace=namespace, variables=policy.variables,
                    took=self._around.checks.evaluations,
                )  # fmt: skip

            try:
                if not policy.conditions.hold(scope()):
                    continue
            except EvaluationFailed as error:
                yield Fault(policy, binding, str(error), evaluated=True)
                continue
            key = (policy.name, binding.name, _address(params))
            if rounds.skips(key):
                continue
            before: Object | None = None if request.object is None else dict(request.object)
            for mutation in policy.mutations:
                if request.object is None:
                    break
                watch, found = Watch(), NONE
                try:
                    self._mutate(mutation, request, invocation.kind, scope())
                except EvaluationFailed as error:
                    found = error_type(str(error))
                    yield Fault(policy, binding, str(error), evaluated=True)
                self._around.checks.mutated(policy.name, binding.name, found, watch.lap())
            rounds.asked(key, changed=request.object != before, again=policy.again)

    def _mutate(self, mutation: Mutation, request: Admission, kind: Kind, scope: Scope) -> None:
        scope.budget = BUDGET
        value = mutation.expression.evaluate(scope)
        shown = shown_as(request, kind, request.object)
        assert shown is not None
        if mutation.applies:
            changed = applied(self._node(kind), shown, typed_object(value))
        else:
            changed = patched(shown, operations_of(value))
        self._around.settle(request, taken_back(request, kind, changed))

    def _node(self, kind: Kind) -> Node:
        try:
            return self._around.node(kind)
        except KeyError:
            raise ServiceUnavailable(
                f"Resource kind {kind.group}/{kind.version}, Kind={kind.name} not found. There can "
                "be a delay between when CustomResourceDefinitions are created and when they are "
                "available."
            ) from None


def applied(node: Node, shown: Object, config: Object) -> Object:
    """Return an object with a configuration merged in. Raises EvaluationFailed."""
    config = {**config, "kind": shown["kind"], "apiVersion": shown["apiVersion"]}
    faults = list(faults_of(node, config))
    if faults:
        told = faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])
        raise EvaluationFailed(
            f"error applying patch: failed to convert patch object to typed object: {told}"
        )
    atomic = list(_atomics(node, config, ""))
    if atomic:
        raise EvaluationFailed(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps "
            f"or structs: {', '.join(atomic)}"
        )
    merged: Object = merge(node, shown, config)
    return merged


def _atomics(node: Node, value: Value, path: str) -> Iterator[str]:
    """Yield the paths of what would be replaced as a whole: that is never what is meant."""
    node = node.resolve()
    if isinstance(value, dict):
        if is_atomic(node):
            yield path
        for key, item in sorted(value.items()):
            if key in node.fields:
                yield from _atomics(child_of(node, key), item, f"{path}.{key}")
    elif isinstance(value, list):
        if not is_keyed(node):
            yield path
        for index, item in enumerate(value):
            yield from _atomics(items_of(node), item, f"{path}[{index}]")


def patched(shown: Object, operations: list[Object]) -> Object:
    """Return an object patched; unchanged where a test fails. Raises EvaluationFailed."""
    try:
        return patch_document(shown, operations)
    except FailedTest:
        return shown
    except Inapplicable as error:
        raise EvaluationFailed(f"JSONPath: {error}") from None


def _address(params: Mapping[str, Any] | None) -> tuple[str, str]:
    metadata = {} if params is None else params["metadata"]
    return metadata.get("namespace", ""), metadata.get("name", "")


def _text(fault: Fault) -> str:
    name, binding = fault.policy.name, fault.binding
    if binding is None:
        return f'policy "{name}" denied request: {fault.text}'
    return f"policy '{name}' with binding '{binding.name}' denied request: {fault.text}"


def _refused(request: Admission, faults: list[Fault]) -> StatusError:
    """Return the error for a request whose policies could not do what they had to."""
    details = dict(refuse(request, "").details or {})
    details["causes"] = [{"message": _text(fault)} for fault in faults]
    reason = "Invalid" if faults[0].evaluated else "Forbidden"
    return refusal(_FORBIDDEN, reason, _text(faults[0]), details)
