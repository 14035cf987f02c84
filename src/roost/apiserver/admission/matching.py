"""Which webhooks and policies a request concerns: rules and selectors, compiled once.

Everything is a value and is asked with values: `Asked` is a request as rules see it. A rule that names
the resource wins; with the match policy Equivalent one that names another version (or group) of the
same stored resource will do, and the object is then shown in that version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from roost.api.kind import Kind
from roost.api.selectors import EVERYTHING, LabelSelector, label_selector
from roost.api.values import Object
from roost.apiserver.attributes import Admission

GROUP: Final = "admissionregistration.k8s.io"
#: What configures admission is not itself admitted by it: a wrong rule could not be mended.
_SELF: Final = frozenset(
    {
        "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
        "mutatingwebhookconfigurations", "validatingadmissionpolicies",
        "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
    }
)  # fmt: skip
#: Questions that policies never see: a policy that refuses them ends the cluster.
_REVIEWS: Final = frozenset(
    {
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)

#: All kinds whose objects are stored with those of a kind, and that have a subresource.
Equivalents: TypeAlias = Callable[[Kind, str], Sequence[Kind]]


def is_exempt(kind: Kind) -> bool:
    """Is this a kind that configures admission?"""
    return kind.group == GROUP and kind.plural in _SELF


def is_hidden_from_policies(kind: Kind) -> bool:
    """Do policies not look at this kind at all?"""
    return is_exempt(kind) or (kind.group, kind.plural) in _REVIEWS


def is_namespace(kind: Kind) -> bool:
    return kind.plural == "namespaces" and kind.group == ""


def namespace_of(request: Admission) -> str:
    """Return the namespace of a request; that of a Namespace is the Namespace itself."""
    return request.name if is_namespace(request.kind) else request.namespace


@dataclass(frozen=True, slots=True)
class Rule:
    """Operations on resources, as in RuleWithOperations (and resourceNames of policies)."""

    groups: frozenset[str]
    versions: frozenset[str]
    #: (resource, subresource)
    resources: tuple[tuple[str, str], ...]
    operations: frozenset[str]
    scope: str = "*"
    names: frozenset[str] = frozenset()

    def may_match(self, plural: str, subresource: str, operation: str) -> bool:
        """Can a request for such a resource in some group and version be meant?"""
        if operation not in self.operations and "*" not in self.operations:
            return False
        return any(
            resource in (plural, "*") and sub in (subresource, "*")
            for resource, sub in self.resources
        )

    def matches(self, request: Admission, kind: Kind) -> bool:
        """Is a request meant, were its resource that of `kind`?"""
        return (
            self.may_match(kind.plural, request.subresource, request.operation)
            and (kind.group in self.groups or "*" in self.groups)
            and (kind.version in self.versions or "*" in self.versions)
            and self._in_scope(request)
            and (not self.names or request.name in self.names)
        )

    def _in_scope(self, request: Admission) -> bool:
        if self.scope == "*":
            return True
        inside = bool(request.namespace) and not is_namespace(request.kind)
        return inside if self.scope == "Namespaced" else not inside


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a webhook, a policy or a binding is for."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...] = ()
    namespaces: LabelSelector = EVERYTHING
    objects: LabelSelector = EVERYTHING
    equivalent: bool = True
    #: What no rules at all mean: every request (of a policy's binding) or none (of a webhook).
    unruled: bool = True

    def may_match(self, plural: str, subresource: str, operation: str) -> bool:
        """Can a request for such a resource be meant?"""
        if not self.rules:
            return self.unruled
        return any(rule.may_match(plural, subresource, operation) for rule in self.rules)

    def match(
        self, request: Admission, equivalents: Equivalents, namespace: Object | None
    ) -> Kind | None:
        """Return the kind as which the request is meant, or None if it is not.

        `namespace` holds the labels of the request's namespace. It is only looked at if there is a
        selector of namespaces; None means that there is no such namespace, which raises LookupError.
        """
        if not self.rules and not self.unruled:
            return None
        if not self.objects.empty and not self._selects_object(request):
            return None
        lost = False
        if not self.namespaces.empty and namespace_of(request):
            if namespace is None:
                lost = True
            elif not self.namespaces.matches(namespace):
                return None
        if self._one_of(self.excluded, request, equivalents) is not None:
            return None
        kind = self._one_of(self.rules, request, equivalents) if self.rules else request.kind
        if kind is not None and lost:
            raise LookupError(namespace_of(request))
        return kind

    def _selects_object(self, request: Admission) -> bool:
        return any(
            value is not None and self.objects.matches(labels_of(value))
            for value in (request.object, request.old)
        )

    def _one_of(
        self, rules: Sequence[Rule], request: Admission, equivalents: Equivalents
    ) -> Kind | None:
        for rule in rules:
            if rule.matches(request, request.kind):
                return request.kind
        if not rules or not self.equivalent:
            return None
        others = [k for k in equivalents(request.kind, request.subresource) if k != request.kind]
        for rule in rules:
            for kind in others:
                if rule.matches(request, kind):
                    return kind
        return None


def labels_of(value: Object) -> Object | None:
    found: Object | None = (value.get("metadata") or {}).get("labels")
    return found


def criteria_of(value: Object, rules_key: str = "resourceRules") -> Criteria:
    """Compile a webhook (`rules_key` "rules") or the MatchResources of a policy or a binding.

    Raises ValueError for a selector that cannot be read.
    """
    return Criteria(
        tuple(map(_rule, value.get(rules_key) or ())),
        tuple(map(_rule, value.get("excludeResourceRules") or ())),
        _selector(value.get("namespaceSelector")),
        _selector(value.get("objectSelector")),
        value.get("matchPolicy") != "Exact",
        rules_key != "rules",
    )


def _selector(value: Object | None) -> LabelSelector:
    return label_selector(value) if value else EVERYTHING


def _rule(value: Object) -> Rule:
    return Rule(
        frozenset(value.get("apiGroups") or ()),
        frozenset(value.get("apiVersions") or ()),
        tuple(map(_split, value.get("resources") or ())),
        frozenset(value.get("operations") or ()),
        value.get("scope") or "*",
        frozenset(value.get("resourceNames") or ()),
    )


def _split(resource: str) -> tuple[str, str]:
    name, _, subresource = resource.partition("/")
    return name, subresource


def equivalents_of(kinds: Iterable[Kind], kind: Kind, subresource: str) -> list[Kind]:
    """Return the kinds among `kinds` that are stored with `kind` and have the subresource."""
    return [
        other
        for other in kinds
        if other.plural == kind.plural
        and _stored_in(other) == _stored_in(kind)
        and (not subresource or subresource in other.subresources)
    ]


def _stored_in(kind: Kind) -> str:
    return kind.group if kind.storage_group is None else kind.storage_group
