"""Aggregated ClusterRoles: their rules are those of all roles that their selectors match."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch
from roost.decisions.meta import labels_of, name_of, ref_of, version_of
from roost.decisions.plan import NOTHING, Patch, Plan
from roost.decisions.resources import CLUSTER_ROLES


@dataclass(frozen=True, slots=True)
class View:
    """An aggregated role and the other roles that it selects, by name."""

    role: Object
    selected: tuple[Object, ...]


def view(caches: Caches, key: Key, _now: float) -> View | None:
    """Return the role with what it selects, if it aggregates."""
    role = caches[CLUSTER_ROLES].get(*key)
    rule = (role or {}).get("aggregationRule")
    if role is None or not rule:
        return None
    selectors = [label_selector(s) for s in rule.get("clusterRoleSelectors") or ()]
    selected = [
        other
        for other in caches[CLUSTER_ROLES].all()
        if other is not role and any(s.matches(labels_of(other)) for s in selectors)
    ]
    return View(role, tuple(sorted(selected, key=name_of)))


def reconcile(view: View) -> Plan:
    """Write the union of the rules, each once."""
    rules: list[Object] = []
    for role in view.selected:
        rules.extend(rule for rule in role.get("rules") or () if rule not in rules)
    if rules == (view.role.get("rules") or []):
        return NOTHING
    body = {"metadata": {"resourceVersion": version_of(view.role)}, "rules": rules}
    return Plan((Patch(ref_of(CLUSTER_ROLES, view.role), body),))


def _keys(_role: Object, caches: Caches) -> Iterable[Key]:
    return [Key("", name_of(r)) for r in caches[CLUSTER_ROLES].all() if r.get("aggregationRule")]


CONTROLLER = Controller(
    name="clusterrole-aggregation-controller",
    watches=(Watch(CLUSTER_ROLES, _keys),),
    view=view,
    reconcile=reconcile,
)
