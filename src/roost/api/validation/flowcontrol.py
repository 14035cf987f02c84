"""Rules for flow schemas and priority levels."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.mandatoryflows import fixed_level, fixed_schema
from roost.api.validation.rules import Rules
from roost.api.values import Object

_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch",
)  # fmt: skip
_KINDS = ("Group", "ServiceAccount", "User")
_METHODS = ("ByNamespace", "ByUser")
_PRECEDENCE_MAX = 10_000
_QUEUES_MAX = 10_000_000
#: How many bits of a hash deal queues to a flow.
_HASH_BITS = 60
_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def _schema(change: Change, causes: Causes) -> None:
    spec, name = change.object.get("spec") or {}, change.object["metadata"].get("name")
    precedence, path = spec.get("matchingPrecedence") or 0, "spec.matchingPrecedence"
    if precedence <= 0:
        causes.invalid(path, precedence, "must be a positive value")
    if precedence > _PRECEDENCE_MAX:
        causes.invalid(path, precedence, f"must not be greater than {_PRECEDENCE_MAX}")
    if precedence == 1 and name != "exempt":
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        causes.invalid(path, precedence, text)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        shown = {"Type": method.get("type") or ""}
        causes.not_supported("spec.distinguisherMethod.type", shown, _METHODS)
    level = (spec.get("priorityLevelConfiguration") or {}).get("name")
    path = "spec.priorityLevelConfiguration.name"
    if level:
        causes.faults(path, level, names.check_subdomain(level))
    else:
        causes.required(path, "must reference a priority level")
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(rule, f"spec.rules[{index}]", causes)
    fixed_schema(name, spec, causes)


def _rule(rule: Object, path: str, causes: Causes) -> None:
    subjects = rule.get("subjects") or []
    if not subjects:
        causes.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(subjects):
        _subject(subject, f"{path}.subjects[{index}]", causes)
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        causes.required(path, text)
    for index, entry in enumerate(resources):
        _resource_rule(entry, f"{path}.resourceRules[{index}]", causes)
    for index, entry in enumerate(others):
        _url_rule(entry, f"{path}.nonResourceRules[{index}]", causes)


def _subject(subject: Object, path: str, causes: Causes) -> None:
    kind = subject.get("kind") or ""
    if kind not in _KINDS:
        causes.not_supported(f"{path}.kind", kind, _KINDS)
        return
    own = kind[:1].lower() + kind[1:]
    value = subject.get(own)
    if value is None:
        text = f"{own} is required when subject kind is '{kind}'"
        causes.required(f"{path}.{own}", text)
    else:
        _subject_name(kind, value, f"{path}.{own}", causes)
    for other, other_kind in (
        ("serviceAccount", "ServiceAccount"),
        ("user", "User"),
        ("group", "Group"),
    ):
        if other != own and subject.get(other) is not None:
            text = f"{other} is forbidden when subject kind is not '{other_kind}'"
            causes.forbidden(f"{path}.{other}", text)


def _subject_name(kind: str, value: Object, path: str, causes: Causes) -> None:
    name = value.get("name")
    if not name:
        causes.required(f"{path}.name")
    elif kind == "ServiceAccount" and name != "*":
        causes.faults(f"{path}.name", name, names.check_subdomain(name))
    if kind == "ServiceAccount":
        namespace = value.get("namespace")
        if namespace:
            causes.faults(f"{path}.namespace", namespace, names.check_label(namespace))
        else:
            text = "must specify namespace for service account"
            causes.required(f"{path}.namespace", text)


def _list(values: list[str], path: str, missing: str, noun: str, causes: Causes) -> bool:
    """Check a list that may be `*` alone; tell whether its members are still to be checked."""
    if not values:
        causes.required(path, missing)
        return False
    if "*" in values:
        if len(values) > 1:
            text = f"if '*' is present, must not specify other {noun}"
            causes.invalid(path, values, text)
        return False
    return True


def _verbs(rule: Object, path: str, causes: Causes) -> None:
    verbs = rule.get("verbs") or []
    missing = "verbs must contain at least one value"
    each = _list(verbs, f"{path}.verbs", missing, "verbs", causes)
    if each and any(verb not in _VERBS for verb in verbs):
        causes.not_supported(f"{path}.verbs", verbs, _VERBS)


def _resource_rule(rule: Object, path: str, causes: Causes) -> None:
    _verbs(rule, path, causes)
    text = "resource rules must supply at least one api group"
    _list(rule.get("apiGroups") or [], f"{path}.apiGroups", text, "api groups", causes)
    text = "resource rules must supply at least one resource"
    _list(rule.get("resources") or [], f"{path}.resources", text, "resources", causes)
    spaces = rule.get("namespaces") or []
    text = "resource rules that are not cluster scoped must supply at least one namespace"
    if not spaces and rule.get("clusterScope"):
        return
    if _list(spaces, f"{path}.namespaces", text, "namespaces", causes):
        for index, name in enumerate(spaces):
            for fault in names.check_label(name):
                causes.invalid(f"{path}.namespaces[{index}]", name, _NAMESPACE + fault)


def _url_rule(rule: Object, path: str, causes: Causes) -> None:
    _verbs(rule, path, causes)
    urls, where = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    text = "nonResourceURLs must contain at least one value"
    if _list(urls, where, text, "non-resource URLs", causes):
        for index, url in enumerate(urls):
            fault = _url_fault(url)
            if fault:
                causes.invalid(f"{where}[{index}]", url, fault)


def _url_fault(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    if stars > 1 or (stars == 1 and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _level(change: Change, causes: Causes) -> None:
    spec, name = change.object.get("spec") or {}, change.object["metadata"].get("name")
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        text = "type must be 'Exempt' if and only if name is 'exempt'"
        causes.invalid("spec.type", kind, text)
    if kind == "Exempt":
        if limited is not None:
            causes.forbidden("spec.limited", "must be nil if the type is not Limited")
        if exempt is not None:
            _shares(exempt, "spec.exempt", causes)
    elif kind == "Limited":
        if exempt is not None:
            causes.forbidden("spec.exempt", "must be nil if the type is Limited")
        if limited is None:
            causes.required("spec.limited", "must not be empty when type is Limited")
        else:
            _limited(limited, "spec.limited", causes)
    else:
        causes.not_supported("spec.type", kind, ("Exempt", "Limited"))
    fixed_level(name, spec, causes)


def _shares(value: Object, path: str, causes: Causes) -> None:
    shares, lent = value.get("nominalConcurrencyShares"), value.get("lendablePercent")
    if shares is not None and shares < 0:
        text = "must be a non-negative integer"
        causes.invalid(f"{path}.nominalConcurrencyShares", shares, text)
    if lent is not None and not 0 <= lent <= 100:
        text = "must be between 0 and 100, inclusive"
        causes.invalid(f"{path}.lendablePercent", lent, text)


def _limited(value: Object, path: str, causes: Causes) -> None:
    _shares(value, path, causes)
    borrowed = value.get("borrowingLimitPercent")
    if borrowed is not None and borrowed < 0:
        text = "if specified, must be a non-negative integer"
        causes.invalid(f"{path}.borrowingLimitPercent", borrowed, text)
    response, here = value.get("limitResponse") or {}, f"{path}.limitResponse"
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            text = "must be nil if limited.limitResponse.type is not Limited"
            causes.forbidden(f"{here}.queuing", text)
    elif kind == "Queue":
        if queuing is None:
            text = "must not be empty if limited.limitResponse.type is Limited"
            causes.required(f"{here}.queuing", text)
        else:
            _queuing(queuing, f"{here}.queuing", causes)
    else:
        causes.not_supported(f"{here}.type", kind, ("Queue", "Reject"))


def _queuing(value: Object, path: str, causes: Causes) -> None:
    length, queues = value.get("queueLengthLimit") or 0, value.get("queues") or 0
    hand = value.get("handSize") or 0
    if length <= 0:
        causes.invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        causes.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _QUEUES_MAX:
        causes.invalid(f"{path}.queues", queues, f"must not be greater than {_QUEUES_MAX}")
    if hand <= 0:
        causes.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        text = f"should not be greater than queues ({queues})"
        causes.invalid(f"{path}.handSize", hand, text)
    elif _entropy_bits(queues, hand) > _HASH_BITS:
        text = (
            f"required entropy bits of deckSize {queues} and handSize {hand} "
            f"should not be greater than {_HASH_BITS}"
        )
        causes.invalid(f"{path}.handSize", hand, text)


def _entropy_bits(deck: int, hand: int) -> int:
    """Return how many bits of a hash shuffle-sharding needs to deal a hand."""
    total = 1
    for index in range(hand):
        total *= deck - index
    return (total - 1).bit_length()


def _status(change: Change, causes: Causes) -> None:
    taken: set[str] = set()
    found = (change.object.get("status") or {}).get("conditions") or ()
    for index, condition in enumerate(found):
        kind, path = condition.get("type") or "", f"status.conditions[{index}].type"
        if kind in taken:
            causes.duplicate(path, kind)
        taken.add(kind)
        if not kind:
            causes.required(path, "must not be empty")


FLOW_SCHEMA = Rules(always=_schema, status=_status, namespaced=False)
PRIORITY_LEVEL = Rules(always=_level, status=_status, namespaced=False)
