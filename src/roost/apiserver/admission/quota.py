"""ResourceQuota: what a namespace may use is taken before it is used.

Requests of one namespace that wait at the same time are decided together, one after the other, and
written as one change of each quota's status, guarded by its resourceVersion: however many creates run
at once, and on however many servers, the sum never passes the limit. What was taken for a write that
then failed is given back with the next change; the quota controller recounts in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from roost.api.errors import Conflict, Forbidden
from roost.api.kind import Resource
from roost.api.quantity import Written, add, canonical, compare, subtract
from roost.api.values import Object
from roost.apiserver.admission.base import PODS, Base, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.usage import constraint_fault, quota_matches, usage_of
from roost.apiserver.attributes import Admission

QUOTAS = Resource("", "v1", "resourcequotas")

#: Replaces the status of a quota, guarded by its resourceVersion; raises Conflict. Returns it.
Write: TypeAlias = Callable[[Object], Awaitable[Object]]

_IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})
_UPDATED = frozenset({PODS, ("", "services"), ("", "persistentvolumeclaims")})
_TRIES = 5

_Amounts: TypeAlias = dict[str, Written]


@dataclass(slots=True, eq=False)
class _Claim:
    """One request that wants its share."""

    request: Admission
    delta: _Amounts
    #: Name of a quota -> (its uid, what it gave).
    charged: dict[str, tuple[str, _Amounts]] = field(default_factory=dict)
    refusal: Forbidden | None = None
    decided: bool = False
    abandoned: bool = False  # its request was cancelled while others decided


@dataclass(slots=True)
class _Namespace:
    """The requests of a namespace that wait, and who decides for them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Claim] = field(default_factory=list)
    users: int = 0


class ResourceQuota(Base):
    """Charges what is created, and what grows, to the quotas of its namespace."""

    name = "ResourceQuota"

    def __init__(self, write: Write) -> None:
        self._write = write
        self._namespaces: dict[str, _Namespace] = {}
        #: uid of a quota -> (the resourceVersion this server wrote last, what to give back).
        self._returned: dict[str, tuple[str, _Amounts]] = {}

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        if not _concerns(request):
            return
        quotas = await lookup.list(QUOTAS, request.namespace)
        if not quotas:
            return
        delta = _delta(request)
        if not delta or not any(_relevant(quota, request, delta) for quota in quotas):
            return
        claim = _Claim(request, delta)
        await self._decide(claim, lookup)
        if claim.refusal is not None:
            raise claim.refusal

    async def _decide(self, claim: _Claim, lookup: Lookup) -> None:
        """Wait until the claim is decided, by whoever has its turn first."""
        name = claim.request.namespace
        namespace = self._namespaces.setdefault(name, _Namespace())
        namespace.users += 1
        namespace.waiting.append(claim)
        try:
            async with namespace.lock:
                if not claim.decided:
                    await self._decide_all(name, namespace, lookup)
        finally:
            claim.abandoned = not claim.decided
            if claim in namespace.waiting:
                namespace.waiting.remove(claim)
            namespace.users -= 1
            if not namespace.users:
                del self._namespaces[name]

    async def _decide_all(self, name: str, namespace: _Namespace, lookup: Lookup) -> None:
        batch = list(namespace.waiting)
        for attempt in range(_TRIES):
            quotas = list(await lookup.list(QUOTAS, name))
            try:
                await self._charge(batch, quotas)
            except Conflict:
                # The recounting controller or another server was first: decide on what it wrote.
                if attempt == _TRIES - 1:
                    raise
                continue
            break
        for claim in batch:
            claim.decided = True
            if claim.abandoned:
                self._give_back(claim)
            elif claim.charged:
                claim.request.undo.append(partial(self._give_back, claim))
        namespace.waiting = [claim for claim in namespace.waiting if not claim.decided]

    async def _charge(self, batch: Iterable[_Claim], quotas: list[Object]) -> None:
        tallies = {quota["metadata"]["name"]: self._tally(quota) for quota in quotas}
        for claim in batch:
            claim.refusal = None
            shares = _shares(claim, tallies)
            if isinstance(shares, Forbidden):
                claim.refusal = shares
                self._give_back(claim)
            elif not claim.request.dry_run:
                for name, share in shares.items():
                    tallies[name].take(claim, share)
        for tally in tallies.values():
            if tally.taken:
                await self._settle(tally)

    async def _settle(self, tally: _Tally) -> None:
        """Write what a quota has used now, and note for each claim what it was charged."""
        quota = tally.quota
        status = {**quota["status"], "used": tally.canonical()}
        written = await self._write({**quota, "status": status})
        # What came back while the write was under way is not in it.
        _, returned = self._returned.get(tally.uid, ("", {}))
        left = _minus(returned, tally.returned)
        self._returned[tally.uid] = (written["metadata"]["resourceVersion"], left)
        for claim, share in tally.taken:
            claim.charged[tally.name] = (tally.uid, share)

    def _tally(self, quota: Object) -> _Tally:
        """Return what is used: what the status says, less what was given back since."""
        uid = quota["metadata"]["uid"]
        version, returned = self._returned.get(uid, ("", {}))
        if version != quota["metadata"]["resourceVersion"]:
            # Somebody recounted since: what was to be given back is not counted any more.
            self._returned.pop(uid, None)
            returned = {}
        used: _Amounts = dict((quota.get("status") or {}).get("used") or {})
        return _Tally(quota, _minus(used, returned), dict(returned))

    def _give_back(self, claim: _Claim) -> None:
        for uid, share in claim.charged.values():
            if uid in self._returned:
                version, returned = self._returned[uid]
                self._returned[uid] = (version, _plus(returned, share))
        claim.charged.clear()


