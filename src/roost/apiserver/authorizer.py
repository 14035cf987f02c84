"""The authoriser: may this user do that? Answers at once, from an index kept current by a watch.

`run` follows the store's RBAC kinds and the kinds that lead a node to an object. Rule: one authoriser
that allows is enough (system:masters, then Node, then RBAC); nothing that is cached outlives the
generation of the roles it was decided on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from roost.api.errors import Forbidden
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.access import node, rbac
from roost.apiserver.access.bootstrap.objects import RESOURCES, missing
from roost.apiserver.access.escalation import escalation_text, missing_rules
from roost.apiserver.access.identity import MASTERS, node_of
from roost.apiserver.access.refusals import forbidden
from roost.apiserver.access.relations import RELATED_KINDS, Relations, vertex_of
from roost.apiserver.attributes import Attributes, Decision, User
from roost.apiserver.keys import ROOT
from roost.client.port import Client, Query
from roost.store.port import Compacted, Event, Store

#: Every resource whose events `Authorizer.apply` wants.
WATCHED = (
    *RESOURCES,
    Resource("", "v1", "pods"),
    Resource("", "v1", "persistentvolumes"),
    Resource("storage.k8s.io", "v1", "volumeattachments"),
    Resource("resource.k8s.io", "v1", "resourceslices"),
)

_POD_PREFIX = f"{ROOT}core/pods/"
#: A pod without this in it is on no node, and leads nowhere yet.
_NODE_NAME = b'"nodeName":'
_PREFIXES = tuple(f"{ROOT}{resource.group or 'core'}/{resource.plural}/" for resource in WATCHED)
#: Without one of these in it, a pod that has its node never again changes what it refers to.
_MOVABLE = (b'"ephemeralContainers"', b'"resourceClaimStatuses"')

_YES = Decision(allowed=True)
_NO = Decision(allowed=False)
_ROLE_KINDS = ("Role", "ClusterRole")
_BINDING_KINDS = ("RoleBinding", "ClusterRoleBinding")
#: A user with so many different questions in the cache starts anew; nothing grows without bound.
_CACHE_LIMIT = 65_536

#: (kind, namespace, name)
_Address: TypeAlias = tuple[str, str, str]


class _Grant(NamedTuple):
    """One rule that a user holds, and why."""

    rule: Object
    reason: str


class _Held(NamedTuple):
    """All that a user holds in one namespace; `faults` are roles that are bound but absent."""

    grants: tuple[_Grant, ...]
    faults: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may do in a namespace, for SelfSubjectRulesReview."""

    resource_rules: list[Object]
    url_rules: list[Object]
    incomplete: bool
    error: str


