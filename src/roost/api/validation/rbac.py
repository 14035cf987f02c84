"""Rules for roles and their bindings."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.goform import ROLE_REF
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.values import Object

_GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def _rules(change: Change, causes: Causes, *, namespaced: bool) -> None:
    for index, rule in enumerate(change.object.get("rules") or ()):
        _rule(rule, f"rules[{index}]", causes, namespaced=namespaced)


def _rule(rule: Object, path: str, causes: Causes, *, namespaced: bool) -> None:
    if not rule.get("verbs"):
        causes.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            causes.invalid(f"{path}.nonResourceURLs", urls, text)
        if any(rule.get(key) for key in ("apiGroups", "resources", "resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            causes.invalid(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        text = "resource rules must supply at least one api group"
        causes.required(f"{path}.apiGroups", text)
    if not rule.get("resources"):
        text = "resource rules must supply at least one resource"
        causes.required(f"{path}.resources", text)


def _role(change: Change, causes: Causes) -> None:
    _rules(change, causes, namespaced=True)


def _cluster_role(change: Change, causes: Causes) -> None:
    _rules(change, causes, namespaced=False)
    aggregation = change.object.get("aggregationRule")
    if aggregation is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    selectors = aggregation.get("clusterRoleSelectors") or []
    if not selectors:
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        causes.required(path, text)
    for index, selector in enumerate(selectors):
        label_selector(selector, f"{path}[{index}]", causes)


def _binding_of(*kinds: str, namespaced: bool) -> Rules:
    def binding(change: Change, causes: Causes) -> None:
        reference = change.object.get("roleRef") or {}
        group, kind = reference.get("apiGroup") or "", reference.get("kind") or ""
        name = reference.get("name") or ""
        if group != _GROUP:
            causes.not_supported("roleRef.apiGroup", group, (_GROUP,))
        if kind not in kinds:
            causes.not_supported("roleRef.kind", kind, kinds)
        if not name:
            causes.required("roleRef.name")
        else:
            causes.faults("roleRef.name", name, names.check_path_segment(name))
        for index, subject in enumerate(change.object.get("subjects") or ()):
            _subject(subject, f"subjects[{index}]", causes, namespaced=namespaced)

    return Rules(
        always=binding,
        update=_binding_update,
        namespaced=namespaced,
        name_rule="rbac",
    )


def _subject(subject: Object, path: str, causes: Causes, *, namespaced: bool) -> None:
    kind, name = subject.get("kind") or "", subject.get("name") or ""
    group = subject.get("apiGroup") or ""
    if not name:
        causes.required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            causes.faults(f"{path}.name", name, names.check_subdomain(name))
        if group:
            causes.not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            causes.required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != _GROUP:
            causes.not_supported(f"{path}.apiGroup", group, (_GROUP,))
    else:
        causes.not_supported(f"{path}.kind", kind, _SUBJECTS)


def _binding_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("roleRef") or {}, (change.old or {}).get("roleRef") or {}
    if new != old:
        causes.invalid("roleRef", ROLE_REF.show(new), "cannot change roleRef")


ROLE = Rules(always=_role, name_rule="rbac")
CLUSTER_ROLE = Rules(always=_cluster_role, namespaced=False, name_rule="rbac")
ROLE_BINDING = _binding_of("Role", "ClusterRole", namespaced=True)
CLUSTER_ROLE_BINDING = _binding_of("ClusterRole", namespaced=False)
