"""ResourceQuotas: recount what is used, so that the status says the truth whatever happened.

Admission adds to status.used before it lets an object in; this takes away what is gone. Because what was
added may be for an object that the caches do not show yet, nothing is taken away before a quota was left
alone for a moment, and only what went, or a new limit, asks for a recount (and every five minutes). What
an object uses is told by the same rules as admission's, which are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from roost.api.kind import Resource
from roost.api.quantity import Written, add, canonical, compare
from roost.api.values import Object
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import key_of, name_of, namespace_of, uid_of, version_of
from roost.decisions.plan import Plan, Update
from roost.decisions.pods import finished
from roost.decisions.resources import PODS, RESOURCE_QUOTAS
from roost.decisions.served import Served

#: For how long a quota must not have changed before its use is corrected downwards.
QUIET_S = 0.5
RESYNC_S = 300.0


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """`usage_of(group, plural, object)` and `matches(quota spec, group, plural, object)`."""

    usage_of: Callable[[str, str, Object], Mapping[str, Written]]
    matches: Callable[[Object, str, str, Object], bool]


@dataclass(frozen=True, slots=True)
class View:
    """A quota, what each object in its reach uses, and for how long the quota has not changed."""

    quota: Object
    usages: tuple[Mapping[str, Written], ...]
    quiet_s: float
    now: float


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
    old = quota.get("status") or {}
    again = view.now + RESYNC_S
    if status == old:
        return Plan(wake_at=again)
    known = old.get("used") or {}
    less = any(name in known and compare(used[name], known[name]) < 0 for name in used)
    if less and view.quiet_s < QUIET_S:
        return Plan(wake_at=view.now + QUIET_S - view.quiet_s)
    return Plan((Update(RESOURCE_QUOTAS, {**quota, "status": status}, "status"),), again)


def _own_keys(quota: Object, _caches: Caches) -> Iterable[Key]:
    """Return the quota's key when its limits are not those that were counted for."""
    status = quota.get("status") or {}
    if status.get("hard") == (quota["spec"].get("hard") or {}) and "used" in status:
        return ()
    return (key_of(quota),)


def _keys_of(resource: Resource) -> Callable[[Object, Caches], Iterable[Key]]:
    def keys(obj: Object, caches: Caches) -> Iterable[Key]:
        namespace = namespace_of(obj)
        quotas = caches[RESOURCE_QUOTAS].all(namespace)
        if not quotas:
            return ()
        cached = caches[resource].get(namespace, name_of(obj))
        gone = cached is None or uid_of(cached) != uid_of(obj)
        if not gone and not (resource == PODS and finished(obj)):
            return ()
        return [key_of(quota) for quota in quotas]

    return keys


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

    seen: dict[Key, tuple[str, float]] = {}

    def view(caches: Caches, key: Key, now: float) -> View | None:
        quota = caches[RESOURCE_QUOTAS].get(*key)
        if quota is None:
            seen.pop(key, None)
            return None
        if seen.get(key, ("", 0.0))[0] != version_of(quota):
            seen[key] = (version_of(quota), now)
        spec = quota["spec"]
        hard = spec.get("hard") or {}
        usages = tuple(
            rules.usage_of(resource.group, resource.plural, obj)
            for resource in (*resources, RESOURCE_QUOTAS)
            if _counted(resource, hard)
            for obj in caches[resource].all(key.namespace)
            if rules.matches(spec, resource.group, resource.plural, obj)
        )
        return View(quota, usages, now - seen[key][1], now)

    return Controller(
        name="resourcequota-controller",
        watches=(
            Watch(RESOURCE_QUOTAS, _own_keys, at_start=own_key),
            *(Watch(resource, _keys_of(resource)) for resource in resources),
        ),
        view=view,
        reconcile=reconcile,
    )