class Authorizer:
    """Decides, and explains its refusals. One per API server."""

    def __init__(self) -> None:
        self.generation = 0  # grows with every change of a role or a binding
        self._relations = Relations()
        self._roles: dict[_Address, Object] = {}
        self._bindings: dict[str, dict[str, Object]] = {"": {}}  # namespace -> name -> binding
        self._known: dict[str, Object] = {}  # key in the store -> what was last taken from it
        self._loaded = asyncio.Event()
        self._held: dict[tuple[str, tuple[str, ...], str], _Held] = {}
        self._decided: dict[tuple[object, ...], tuple[_Choice, ...] | Decision] = {}

    # ------------------------------------------------------------------ the index

    async def run(self, store: Store) -> None:
        """Keep the index current until cancelled."""
        revisions = {prefix: await self._load(store, prefix) for prefix in _PREFIXES}
        self._loaded.set()
        async with asyncio.TaskGroup() as tasks:
            for prefix, revision in revisions.items():
                tasks.create_task(self._follow(store, prefix, revision), name=f"access {prefix}")

    async def ready(self) -> None:
        """Return once `run` has taken in all that is there."""
        await self._loaded.wait()

    async def _follow(self, store: Store, prefix: str, revision: int) -> None:
        while True:
            try:
                async for batch in store.watch(prefix, revision):
                    self.apply(batch)
            except Compacted:
                # Changes were missed, and a permission that was taken away must not live on.
                revision = await self._load(store, prefix)

    async def _load(self, store: Store, prefix: str) -> int:
        """Take in everything under a prefix, and forget what is there no more."""
        page = await store.list(prefix)
        fresh = {record.key: record for record in page.records}
        for key in [key for key in self._known if key.startswith(prefix) and key not in fresh]:
            self.remove(self._known.pop(key))
        for record in fresh.values():
            if prefix != _POD_PREFIX or _NODE_NAME in record.value:
                self._take(record.key, record.peek())
        return page.revision

    def _take(self, key: str, obj: Object) -> None:
        self.put(obj)
        if obj.get("kind") != "Pod" or (obj.get("spec") or {}).get("nodeName"):
            self._known[key] = obj if obj.get("kind") != "Pod" else _address_of(obj)

    def apply(self, events: Iterable[Event]) -> None:
        """Take in changes, in order. Those of other resources are passed over by their keys."""
        for event in events:
            if not event.key.startswith(_PREFIXES):
                continue
            known = self._known.get(event.key)
            if event.deleted:
                self._known.pop(event.key, None)
                self.remove(known or event.record.object)
            elif known is None or not _is_settled(known, event.record.value):
                # A bound pod changes with every status report, but what it refers to only with an
                # ephemeral container or a claim: most pod events need not be decoded for this.
                self._take(event.key, event.record.object)

    def put(self, obj: Object) -> None:
        """Take in one object as it is now."""
        kind = obj.get("kind", "")
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if kind in RELATED_KINDS:
            self._relations.put(kind, obj)
        elif kind in _ROLE_KINDS:
            self._roles[kind, namespace, name] = obj
            self._forget()
        elif kind in _BINDING_KINDS:
            self._bindings.setdefault(namespace, {})[name] = obj
            self._forget()

    def remove(self, obj: Object) -> None:
        """Forget one object."""
        kind = obj.get("kind", "")
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        if kind in RELATED_KINDS:
            self._relations.remove(vertex_of(kind, obj))
        elif kind in _ROLE_KINDS:
            self._roles.pop((kind, namespace, name), None)
            self._forget()
        elif kind in _BINDING_KINDS:
            self._bindings.get(namespace, {}).pop(name, None)
            self._forget()

    def _forget(self) -> None:
        self.generation += 1
        self._held.clear()
        self._decided.clear()

    # ------------------------------------------------------------------ decisions

    def authorize(self, request: Attributes) -> Decision:
        """Return whether a request is allowed, and the reason the real server would give."""
        user = request.user
        if MASTERS in user.groups:
            return _YES
        reasons = ""
        if (by_node := node.decide(self._relations, request)) is not None:
            if by_node.allowed:
                return by_node
            reasons = by_node.reason
        decision = self._by_role(request)
        if not decision.allowed and reasons:
            both = "\n".join(filter(None, (reasons, decision.reason)))
            return Decision(allowed=False, reason=both)
        return decision

    def _by_role(self, request: Attributes) -> Decision:
        user = request.user
        key = (
            user.name, user.groups, request.verb, request.group, request.resource,
            request.subresource, request.namespace, request.path,
        )  # fmt: skip
        found = self._decided.get(key)
        if found is None:
            if len(self._decided) >= _CACHE_LIMIT:
                self._decided.clear()
            found = self._decided[key] = self._choices(request)
        if isinstance(found, Decision):
            return found
        name = request.name
        for choice in found:
            if choice.names is None or name in choice.names:
                return choice.decision
        raise AssertionError("the last choice is for every name")

    def _choices(self, request: Attributes) -> tuple[_Choice, ...] | Decision:
        """Return the decision; or, if it hangs on the object's name, one for each set of names."""
        held = self._held_by(request.user, request.namespace)
        choices: list[_Choice] = []
        for grant in held.grants:
            if request.path:
                if rbac.rule_matches(grant.rule, request):
                    return Decision(allowed=True, reason=grant.reason)
                continue
            if not rbac.rule_matches_any_name(grant.rule, request):
                continue
            names = grant.rule.get("resourceNames") or None
            decision = Decision(allowed=True, reason=grant.reason)
            choices.append(_Choice(frozenset(names) if names else None, decision))
            if names is None:
                break
        else:
            refusal = Decision(allowed=False, reason=held.faults) if held.faults else _NO
            choices.append(_Choice(None, refusal))
        return choices[0].decision if len(choices) == 1 else tuple(choices)

    def _held_by(self, user: User, namespace: str) -> _Held:
        key = (user.name, user.groups, namespace)
        held = self._held.get(key)
        if held is None:
            if len(self._held) >= _CACHE_LIMIT:
                self._held.clear()
            held = self._held[key] = self._collect(user, namespace)
        return held

    def _collect(self, user: User, namespace: str) -> _Held:
        grants: list[_Grant] = []
        faults: dict[str, None] = {}
        for place in dict.fromkeys(("", namespace)):
            for binding in self._bindings.get(place, {}).values():
                subject = rbac.subject_matching(binding.get("subjects") or (), user, place)
                if subject is None:
                    continue
                role = self.role(binding["roleRef"], place)
                if role is None:
                    faults[_absent(binding["roleRef"])] = None
                    continue
                reason = rbac.reason_of(binding, subject)
                grants.extend(_Grant(rule, reason) for rule in role.get("rules") or ())
        texts = list(faults)
        if len(texts) > 1:
            return _Held(tuple(grants), "RBAC: [" + ", ".join(texts) + "]")
        return _Held(tuple(grants), f"RBAC: {texts[0]}" if texts else "")

    def role(self, reference: Object, namespace: str) -> Object | None:
        """Return the role that a binding in `namespace` refers to, None if it is absent."""
        kind = reference["kind"]
        home = namespace if kind == "Role" else ""
        return self._roles.get((kind, home, reference["name"]))

    # ------------------------------------------------------------------ what follows from them

    def forbidden(self, request: Attributes, decision: Decision | None = None) -> Forbidden:
        """Return the error that refuses a request, with the real server's text."""
        decision = decision or self.authorize(request)
        return forbidden(request, decision.reason)

    def check(self, request: Attributes) -> None:
        """Raise Forbidden unless a request is allowed."""
        decision = self.authorize(request)
        if not decision.allowed:
            raise forbidden(request, decision.reason)

    def rules_for(self, user: User, namespace: str) -> Rules:
        """Return everything that roles let a user do in a namespace."""
        held = self._held_by(user, namespace)
        rules = [grant.rule for grant in held.grants]
        is_node = node_of(user) is not None
        errors = [held.faults] if held.faults else []
        if is_node:
            errors.insert(0, "node authorizer does not support user rule resolution")
        return Rules(
            [_part(rule, _RESOURCE_FIELDS) for rule in rules if rule.get("resources")],
            [_part(rule, _URL_FIELDS) for rule in rules if rule.get("nonResourceURLs")],
            incomplete=bool(errors),
            error=", ".join(errors),
        )

    def escalation(self, user: User, namespace: str, wanted: Sequence[Object]) -> str | None:
        """Return why a user may not give away `wanted` rules in a namespace, None if they may."""
        held = self._held_by(user, namespace)
        lacking = missing_rules([grant.rule for grant in held.grants], wanted)
        if not lacking:
            return None
        return escalation_text(user, lacking, [held.faults] if held.faults else [])


