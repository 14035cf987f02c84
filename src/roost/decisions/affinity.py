"""Which nodes a pod may or would rather run on: nodeSelector and node affinity. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roost.api.values import Object


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _holds(expression: Object, values: Mapping[str, str]) -> bool:
    operator, listed = expression["operator"], expression.get("values") or ()
    value = values.get(expression["key"])
    if operator == "In":
        return value in listed
    if operator == "NotIn":
        return value is None or value not in listed
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    number, limit = _integer(value), _integer(listed[0] if listed else None)
    if number is None or limit is None:
        return False
    return number > limit if operator == "Gt" else operator == "Lt" and number < limit


def term_matches(term: Object, labels: Mapping[str, str], name: str) -> bool:
    """Say whether a node selector term holds; an empty term holds for no node."""
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    named = {"metadata.name": name}
    return all(_holds(e, labels) for e in expressions) and all(_holds(f, named) for f in fields)


def required_terms(spec: Object) -> Sequence[Object] | None:
    """Return the required node selector terms of a pod's spec; None if it has none."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or ()


def preferred_terms(spec: Object) -> Sequence[Object]:
    """Return [{weight, preference}]."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()


def node_matches(spec: Object, labels: Mapping[str, str], name: str) -> bool:
    """Say whether a node satisfies nodeSelector and required node affinity."""
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    terms = required_terms(spec)
    return terms is None or any(term_matches(term, labels, name) for term in terms)
