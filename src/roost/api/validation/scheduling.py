"""Rules for where pods run: affinity, tolerations, spreading and gates."""

from __future__ import annotations

from roost.api import names
from roost.api.validation.causes import NOT_POSITIVE, Causes
from roost.api.validation.goform import TAINT
from roost.api.validation.selectors import label_key, label_selector, node_selector, node_term
from roost.api.values import Object

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_NODE_POLICIES = ("Honor", "Ignore")
_NO_SELECTOR = "must not be specified when labelSelector is not set"
_IN_BOTH = "exists in both matchLabelKeys and labelSelector"


def affinity(value: Object | None, path: str, causes: Causes) -> None:
    """Check all affinities of a pod."""
    if not value:
        return
    node = value.get("nodeAffinity")
    if node:
        _node_affinity(node, f"{path}.nodeAffinity", causes)
    for name in ("podAffinity", "podAntiAffinity"):
        if value.get(name):
            _pod_affinity(value[name], f"{path}.{name}", causes)


def _node_affinity(value: Object, path: str, causes: Causes) -> None:
    if value.get(_REQUIRED) is not None:
        node_selector(value[_REQUIRED], f"{path}.{_REQUIRED}", causes)
    for index, term in enumerate(value.get(_PREFERRED) or ()):
        here = f"{path}.{_PREFERRED}[{index}]"
        _weight(term, here, causes)
        node_term(term.get("preference") or {}, f"{here}.preference", causes, lenient=True)


def _weight(term: Object, path: str, causes: Causes) -> None:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        causes.invalid(f"{path}.weight", weight, _WEIGHT)


def _pod_affinity(value: Object, path: str, causes: Causes) -> None:
    for index, term in enumerate(value.get(_REQUIRED) or ()):
        _pod_term(term, f"{path}.{_REQUIRED}[{index}]", causes)
    for index, weighted in enumerate(value.get(_PREFERRED) or ()):
        here = f"{path}.{_PREFERRED}[{index}]"
        _weight(weighted, here, causes)
        _pod_term(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm", causes)


def _pod_term(term: Object, path: str, causes: Causes) -> None:
    label_selector(term.get("labelSelector"), f"{path}.labelSelector", causes)
    label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector", causes)
    for name in term.get("namespaces") or ():
        causes.faults(f"{path}.namespace", name, names.check_label(name))
    _label_keys(term, path, causes)
    key = term.get("topologyKey") or ""
    if not key:
        causes.required(f"{path}.topologyKey", "can not be empty")
    label_key(key, f"{path}.topologyKey", causes)


def _label_keys(term: Object, path: str, causes: Causes) -> None:
    selector = term.get("labelSelector")
    matching, other = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    for name, keys in (("matchLabelKeys", matching), ("mismatchLabelKeys", other)):
        if keys and selector is None:
            causes.forbidden(f"{path}.{name}", _NO_SELECTOR)
        elif keys:
            for index, key in enumerate(keys):
                label_key(key, f"{path}.{name}[{index}]", causes)
    if selector is not None:
        seen = set(selector.get("matchLabels") or ())
        for requirement in selector.get("matchExpressions") or ():
            key = requirement.get("key") or ""
            if key in matching and key in seen:
                causes.invalid(f"{path}[{matching.index(key)}]", key, _IN_BOTH)
            seen.add(key)
    for index, key in enumerate(matching):
        if key in other:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            causes.invalid(f"{path}.matchLabelKeys[{index}]", key, text)


def tolerations(values: list[Object], path: str, causes: Causes) -> None:
    """Check tolerations."""
    for index, value in enumerate(values):
        _toleration(value, f"{path}[{index}]", causes)


def _toleration(value: Object, path: str, causes: Causes) -> None:
    key, operator = value.get("key") or "", value.get("operator") or ""
    effect, text = value.get("effect") or "", value.get("value") or ""
    if key:
        label_key(key, f"{path}.key", causes)
    elif operator != "Exists":
        rule = (
            "operator must be Exists when `key` is empty, "
            'which means "match all values and all keys"'
        )
        causes.invalid(f"{path}.operator", operator, rule)
    if value.get("tolerationSeconds") is not None and effect != "NoExecute":
        rule = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        causes.invalid(f"{path}.effect", effect, rule)
    if operator in ("", "Equal"):
        faults = names.check_label_value(text)
        if faults:
            causes.invalid(f"{path}.operator", text, ";".join(faults))
    elif operator == "Exists":
        if text:
            rule = "value must be empty when `operator` is 'Exists'"
            causes.invalid(f"{path}.operator", text, rule)
    else:
        causes.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in EFFECTS:
        causes.not_supported(f"{path}.effect", effect, EFFECTS)


def taints(values: list[Object], path: str, causes: Causes) -> None:
    """Check the taints of a node."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(values):
        here, key, effect = f"{path}[{index}]", taint.get("key") or "", taint.get("effect") or ""
        label_key(key, f"{here}.key", causes)
        faults = names.check_label_value(taint.get("value") or "")
        if faults:
            causes.invalid(f"{here}.value", taint["value"], ";".join(faults))
        causes.one_of(f"{here}.effect", effect, EFFECTS)
        if (key, effect) in seen:
            text = "taints must be unique by key and effect pair"
            causes.duplicate(here, TAINT.show(taint), text)
        seen.add((key, effect))


def spreading(values: list[Object], path: str, causes: Causes) -> None:
    """Check how pods are to be spread over topologies."""
    for index, value in enumerate(values):
        _spread(value, values[index + 1 :], f"{path}[{index}]", causes)


def _spread(value: Object, rest: list[Object], path: str, causes: Causes) -> None:
    skew = value.get("maxSkew") or 0
    key, action = value.get("topologyKey") or "", value.get("whenUnsatisfiable") or ""
    if skew <= 0:
        causes.invalid(f"{path}.maxSkew", skew, NOT_POSITIVE)
    if not key:
        causes.required(f"{path}.topologyKey", "can not be empty")
    if action not in _ACTIONS:
        causes.not_supported(f"{path}.whenUnsatisfiable", action, _ACTIONS)
    for other in rest:
        if (other.get("topologyKey") or "", other.get("whenUnsatisfiable") or "") == (key, action):
            where = f"{path}.{{topologyKey, whenUnsatisfiable}}"
            causes.duplicate(where, f"{{{key}, {action}}}")
            break
    domains = value.get("minDomains")
    if domains is not None:
        if domains <= 0:
            causes.invalid(f"{path}.minDomains", domains, NOT_POSITIVE)
        if action != "DoNotSchedule":
            rule = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            causes.invalid(f"{path}.minDomains", domains, rule)
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = value.get(name)
        if policy is not None and policy not in _NODE_POLICIES:
            causes.not_supported(f"{path}.{name}", policy, _NODE_POLICIES)
    _label_keys(value, path, causes)
    label_selector(value.get("labelSelector"), f"{path}.labelSelector", causes)


def gates(values: list[Object], path: str, causes: Causes) -> None:
    """Check scheduling gates."""
    seen: set[str] = set()
    for index, gate in enumerate(values):
        name = gate.get("name") or ""
        causes.faults(f"{path}[{index}]", name, names.check_qualified_name(name))
        if name in seen:
            causes.duplicate(f"{path}[{index}]", name)
        seen.add(name)