class _Choice(NamedTuple):
    """A decision for some object names (None: for every name)."""

    names: frozenset[str] | None
    decision: Decision


_RESOURCE_FIELDS = ("verbs", "apiGroups", "resources", "resourceNames")
_URL_FIELDS = ("verbs", "nonResourceURLs")


def _part(rule: Object, fields: Sequence[str]) -> Object:
    return {field: rule[field] for field in fields if rule.get(field)}


def _is_settled(known: Object, value: bytes) -> bool:
    """Is this a new state of a bound pod that refers to nothing new?"""
    return known.get("kind") == "Pod" and not any(mark in value for mark in _MOVABLE)


def _address_of(pod: Object) -> Object:
    """Return as much of a pod as is needed to forget it."""
    metadata = pod["metadata"]
    address = {"name": metadata["name"], "namespace": metadata.get("namespace", "")}
    return {"kind": "Pod", "metadata": address}


def _absent(reference: Object) -> str:
    return f'{reference["kind"].lower()}.{rbac.GROUP} "{reference["name"]}" not found'


async def bootstrap(client: Client) -> int:
    """Create the roles and bindings that a cluster starts with, and mend those that lost something.

    Returns how many objects were written. Four lists and no write if nothing changed.
    """
    existing: list[tuple[Resource, Object]] = []
    for resource in RESOURCES:
        answer = await client.list(Query(resource))
        existing.extend((resource, obj) for obj in answer.items)
    writes = missing(existing)
    for write in writes:
        namespace = write.object["metadata"].get("namespace", "")
        if write.exists:
            await client.update(write.resource, write.object, namespace)
        else:
            await client.create(write.resource, write.object, namespace)
    return len(writes)
