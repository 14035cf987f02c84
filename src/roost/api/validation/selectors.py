"""Rules for label selectors and node selectors."""

from __future__ import annotations

from roost.api import names
from roost.api.validation.causes import Causes, Structure
from roost.api.values import Object

_NOT_AN_OPERATOR = "not a valid selector operator"
_NEEDS_VALUES = "must be specified when `operator` is 'In' or 'NotIn'"
_NO_VALUES = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def label_key(key: str, path: str, causes: Causes) -> None:
    """Check the name of a label."""
    causes.faults(path, key, names.check_qualified_name(key))


def label_values(values: list[str], path: str, causes: Causes) -> None:
    """Check the values of a requirement, each by its index."""
    for index, value in enumerate(values):
        causes.faults(f"{path}[{index}]", value, names.check_label_value(value))


def label_selector(selector: Object | None, path: str, causes: Causes) -> None:
    """Check a label selector; an absent one is fine."""
    if not selector:
        return
    labels = selector.get("matchLabels")
    if labels:
        causes.extend(names.check_labels(labels, f"{path}.matchLabels"))
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        label_requirement(requirement, f"{path}.matchExpressions[{index}]", causes)


def label_requirement(requirement: Object, path: str, causes: Causes) -> None:
    """Check one requirement of a label selector."""
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    _count_of_values(operator, values, path, causes)
    label_key(requirement.get("key") or "", f"{path}.key", causes)
    label_values(values, f"{path}.values", causes)


def _count_of_values(operator: str, values: list[str], path: str, causes: Causes) -> None:
    if operator in ("In", "NotIn"):
        if not values:
            causes.required(f"{path}.values", _NEEDS_VALUES)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            causes.forbidden(f"{path}.values", _NO_VALUES)
    else:
        causes.invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR)


def shown_selector(selector: Object | None) -> Structure | None:
    """Return a selector as the API shows it in a message."""
    if selector is None:
        return None
    shape = Structure()
    if selector.get("matchLabels"):
        shape["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if selector.get("matchExpressions"):
        shape["matchExpressions"] = [
            Structure((key, one[key]) for key in ("key", "operator", "values") if key in one)
            for one in selector["matchExpressions"]
        ]
    return shape


def is_empty(selector: Object | None) -> bool:
    """Tell whether a selector says nothing, and so selects everything."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def node_requirement(requirement: Object, path: str, causes: Causes, *, lenient: bool) -> None:
    """Check one requirement for labels of a node; `lenient` lets any value pass."""
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    if operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.required(f"{path}.values", text)
    else:
        _count_of_values(operator, values, path, causes)
    label_key(requirement.get("key") or "", f"{path}.key", causes)
    if not lenient:
        label_values(values, f"{path}.values", causes)


def _node_field(requirement: Object, path: str, causes: Causes) -> None:
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    if operator not in ("In", "NotIn"):
        causes.invalid(f"{path}.operator", operator, _NOT_AN_OPERATOR)
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.required(f"{path}.values", text)
    key = requirement.get("key") or ""
    if key != "metadata.name":
        causes.invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        causes.faults(f"{path}.values[{index}]", value, names.check_subdomain(value))


def node_term(term: Object, path: str, causes: Causes, *, lenient: bool) -> None:
    """Check one term of a node selector."""
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        node_requirement(requirement, f"{path}.matchExpressions[{index}]", causes, lenient=lenient)
    for index, requirement in enumerate(term.get("matchFields") or ()):
        _node_field(requirement, f"{path}.matchFields[{index}]", causes)


def node_selector(selector: Object, path: str, causes: Causes) -> None:
    """Check a required node selector."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        causes.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        node_term(term, f"{path}.nodeSelectorTerms[{index}]", causes, lenient=False)
