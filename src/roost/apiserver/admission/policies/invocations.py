"""Which policies run for a request, as which kind, and with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roost.api.errors import not_found
from roost.api.kind import Kind
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.apiserver.admission.matching import labels_of, namespace_of
from roost.apiserver.admission.policies.compiled import Binding, Policy
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.surroundings import NAMESPACES, Surroundings
from roost.apiserver.attributes import Admission

#: What expressions see of the metadata of a namespace.
_METADATA = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
    "annotations", "finalizers",
)  # fmt: skip


class Misconfigured(Exception):
    """A policy or a binding cannot be used for a request; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A policy that should have run and cannot; whether that matters is up to its failure policy."""

    policy: Policy
    binding: Binding | None
    text: str
    #: Was it a fault of an expression, not of the configuration?
    evaluated: bool = False


@dataclass(frozen=True, slots=True)
class Invocation:
    """A policy that runs under a binding for each of some parameters (None: without)."""

    policy: Policy
    binding: Binding
    kind: Kind
    params: tuple[Object | None, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Chooses policies for requests."""

    around: Surroundings

    async def select(
        self, policies: Sequence[Policy], request: Admission, lookup: Lookup
    ) -> tuple[list[Invocation], list[Fault]]:
        """Return what runs for a request, and what cannot, both in order."""
        labels = await self.around.namespace_labels(request, lookup)
        found: list[Invocation] = []
        faults: list[Fault] = []
        for policy in policies:
            try:
                kind = self._match(policy, request, labels)
                if kind is None:
                    continue
                param_kind = self._param_kind(policy)
            except Misconfigured as error:
                faults.append(Fault(policy, None, f"failed to configure policy: {error}"))
                continue
            for binding in policy.bindings:
                try:
                    if self._match_binding(binding, request, labels) is None:
                        continue
                    params = await _params(policy, param_kind, binding, request, lookup)
                except Misconfigured as error:
                    faults.append(Fault(policy, binding, f"failed to configure binding: {error}"))
                    continue
                if params:
                    found.append(Invocation(policy, binding, kind, params))
        return found, faults

    def _match(self, policy: Policy, request: Admission, labels: Object | None) -> Kind | None:
        try:
            return policy.criteria.match(request, self.around.equivalents, labels)
        except LookupError as error:
            raise Misconfigured(f'namespaces "{error}" not found') from None

    def _match_binding(
        self, binding: Binding, request: Admission, labels: Object | None
    ) -> Kind | None:
        if binding.criteria is None:
            return request.kind
        try:
            return binding.criteria.match(request, self.around.equivalents, labels)
        except LookupError as error:
            raise Misconfigured(f'namespaces "{error}" not found') from None

    def _param_kind(self, policy: Policy) -> Kind | None:
        """Return the kind of a policy's parameters, None if it has none."""
        wanted = policy.param_kind
        if wanted is None:
            return None
        group, _, version = (wanted.get("apiVersion") or "").rpartition("/")
        name = wanted.get("kind") or ""
        kind = self.around.registry.by_name(group, version, name)
        if kind is None:
            shown = f"{group}/{version}, Kind={name}"
            raise Misconfigured(f"failed to find resource referenced by paramKind: '{shown}'")
        return kind


async def _params(
    policy: Policy, kind: Kind | None, binding: Binding, request: Admission, lookup: Lookup
) -> tuple[Object | None, ...]:
    """Return the parameters of a binding; (None,) if it has none, () if the policy shall not run."""
    reference = binding.param_ref
    if policy.param_kind is None or kind is None or reference is None:
        return (None,)
    namespace = _param_namespace(kind, reference, request)
    name = reference.get("name")
    found: list[Object] = []
    if name:
        param = await lookup.get(kind.resource, name, namespace)
        if param is not None:
            found.append(param)
    else:
        selector = label_selector(reference.get("selector"))
        listed = await lookup.list(kind.resource, namespace)
        found += [param for param in listed if selector.matches(labels_of(param))]
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured(
            "no params found for policy binding with `Deny` parameterNotFoundAction"
        )
    return tuple({**param, "kind": kind.name, "apiVersion": kind.api_version} for param in found)


def _param_namespace(kind: Kind, reference: Object, request: Admission) -> str:
    given: str = reference.get("namespace") or ""
    if not kind.namespaced:
        if given:
            raise Misconfigured(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
            )
        return ""
    namespace = given or namespace_of(request)
    if not namespace:
        raise Misconfigured(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    return namespace


async def namespace_object(request: Admission, lookup: Lookup) -> Object | None:
    """Return the request's namespace as expressions see it, None at the cluster scope.

    Raises NotFound if there is no such namespace.
    """
    if not request.kind.namespaced:
        return None
    found = await lookup.get(NAMESPACES, request.namespace)
    if found is None:
        raise not_found("", "namespaces", request.namespace)
    metadata = found["metadata"]
    shown: Object = {"metadata": {key: metadata[key] for key in _METADATA if key in metadata}}
    shown.update({key: found[key] for key in ("spec", "status") if key in found})
    return shown