@dataclass(slots=True)
class _Tally:
    """One quota while claims are decided."""

    quota: Object
    used: _Amounts
    returned: _Amounts
    taken: list[tuple[_Claim, _Amounts]] = field(default_factory=list)

    @property
    def name(self) -> str:
        found: str = self.quota["metadata"]["name"]
        return found

    @property
    def uid(self) -> str:
        found: str = self.quota["metadata"]["uid"]
        return found

    @property
    def hard(self) -> _Amounts:
        return (self.quota.get("status") or {}).get("hard") or {}

    def take(self, claim: _Claim, share: _Amounts) -> None:
        self.used = {**self.used, **_plus({key: self.used[key] for key in share}, share)}
        self.taken.append((claim, share))

    def canonical(self) -> dict[str, str]:
        return {key: canonical(value) for key, value in self.used.items()}


def _concerns(request: Admission) -> bool:
    resource = resource_of(request)
    if not request.namespace or not request.kind.namespaced or request.object is None:
        return False
    if request.operation == "CREATE":
        return not request.subresource and resource not in _IGNORED
    if request.operation != "UPDATE" or resource not in _UPDATED:
        return False
    return not request.subresource or (resource == PODS and request.subresource == "resize")


def _delta(request: Admission) -> _Amounts:
    """Return what a request uses more than before; nothing is ever negative."""
    group, plural = resource_of(request)
    assert request.object is not None
    usage = usage_of(group, plural, request.object)
    if request.operation == "UPDATE" and request.old is not None:
        before = usage_of(group, plural, request.old)
        usage = {
            key: subtract(value, before[key]) if key in before else value
            for key, value in usage.items()
        }
    return {key: value for key, value in usage.items() if compare(value, "0") > 0}


def _relevant(quota: Object, request: Admission, delta: Mapping[str, Written]) -> bool:
    """Does a quota limit anything that the request could use?"""
    group, plural = resource_of(request)
    assert request.object is not None
    hard = (quota.get("status") or {}).get("hard") or {}
    if not quota_matches(quota["spec"], group, plural, request.object):
        return False
    if any(key in hard for key in delta):
        return True
    return constraint_fault(group, plural, request.object, hard) is not None


def _shares(claim: _Claim, tallies: Mapping[str, _Tally]) -> dict[str, _Amounts] | Forbidden:
    """Return what each quota must give for a claim, or why one of them does not."""
    request = claim.request
    group, plural = resource_of(request)
    assert request.object is not None
    shares: dict[str, _Amounts] = {}
    for name, tally in tallies.items():
        if name in claim.charged or not _relevant(tally.quota, request, claim.delta):
            continue
        fault = constraint_fault(group, plural, request.object, tally.hard)
        if fault is not None:
            return refuse(request, f"failed quota: {name}: {fault}")
        share = {key: value for key, value in claim.delta.items() if key in tally.hard}
        unknown = sorted(key for key in share if key not in tally.used)
        if unknown:
            return refuse(
                request, f"status unknown for quota: {name}, resources: {','.join(unknown)}"
            )
        over = sorted(
            key for key in share if compare(add(tally.used[key], share[key]), tally.hard[key]) > 0
        )
        if over:
            return refuse(
                request,
                f"exceeded quota: {name}, requested: {_told(share, over)},"
                f" used: {_told(tally.used, over)}, limited: {_told(tally.hard, over)}",
            )
        shares[name] = share
    return shares


def _told(amounts: Mapping[str, Written], keys: Iterable[str]) -> str:
    return ",".join(f"{key}={canonical(amounts[key])}" for key in keys)


def _plus(left: Mapping[str, Written], right: Mapping[str, Written]) -> _Amounts:
    found = dict(left)
    for key, value in right.items():
        found[key] = add(found[key], value) if key in found else value
    return found


def _minus(left: Mapping[str, Written], right: Mapping[str, Written]) -> _Amounts:
    """Return the difference, without what comes to nothing on both sides."""
    found = dict(left)
    for key, value in right.items():
        if key in found:
            found[key] = subtract(found[key], value)
    return found
