"""ResourceQuotas: recount what is used, so that the status says the truth whatever happened.

Admission adds to status.used before it lets an object in; this takes away what is gone. What an object
uses is told by the same rules as admission's, which are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.quantity import Written, add, canonical
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import name_of, namespace_of
from roost.decisions.plan import NOTHING, Plan, Update
from roost.decisions.resources import RESOURCE_QUOTAS
from roost.decisions.served import Served


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """`usage_of(group, plural, object)` and `matches(quota spec, group, plural, object)`."""

    usage_of: Callable[[str, str, Object], Mapping[str, Written]]
    matches: Callable[[Object, str, str, Object], bool]


@dataclass(frozen=True, slots=True)
class View:
    """A quota and what each object in its reach uses."""

    quota: Object
    usages: tuple[Mapping[str, Written], ...]


def reconcile(view: View) -> Plan:
    """Write limits and sums, if they differ from what is written."""
    quota = view.quota
    hard = quota["spec"].get("hard") or {}
    used: dict[str, Written] = dict.fromkeys(hard, "0")
    for usage in view.usages:
        for name in hard.keys() & usage.keys():
            used[name] = add(used[name], usage[name])
    status = {
        "hard": {name: hard[name] for name in sorted(hard)},
        "used": {name: canonical(used[name]) for name in sorted(used)},
    }
    if status == (quota.get("status") or {}):
        return NOTHING
    return Plan((Update(RESOURCE_QUOTAS, {**quota, "status": status}, "status"),))


def _quota_keys(obj: Object, caches: Caches) -> Iterable[Key]:
    namespace = namespace_of(obj)
    return [Key(namespace, name_of(quota)) for quota in caches[RESOURCE_QUOTAS].all(namespace)]


def _counted(resource: Resource, hard: Iterable[str]) -> bool:
    """Say whether a quota of these names can count objects of a resource."""
    if not resource.group and resource.plural in {"pods", "services", "persistentvolumeclaims"}:
        return True
    count = f"count/{resource.plural}"
    names = {resource.plural, f"{count}.{resource.group}" if resource.group else count}
    return bool(names & set(hard))


def resource_quota(served: Iterable[Served], rules: QuotaRules) -> Controller[View]:
    """Return the controller for a server that serves these resources."""
    resources = [
        s.resource
        for s in served
        if s.namespaced and s.resource.plural != "events" and s.resource != RESOURCE_QUOTAS
    ]

    def view(caches: Caches, key: Key, _now: float) -> View | None:
        quota = caches[RESOURCE_QUOTAS].get(*key)
        if quota is None:
            return None
        spec = quota["spec"]
        hard = spec.get("hard") or {}
        usages = tuple(
            rules.usage_of(resource.group, resource.plural, obj)
            for resource in (*resources, RESOURCE_QUOTAS)
            if _counted(resource, hard)
            for obj in caches[resource].all(key.namespace)
            if rules.matches(spec, resource.group, resource.plural, obj)
        )
        return View(quota, usages)

    return Controller(
        name="resourcequota-controller",
        watches=(
            Watch(RESOURCE_QUOTAS, own_key),
            *(Watch(resource, _quota_keys) for resource in resources),
        ),
        view=view,
        reconcile=reconcile,
    )
