"""Informers that several components of one simulation share, each as if they were its own.

Caches are equal wherever they are kept, so keeping one saves the others' time and memory. A component
that crashes must not leave listeners behind: each has a Tenant, which knows what it added.
"""

from __future__ import annotations

import asyncio

from roost.api.kind import Resource
from roost.client.cache import Cache
from roost.client.informer import Informer, Informers, Listener


class _Borrowed(Informer):
    """An informer of another, with the listeners that a tenant added."""

    def __init__(self, lender: Informer) -> None:
        self._lender = lender
        self.query = lender.query
        self.cache = lender.cache
        self.synced = lender.synced
        self._added: list[Listener] = []

    @property
    def version(self) -> str:  # type: ignore[override]  # an attribute there, read only here
        return self._lender.version

    def listen(self, listener: Listener) -> None:
        self._added.append(listener)
        self._lender.listen(listener)

    def unlisten(self, listener: Listener) -> None:
        self._added.remove(listener)
        self._lender.unlisten(listener)

    def leave(self) -> None:
        for listener in self._added:
            self._lender.unlisten(listener)
        self._added.clear()


class Tenant(Informers):
    """The shared informers, as one component sees them. Somebody else runs them."""

    def __init__(self, shared: Informers) -> None:
        self._shared = shared
        self._borrowed: dict[Resource, _Borrowed] = {}

    def __getitem__(self, resource: Resource) -> Cache:
        return self._shared[resource]

    def informer(self, resource: Resource) -> Informer:
        lender = self._shared.informer(resource)
        known = self._borrowed.get(resource)
        if known is None or known.cache is not lender.cache:
            known = self._borrowed[resource] = _Borrowed(lender)
        return known

    def find(self, resource: Resource) -> Informer | None:
        return self._borrowed.get(resource)

    def drop(self, resource: Resource) -> None:
        """Follow a resource no longer; it goes when it is served no more (to nobody, that is)."""
        borrowed = self._borrowed.pop(resource, None)
        if borrowed is not None:
            borrowed.leave()
            self._shared.drop(resource)

    def resources(self) -> tuple[Resource, ...]:
        return tuple(self._borrowed)

    async def run(self) -> None:
        """Wait until cancelled: the informers run elsewhere."""
        await asyncio.get_running_loop().create_future()

    def leave(self) -> None:
        """Take back every listener."""
        for borrowed in self._borrowed.values():
            borrowed.leave()
        self._borrowed.clear()
